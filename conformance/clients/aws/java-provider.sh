# Java's provider for the first slot, to use keys and to make them. Scripts source this and complete `store`.
printf 'name = KeyEnclave\nlibrary = %s\nslotListIndex = 0\n' "$MODULE" >use.cfg
# Java makes keys for one session and has the token copy them afterwards, which a key at a service cannot be; told so,
# it makes them at the service.
(cat use.cfg && printf 'attributes(generate, CKO_PRIVATE_KEY, *) = {\n  CKA_TOKEN = true\n}\n') >generate.cfg

store="-keystore NONE -storetype PKCS11"
key_tool() { keytool "$@" -addprovider SunPKCS11 -providerarg use.cfg $store; }
# Without -providername Java makes RSA keys by itself.
generate() { keytool -genkeypair -addprovider SunPKCS11 -providerarg generate.cfg -providername SunPKCS11-KeyEnclave $store "$@"; }
sign_jar() {
    jar --create --file $1.jar data
    jarsigner -addprovider SunPKCS11 -providerArg use.cfg $store $1.jar $1
    jarsigner -verify -verbose -certs $1.jar >verified
    grep "jar verified" verified
}
