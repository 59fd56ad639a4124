# Apache with the worker model prefork: children sign, and new ones after a graceful restart.
. "$CLIENTS/matrix/as-a-user.sh"
. "$CLIENTS/matrix/prepared.sh"
PATH=$PATH:/usr/sbin
guide keys
PORT=$(free_port)
handshakes() {
    for _ in $(seq "$1"); do
        openssl s_client -connect "localhost:$PORT" -CAfile web.pem -verify_return_error </dev/null >client.log 2>&1 ||
            (cat client.log error.log && false)
    done
}
guide apache
# It has gone to the background before it says where it is.
until [ -s apache.pid ] || grep -E ':(error|crit|alert|emerg)\]' error.log; do :; done
server=$(cat apache.pid)
trap 'kill $server; tail --pid=$server -f /dev/null' EXIT
listening "$PORT" "$server" error.log
handshakes 10
test "$(pgrep -c -P "$server")" -ge 2
guide apache-reload
until [ "$(grep -c 'resuming normal operations' error.log)" = 2 ]; do
    handshakes 1
done
handshakes 10
fails grep -E ':(error|crit|alert|emerg)\]' error.log
