# NSS' certutil makes EC keys in the token, a certificate and a request.
. "$CLIENTS/matrix/nss.sh"
guide certutil-ec
openssl verify -CAfile curve.pem -check_ss_sig curve.pem
openssl req -in request.csr -verify -noout
