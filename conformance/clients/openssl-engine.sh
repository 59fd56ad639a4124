# OpenSSL 3.0 through libp11's engine: requests, certificates and CMS with RSA, RSA-PSS and EC keys of the token.
#
# KEYS are the labels of keys that are there already and shall be used too.
. "$CLIENTS/token.sh"
user --keypairgen --key-type rsa:2048 --label rsa --id 01
user --keypairgen --key-type EC:prime256v1 --label ec --id 02
user --keypairgen --key-type EC:secp384r1 --label ec384 --id 03
user --keypairgen --key-type rsa:2048 --usage-decrypt --label sealing --id 04

export PKCS11_MODULE_PATH=$MODULE
engine="-engine pkcs11 -keyform engine"
echo "some text" >data
openssl req -new -newkey rsa:2048 -nodes -keyout foreign.key -subj /CN=foreign -out foreign.csr

for key in rsa ec ec384 ${KEYS-}; do
    openssl req -new $engine -key "$(uri $key)" -subj "/CN=$key" -out $key.csr
    openssl req -in $key.csr -verify -noout
    openssl req -new -x509 $engine -key "$(uri $key)" -subj "/CN=$key" -days 2 -out $key.pem
    openssl verify -CAfile $key.pem -check_ss_sig $key.pem
    openssl x509 -req -engine pkcs11 -CAkeyform engine -CA $key.pem -CAkey "$(uri $key)" -CAcreateserial -days 2 \
        -in foreign.csr -out foreign.pem
    openssl verify -CAfile $key.pem foreign.pem
    openssl cms -sign $engine -inkey "$(uri $key)" -signer $key.pem -in data -binary -nodetach -outform PEM -out $key.cms
    openssl cms -verify -in $key.cms -inform PEM -CAfile $key.pem -binary -out read
    cmp data read
    openssl dgst -sha256 $engine -sign "$(uri $key)" -out signature data
    openssl x509 -in $key.pem -noout -pubkey -out $key.public
    openssl dgst -sha256 -verify $key.public -signature signature data
done

pss="-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest"
for key in rsa ${RSA_KEYS-}; do
    openssl req -new -x509 $engine -key "$(uri $key)" -sha256 $pss -subj /CN=pss -days 2 -out pss.pem
    openssl verify -CAfile pss.pem -check_ss_sig pss.pem
    openssl x509 -in pss.pem -noout -text | grep rsassaPss
    openssl dgst -sha256 $engine $pss -sign "$(uri $key)" -out signature data
    openssl dgst -sha256 $pss -verify $key.public -signature signature data
    openssl cms -sign $engine -inkey "$(uri $key)" -signer $key.pem -keyopt rsa_padding_mode:pss \
        -keyopt rsa_pss_saltlen:digest -in data -binary -nodetach -outform PEM -out pss.cms
    openssl cms -verify -in pss.cms -inform PEM -CAfile $key.pem -binary -out read
    cmp data read
done

openssl pkey -pubin -engine pkcs11 -inform engine -in "$(uri sealing public)" -pubout -out sealing.public
paddings=oaep
tool --token-label "$TOKEN" --list-mechanisms | grep -E '^ *RSA-PKCS,.* decrypt' && paddings="oaep pkcs1"
for padding in $paddings; do
    openssl pkeyutl -encrypt -pubin -inkey sealing.public -in data -out sealed -pkeyopt rsa_padding_mode:$padding
    openssl pkeyutl -decrypt $engine -inkey "$(uri sealing)" -in sealed -out read -pkeyopt rsa_padding_mode:$padding
    cmp data read
done
