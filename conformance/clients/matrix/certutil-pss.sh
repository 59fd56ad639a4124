# NSS' certutil makes an RSA key in the token and a certificate that is signed with PSS.
. "$CLIENTS/matrix/nss.sh"
guide certutil-pss
openssl verify -CAfile pss.pem -check_ss_sig pss.pem
openssl x509 -in pss.pem -noout -text | grep "Signature Algorithm: rsassaPss"
