# GnuTLS' certtool: an authority, a request and a certificate with keys of the token.
. "$CLIENTS/matrix/prepared.sh"
guide keys
guide certtool
openssl verify -CAfile authority.pem -check_ss_sig authority.pem
openssl req -in server.csr -verify -noout
openssl verify -CAfile authority.pem -verify_hostname localhost server.pem
cmp <(openssl x509 -in server.pem -noout -pubkey) <(openssl x509 -in web.pem -noout -pubkey)
