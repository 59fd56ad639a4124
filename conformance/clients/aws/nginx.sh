# nginx with keys in AWS KMS, through OpenSSL's engine. The argument says what to do: the test does things in between.
. "$CLIENTS/token.sh"
export PKCS11_MODULE_PATH=$MODULE
nginx="nginx -p $PWD -c $PWD/nginx.conf"
workers=3

# One handshake, whose certificate and signature are verified: a key of each kind by its signature algorithm.
handshake() {
    openssl s_client -unix socket -servername localhost -CAfile authorities.pem -verify_return_error \
        -verify_hostname localhost -sigalgs "$1" </dev/null >client.log 2>&1
}
handshakes() {
    for _ in $(seq "$1"); do
        for algorithm in rsa_pss_rsae_sha256 ecdsa_secp256r1_sha256; do
            handshake $algorithm || (cat client.log error.log && false)
        done
    done
}
count() { grep -c -- "$1" error.log || true; }

case $1 in
start)
    user --keypairgen --key-type EC:prime256v1 --label web --id 01
    for key in api-rsa web; do
        openssl req -new -x509 -engine pkcs11 -keyform engine -key "$(uri $key)" -subj /CN=localhost \
            -addext subjectAltName=DNS:localhost -days 2 -out $key.pem
    done
    cat api-rsa.pem web.pem >authorities.pem
    # nginx hands no variable to its workers that is not named here.
    variables=$(env | grep -oE '^(KEYENCLAVE_CONFIG|HOME|PKCS11_MODULE_PATH|AWS_[A-Z0-9_]*)' | sed 's/.*/env &;/')
    temporary=$(printf "%s_temp_path $PWD/temporary;\n" client_body proxy fastcgi uwsgi scgi)
    cat >nginx.conf <<END
user root;
worker_processes $workers;
pid $PWD/nginx.pid;
error_log $PWD/error.log notice;
$variables
ssl_engine pkcs11;
events {}
http {
    access_log off;
    $temporary
    ssl_session_cache off;
    ssl_session_tickets off;
    server {
        listen unix:$PWD/socket ssl;
        ssl_certificate $PWD/api-rsa.pem;
        ssl_certificate_key "engine:pkcs11:$(uri api-rsa)";
        ssl_certificate $PWD/web.pem;
        ssl_certificate_key "engine:pkcs11:$(uri web)";
    }
}
END
    $nginx
    ;;
serve)
    handshakes 25
    $nginx -s reload
    # Handshakes go on while old workers leave and new ones come.
    until [ "$(count 'gracefully shutting down')" = $workers ]; do
        handshakes 1
    done
    handshakes 25
    fails grep -E '\[(error|crit|alert|emerg)\]' error.log
    ;;
outage)
    fails handshake ecdsa_secp256r1_sha256
    ;;
recovery)
    until handshake ecdsa_secp256r1_sha256; do :; done
    handshakes 10
    fails grep -E '\[(alert|emerg)\]' error.log
    test "$(count 'start worker process ')" = $((2 * workers))
    ;;
stop)
    master=$(cat nginx.pid)
    kill -QUIT "$master"
    tail --pid="$master" -f /dev/null
    ;;
esac
