# Java as TLS server and client, each with keys of the token.
. "$CLIENTS/matrix/prepared.sh"
guide keys
cp "$CLIENTS/matrix/TlsProgram.java" .
guide java-tls >output
test "$(grep -c ': done' output)" = 3
