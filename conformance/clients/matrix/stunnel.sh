# stunnel, which serves each connection on a thread: many at once.
. "$CLIENTS/matrix/prepared.sh"
guide keys
PORT=$(free_port)
guide stunnel >server.log 2>&1
server=$!
trap 'kill $server' EXIT
listening "$PORT" $server server.log
clients=()
for client in $(seq 20); do
    openssl s_client -connect "localhost:$PORT" -CAfile ec.pem -verify_return_error </dev/null >"$client.log" 2>&1 &
    clients+=($!)
done
for client in "${clients[@]}"; do
    wait "$client" || (cat server.log && false)
done
