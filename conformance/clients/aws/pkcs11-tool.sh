# pkcs11-tool on a slot of AWS KMS: keys made by the service's own API (api-*, with their public keys in api-*.pub) and
# keys made here, signatures that OpenSSL verifies, certificates beside the keys.
. "$CLIENTS/token.sh"
. "$CLIENTS/operations.sh"
export PKCS11_MODULE_PATH=$MODULE
head -c 1000 /dev/urandom >data

tool --list-slots | tee slots
grep -F "token label        : $TOKEN" slots
tool --token-label "$TOKEN" --list-mechanisms >mechanisms
for mechanism in RSA-PKCS-KEY-PAIR-GEN ECDSA-KEY-PAIR-GEN SHA256-RSA-PKCS-PSS RSA-PKCS-OAEP ECDSA; do
    grep -w -- "$mechanism" mechanisms
done

id=0
for kind in rsa:2048 rsa:3072 EC:prime256v1 EC:secp384r1; do
    id=$((id + 1))
    user --keypairgen --key-type "$kind" --label "${kind/:/-}" --id 0$id
done
user --keypairgen --key-type rsa:2048 --usage-decrypt --label sealing --id 0f
for key in rsa-2048 rsa-3072 EC-prime256v1 EC-secp384r1 sealing; do
    openssl pkey -pubin -engine pkcs11 -inform engine -in "$(uri $key public)" -pubout -out $key.pub
done
# OpenSC 0.23 reads public keys of these kinds only.
for key in rsa-2048 EC-prime256v1 api-rsa api-ec; do
    user --read-object --type pubkey --label $key --output-file $key.der
    openssl pkey -pubin -inform DER -in $key.der | cmp - $key.pub
done
user --list-objects | tee objects
for label in rsa-2048 EC-secp384r1 sealing api-rsa api-ec384; do
    grep -x "  label:      $label" objects
done

for key in rsa-2048 rsa-3072 api-rsa api-rsa-3072; do
    signs_with_rsa $key
done
for key in EC-prime256v1 EC-secp384r1 api-ec api-ec384; do
    signs_with_ec $key
done
for key in sealing api-sealing; do
    decrypts_with_rsa $key
done
# A key has one use, and its algorithms do not include v1.5 decryption.
fails sign "$(id_of sealing)" --mechanism SHA256-RSA-PKCS --input-file data
fails user --decrypt --id 01 --mechanism RSA-PKCS-OAEP --input-file sealed --output-file opened

for key in rsa-2048 api-ec; do
    openssl req -new -x509 -engine pkcs11 -keyform engine -key "$(uri $key)" -subj /CN=$key -days 2 \
        -outform DER -out $key.cert
    user --write-object $key.cert --type cert --id "$(id_of $key)" --label $key
    user --read-object --type cert --id "$(id_of $key)" --output-file read
    cmp $key.cert read
done
user --write-object data --type data --label notes --application-label client
user --read-object --type data --label notes --output-file read
cmp data read
user --delete-object --type cert --label api-ec
user --delete-object --type data --label notes
user --set-id 77 --type privkey --id 02
test "$(id_of rsa-3072)" = 77
# The key at the service goes with the private key, not with the public one.
user --delete-object --type pubkey --label EC-secp384r1
signs_with_ec EC-secp384r1
user --delete-object --type privkey --label EC-secp384r1
user --delete-object --type privkey --label api-ec384
user --list-objects >objects
fails grep -E 'EC-secp384r1|api-ec384|notes' objects
grep 'Certificate Object' objects

# Nothing private is taken from a program: it would not be at the service.
openssl genpkey -algorithm RSA -out foreign.pem
openssl rsa -in foreign.pem -outform DER -out foreign-key.der
fails user --write-object foreign-key.der --type privkey --id 78 --label foreign
fails test "$(id_of foreign)"

# Many programs log in whatever the token says: where there is no PIN, any is taken.
LOGIN="--login --pin anything"
signs_with_ec api-ec
openssl req -new -engine pkcs11 -keyform engine -key "$(uri api-ec)" -subj /CN=api-ec -out api-ec.csr
openssl req -in api-ec.csr -verify -noout
user --keypairgen --key-type EC:prime256v1 --label after-login --id 09
user --delete-object --type privkey --label after-login
