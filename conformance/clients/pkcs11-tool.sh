# pkcs11-tool (OpenSC): a new token, PINs, keys of each kind, signatures that OpenSSL verifies, objects.
tool() { pkcs11-tool --module "$MODULE" "$@"; }
user() { tool --login --pin "$PIN" "$@"; }

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
done

user --sign --mechanism SHA256-RSA-PKCS --id 01 --input-file data --output-file signature
openssl dgst -sha256 -keyform DER -verify rsa-2048.der -signature signature data
user --sign --mechanism SHA384-RSA-PKCS-PSS --mgf MGF1-SHA384 --salt-len 48 \
    --id 02 --input-file data --output-file signature
openssl dgst -sha384 -keyform DER -verify rsa-3072.der -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1 \
    -signature signature data
openssl dgst -sha256 -binary -out digest data
for curve in prime256v1 secp384r1 secp521r1; do
    user --sign --mechanism ECDSA --id ${ids[EC:$curve]} --input-file digest --output-file signature
    user --verify --mechanism ECDSA --id ${ids[EC:$curve]} --input-file digest --signature-file signature
done
user --sign --mechanism ECDSA --signature-format openssl --id 03 --input-file digest --output-file signature
openssl dgst -sha256 -keyform DER -verify EC-prime256v1.der -signature signature data

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

openssl pkeyutl -encrypt -pubin -inkey foreign.pub -in digest -out sealed -pkeyopt rsa_padding_mode:oaep \
    -pkeyopt rsa_oaep_md:sha256
user --decrypt --mechanism RSA-PKCS-OAEP --hash-algorithm SHA256 --mgf MGF1-SHA256 --id 77 \
    --input-file sealed --output-file opened
cmp digest opened

user --delete-object --type data --label notes
user --delete-object --type cert --id 77
user --delete-object --type privkey --id 77
if user --list-objects | grep -E 'notes|foreign'; then
    echo "deleted objects are still listed"
    exit 1
fi
if tool --list-objects | grep "Private Key"; then
    echo "private keys are listed without a login"
    exit 1
fi
if tool --login --pin wrong-pin --list-objects; then
    echo "a wrong PIN was taken"
    exit 1
fi
