# Java 17 with keys in AWS KMS: keytool makes keys and gets certificates for them, jarsigner signs with these and with
# keys that the service's own API made, a program uses the key store.
. "$CLIENTS/token.sh"
export PKCS11_MODULE_PATH=$MODULE
. "$CLIENTS/aws/java-provider.sh"
store="$store -storepass anything"

echo "some text" >data
generate -alias rsa -keyalg RSA -keysize 2048 -dname CN=rsa
generate -alias ec -keyalg EC -groupname secp256r1 -dname CN=ec
# The same without the two settings fails, says why, and leaves nothing behind.
user --list-objects >before
fails key_tool -genkeypair -alias none -keyalg RSA -keysize 2048 -dname CN=none 2>errors
cat errors
fails key_tool -genkeypair -providername SunPKCS11-KeyEnclave -alias none -keyalg EC -groupname secp256r1 -dname CN=none 2>errors
grep 'C_CopyObject: CKR_' errors
user --list-objects | cmp before -

# A certificate authority of its own signs; its answer replaces what keytool has signed itself.
openssl req -x509 -newkey rsa:2048 -nodes -keyout authority.key -subj /CN=authority -days 2 -out authority.pem
for alias in rsa ec; do
    key_tool -certreq -alias $alias -file $alias.csr
    openssl req -in $alias.csr -verify -noout
    openssl x509 -req -in $alias.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -out $alias.pem
    cat $alias.pem authority.pem >chain.pem
    key_tool -importcert -noprompt -alias $alias -file chain.pem
    key_tool -list -v -alias $alias | tee list
    grep "Certificate chain length: 2" list
    sign_jar $alias
    grep "CN=authority" verified
done

# A key that was made elsewhere has no certificate here, and Java shows none without: one is put beside it.
key_tool -list >list
fails grep api- list
for key in api-rsa api-ec api-ec384; do
    openssl req -new -x509 -engine pkcs11 -keyform engine -key "$(uri $key)" -subj /CN=$key -days 2 \
        -outform DER -out $key.der
    user --write-object $key.der --type cert --id "$(id_of $key)" --label $key
    sign_jar $key
    grep "CN=$key" verified
done

java "$CLIENTS/KeyStoreProgram.java" use.cfg anything SHA256,SHA384,SHA512 rsa ec api-rsa api-ec api-ec384
java "$CLIENTS/aws/GenerateProgram.java" generate.cfg anything

key_tool -delete -alias ec
key_tool -delete -alias api-rsa
key_tool -list >list
fails grep -E '^(ec|api-rsa),' list
grep -E '^api-ec,' list
fails test "$(id_of api-rsa)"
