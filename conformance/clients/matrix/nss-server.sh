# A TLS server of NSS with a key of the token.
. "$CLIENTS/matrix/nss.sh"
guide certutil-rsa
PORT=$(free_port)
guide nss-server >server.log 2>&1
server=$!
trap 'kill $server' EXIT
listening "$PORT" $server server.log
for version in tls1_2 tls1_3; do
    for _ in 1 2 3; do
        openssl s_client -connect "localhost:$PORT" -$version -CAfile authority.pem -verify_return_error </dev/null >client.log 2>&1
        grep "Verify return code: 0 (ok)" client.log
    done
done
