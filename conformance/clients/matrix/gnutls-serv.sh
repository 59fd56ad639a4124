# A GnuTLS server with an RSA and an EC key of the token, and a GnuTLS client that shows a certificate of the token's.
. "$CLIENTS/matrix/prepared.sh"
guide keys
PORT=$(free_port)
guide gnutls-serv >server.log 2>&1
server=$!
trap 'kill $server' EXIT
listening "$PORT" $server server.log
guide gnutls-cli | tee client.log
grep "Handshake was completed" client.log
for key in web:RSA-PSS+SHA256 ec:ECDSA+SHA256; do
    openssl s_client -connect "localhost:$PORT" -CAfile trusted.pem -verify_return_error -sigalgs "${key#*:}" \
        -cert "${key%:*}.pem" -key "$(uri "${key%:*}")" -keyform engine -engine pkcs11 </dev/null >client.log 2>&1
    grep "Verification: OK" client.log
done
