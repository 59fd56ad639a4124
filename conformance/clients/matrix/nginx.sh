# nginx: the master loads the keys, two workers sign, a reload replaces them.
. "$CLIENTS/matrix/prepared.sh"
guide keys
cat web.pem ec.pem >trusted.pem
PORT=$(free_port)
handshakes() {
    for _ in $(seq "$1"); do
        for algorithm in rsa_pss_rsae_sha256 ecdsa_secp256r1_sha256; do
            openssl s_client -connect "localhost:$PORT" -CAfile trusted.pem -verify_return_error -sigalgs $algorithm \
                </dev/null >client.log 2>&1 || (cat client.log error.log && false)
        done
    done
}
guide nginx
master=$(cat nginx.pid)
trap 'kill $master; tail --pid=$master -f /dev/null' EXIT
handshakes 10
guide nginx-reload
# Handshakes go on while old workers leave and new ones come.
until [ "$(grep -c 'gracefully shutting down' error.log)" = 2 ]; do
    handshakes 1
done
handshakes 10
test "$(grep -c 'start worker process ' error.log)" = 4
fails grep -E '\[(error|crit|alert|emerg)\]' error.log
