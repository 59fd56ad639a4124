# pkcs11-tool (OpenSC): a new token, PINs, keys of each kind, signatures that OpenSSL verifies, objects.
TOKEN=client LOGIN="--login --pin $PIN"
. "$CLIENTS/token.sh"
. "$CLIENTS/operations.sh"

tool --show-info
tool --list-slots
tool --init-token --slot-index 0 --label client --so-pin "$SO_PIN"
tool --init-pin --login --login-type so --so-pin "$SO_PIN" --pin old-pin
tool --change-pin --login --pin old-pin --new-pin "$PIN"
tool --list-mechanisms
user --test

head -c 1000 /dev/urandom >data
declare -A ids=([rsa:2048]=01 [rsa:3072]=02 [EC:prime256v1]=03 [EC:secp384r1]=04 [EC:secp521r1]=05)
for key in rsa:2048 rsa:3072 EC:prime256v1 EC:secp384r1 EC:secp521r1; do
    user --keypairgen --key-type "$key" --label "${key/:/-}" --id "${ids[$key]}"
done
# OpenSC 0.23 cannot read the public keys of the larger curves from any module.
for label in rsa-2048 rsa-3072 EC-prime256v1; do
    user --read-object --type pubkey --label "$label" --output-file "$label.der"
    openssl pkey -pubin -inform DER -in "$label.der" -out "$label.pub"
done
for label in rsa-2048 rsa-3072; do
    signs_with_rsa $label
    decrypts_with_rsa $label
done
signs_with_ec EC-prime256v1
user --sign --mechanism SHA384-RSA-PKCS-PSS --mgf MGF1-SHA384 --salt-len 40 \
    --id 02 --input-file data --output-file signature
openssl dgst -sha384 -verify rsa-3072.pub -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:40 \
    -signature signature data
openssl dgst -sha256 -binary -out digest data
for curve in secp384r1 secp521r1; do
    user --sign --mechanism ECDSA --id ${ids[EC:$curve]} --input-file digest --output-file signature
    user --verify --mechanism ECDSA --id ${ids[EC:$curve]} --input-file digest --signature-file signature
done

user --keypairgen --key-type EC:edwards25519 --label EC-edwards25519 --id 06
user --sign --mechanism EDDSA --id 06 --input-file data --output-file signature
# Of this kind OpenSC 0.23 writes PEM, and it has no other way to verify.
user --read-object --type pubkey --id 06 --output-file EC-edwards25519.pem
openssl pkeyutl -verify -pubin -inkey EC-edwards25519.pem -rawin -in data -sigfile signature

user --keygen --key-type AES:32 --label sealing
user --keygen --key-type GENERIC:32 --label authenticating
user --list-objects

openssl req -x509 -newkey rsa:2048 -nodes -keyout foreign.pem -subj /CN=foreign -days 2 -outform DER -out foreign.der
openssl rsa -in foreign.pem -outform DER -out foreign-key.der
user --write-object foreign-key.der --type privkey --id 77 --label foreign
user --write-object foreign.der --type cert --id 77 --label foreign
user --write-object data --type data --label notes --application-label client --private
user --read-object --type data --label notes --output-file read
cmp data read
user --read-object --type cert --label foreign --output-file read
cmp foreign.der read
user --sign --mechanism SHA256-RSA-PKCS --id 77 --input-file data --output-file signature
openssl x509 -inform DER -in foreign.der -noout -pubkey -out foreign.pub
openssl dgst -sha256 -verify foreign.pub -signature signature data

decrypts_with_rsa foreign

user --delete-object --type data --label notes
user --delete-object --type cert --id 77
user --delete-object --type privkey --id 77
if user --list-objects | grep -E 'notes|foreign'; then
    echo "deleted objects are still listed"
    exit 1
fi
fails sh -c 'pkcs11-tool --module "$MODULE" --list-objects | grep "Private Key"'
fails tool --login --pin wrong-pin --list-objects
