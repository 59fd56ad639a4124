# OpenSSL 3.0 through libp11's engine: requests, certificates and CMS with RSA, RSA-PSS and EC keys of the token.
tool() { pkcs11-tool --module "$MODULE" "$@"; }
tool --init-token --slot-index 0 --label client --so-pin "$SO_PIN"
tool --init-pin --login --login-type so --so-pin "$SO_PIN" --pin "$PIN"
tool --login --pin "$PIN" --keypairgen --key-type rsa:2048 --label rsa --id 01
tool --login --pin "$PIN" --keypairgen --key-type EC:prime256v1 --label ec --id 02
tool --login --pin "$PIN" --keypairgen --key-type EC:secp384r1 --label ec384 --id 03

export PKCS11_MODULE_PATH=$MODULE
engine="-engine pkcs11 -keyform engine"
uri() { printf 'pkcs11:token=client;object=%s;type=private;pin-value=%s' "$1" "$PIN"; }
echo "some text" >data

for key in rsa ec ec384; do
    openssl req -new $engine -key "$(uri $key)" -subj "/CN=$key" -out $key.csr
    openssl req -in $key.csr -verify -noout
    openssl req -new -x509 $engine -key "$(uri $key)" -subj "/CN=$key" -days 2 -out $key.pem
    openssl verify -CAfile $key.pem -check_ss_sig $key.pem
    openssl cms -sign $engine -inkey "$(uri $key)" -signer $key.pem -in data -binary -nodetach -outform PEM -out $key.cms
    openssl cms -verify -in $key.cms -inform PEM -CAfile $key.pem -binary -out read
    cmp data read
    openssl dgst -sha256 $engine -sign "$(uri $key)" -out signature data
    openssl x509 -in $key.pem -noout -pubkey -out $key.pub
    openssl dgst -sha256 -verify $key.pub -signature signature data
done

pss="-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"
openssl req -new -x509 $engine -key "$(uri rsa)" -sha256 $pss -subj /CN=pss -days 2 -out pss.pem
openssl verify -CAfile pss.pem -check_ss_sig pss.pem
openssl x509 -in pss.pem -noout -text | grep rsassaPss
openssl dgst -sha256 $engine $pss -sign "$(uri rsa)" -out signature data
openssl dgst -sha256 $pss -verify rsa.pub -signature signature data
openssl cms -sign $engine -inkey "$(uri rsa)" -signer rsa.pem -keyopt rsa_padding_mode:pss -in data -binary -nodetach \
    -outform PEM -out pss.cms
openssl cms -verify -in pss.cms -inform PEM -CAfile rsa.pem -binary -out read
cmp data read

openssl rsautl -encrypt -pubin -inkey rsa.pub -in data -out sealed
openssl pkeyutl -decrypt $engine -inkey "$(uri rsa)" -in sealed -out read
cmp data read
