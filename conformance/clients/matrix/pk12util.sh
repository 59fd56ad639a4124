# NSS' pk12util puts a key from a file into the token, and the key signs there.
. "$CLIENTS/matrix/nss.sh"
guide pk12util >output
grep -E "rsa .*foreign" output
user --sign --mechanism SHA256-RSA-PKCS --id "$(id_of foreign)" --input-file foreign.pem --output-file signature
openssl x509 -in foreign.pem -noout -pubkey -out foreign.pub
openssl dgst -sha256 -verify foreign.pub -signature signature foreign.pem
