# pkcs11-tool signs with Ed25519 keys in AWS KMS.
. "$CLIENTS/token.sh"
. "$CLIENTS/operations.sh"
echo "some text" >data
user --keypairgen --key-type EC:edwards25519 --label made --id 01
# OpenSC 0.23 writes PEM for keys of this kind.
user --read-object --type pubkey --label made --output-file made.pub
signs_with_ed25519 made
signs_with_ed25519 api-ed25519
