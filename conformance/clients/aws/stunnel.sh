# stunnel, which serves each connection on a thread, with keys in AWS KMS through OpenSSL's engine.
. "$CLIENTS/token.sh"
export PKCS11_MODULE_PATH=$MODULE
for key in api-rsa api-ec; do
    openssl req -new -x509 -engine pkcs11 -keyform engine -key "$(uri $key)" -subj /CN=$key -days 2 -out $key.pem
    cat >stunnel.conf <<END
foreground = yes
pid =
syslog = no
debug = notice
engine = pkcs11
[service]
accept = $PWD/$key.socket
exec = $(command -v cat)
execArgs = cat
engineId = pkcs11
cert = $PWD/$key.pem
key = $(uri $key)
END
    stunnel4 stunnel.conf >$key.log 2>&1 &
    server=$!
    trap 'kill $server' EXIT
    until [ -S $key.socket ]; do
        kill -0 $server || (cat $key.log && false)
    done
    clients=()
    for client in $(seq 20); do
        openssl s_client -unix $key.socket -CAfile $key.pem -verify_return_error </dev/null >$client.log 2>&1 &
        clients+=($!)
    done
    for client in "${clients[@]}"; do
        wait "$client" || (cat $key.log && false)
    done
    trap - EXIT
    kill $server
    wait $server || true
done
