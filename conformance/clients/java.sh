# Java's SunPKCS11: keytool makes keys and lists them, jarsigner signs and verifies, a program uses the key store.
. "$CLIENTS/token.sh"
printf 'name = KeyEnclave\nlibrary = %s\nslotListIndex = 0\n' "$MODULE" >provider.cfg

store="-keystore NONE -storetype PKCS11 -storepass $PIN"
provider="-addprovider SunPKCS11 -providerarg provider.cfg"
keytool -genkeypair $provider $store -alias rsa -keyalg RSA -keysize 2048 -dname CN=rsa
keytool -genkeypair $provider $store -alias ec -keyalg EC -groupname secp256r1 -dname CN=ec
keytool -genkeypair $provider $store -alias ec384 -keyalg EC -groupname secp384r1 -dname CN=ec384
keytool -list -v $provider $store >list
for alias in rsa ec ec384; do
    grep -x "Alias name: $alias" list
    keytool -exportcert -rfc $provider $store -alias $alias -file $alias.pem
    openssl verify -CAfile $alias.pem -check_ss_sig $alias.pem
    keytool -certreq $provider $store -alias $alias -file $alias.csr
    openssl req -in $alias.csr -verify -noout
done

echo "some text" >content
for alias in rsa ec; do
    jar --create --file $alias.jar content
    jarsigner -addprovider SunPKCS11 -providerArg provider.cfg $store $alias.jar $alias
    jarsigner -verify $alias.jar | tee verified
    grep "jar verified" verified
done

java "$CLIENTS/KeyStoreProgram.java" provider.cfg "$PIN" SHA1,SHA256,SHA384,SHA512 rsa ec
keytool -delete $provider $store -alias ec384
keytool -list $provider $store >list
fails grep ec384 list
