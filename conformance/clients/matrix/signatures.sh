# What a program's signatures over `text` must be: web.sig of the RSA key, ec.sig of the EC key. Scripts source this.
#
# PKCS #11's ECDSA signatures are two numbers one after the other; OpenSSL wants them in ASN.1.
are_signed() {
    local form=$1 key
    for key in web ec; do
        openssl x509 -in $key.pem -noout -pubkey -out $key.pub
    done
    openssl dgst -sha256 -verify web.pub -signature web.sig text
    if [ "$form" = raw ]; then
        test "$(stat -c %s ec.sig)" = 64
        printf 'asn1 = SEQUENCE:two\n[two]\nr = INTEGER:0x%s\ns = INTEGER:0x%s\n' \
            "$(head -c 32 ec.sig | od -An -v -tx1 | tr -d ' \n')" "$(tail -c 32 ec.sig | od -An -v -tx1 | tr -d ' \n')" >ec.asn1
        openssl asn1parse -genconf ec.asn1 -noout -out ec.sig
    fi
    openssl dgst -sha256 -verify ec.pub -signature ec.sig text
}
