# curl shows a certificate whose key is in the token; the server insists on it.
. "$CLIENTS/matrix/prepared.sh"
guide keys
PORT=$(free_port)
openssl req -new -x509 -newkey rsa:2048 -nodes -keyout server.key -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -days 2 -out server.pem
openssl s_server -accept "127.0.0.1:$PORT" -key server.key -cert server.pem -CAfile web.pem -Verify 1 -verify_return_error \
    -www >server.log 2>&1 &
server=$!
trap 'kill $server' EXIT
listening "$PORT" $server server.log
guide curl >page
grep "Client certificate" page
grep "CN *= *localhost" page
fails curl --cacert server.pem "https://localhost:$PORT/"
