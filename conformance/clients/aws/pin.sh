# pkcs11-tool, OpenSSL and Java on a slot of AWS KMS whose keys a PIN of this machine's guards.
. "$CLIENTS/token.sh"
. "$CLIENTS/operations.sh"
export PKCS11_MODULE_PATH=$MODULE
echo "some text" >data

tool --list-slots | grep -A5 "token label        : $TOKEN" | grep "login required"
tool --token-label "$TOKEN" --list-objects >objects
fails grep "Private Key" objects
grep "label:      api-ec" objects
fails tool --token-label "$TOKEN" --login --pin wrong-pin --list-objects
user --keypairgen --key-type EC:prime256v1 --label made --id 01
openssl pkey -pubin -engine pkcs11 -inform engine -in "$(uri made public)" -pubout -out made.pub
signs_with_ec made
signs_with_ec api-ec
signs_with_rsa api-rsa
decrypts_with_rsa api-sealing
openssl req -new -x509 -engine pkcs11 -keyform engine -key "$(uri api-ec)" -subj /CN=api-ec -days 2 \
    -outform DER -out api-ec.der
user --write-object api-ec.der --type cert --id "$(id_of api-ec)" --label api-ec
user --read-object --type cert --label api-ec --output-file read
cmp api-ec.der read

. "$CLIENTS/aws/java-provider.sh"
store="$store -storepass $PIN"
generate -alias java -keyalg EC -groupname secp256r1 -dname CN=java
key_tool -list | grep "java, PrivateKeyEntry"
sign_jar java
sign_jar api-ec
store="${store/-storepass $PIN/-storepass wrong-pin}"
fails key_tool -list

user --delete-object --type privkey --label made
fails test "$(id_of made)"
