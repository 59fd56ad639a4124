# NSS' certutil makes RSA keys in the token, an authority and a certificate that it signs.
. "$CLIENTS/matrix/nss.sh"
guide certutil-rsa >output
test "$(grep -cE '^< *[0-9]+> rsa' output)" = 2
openssl verify -CAfile authority.pem -check_ss_sig authority.pem
openssl verify -CAfile authority.pem -verify_hostname localhost server.pem
certutil -F -d sql:nssdb -h "$TOKEN" -f pin -n "$TOKEN:server"
certutil -K -d sql:nssdb -h "$TOKEN" -f pin >listed
test "$(grep -cE '^< *[0-9]+> rsa' listed)" = 1
