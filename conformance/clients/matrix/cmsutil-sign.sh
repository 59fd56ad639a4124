# NSS' cmsutil signs a message with a key of the token.
. "$CLIENTS/matrix/nss.sh"
guide certutil-rsa
guide cmsutil-sign
cmp text read
openssl cms -verify -in text.cms -inform DER -CAfile authority.pem -purpose any -binary -out verified
cmp text verified
