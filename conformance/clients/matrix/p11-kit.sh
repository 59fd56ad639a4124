# p11-kit: the list of modules, the proxy, the module in a process of its own, and at a socket.
. "$CLIENTS/matrix/as-a-user.sh"
. "$CLIENTS/matrix/prepared.sh"
guide keys
openssl x509 -in web.pem -noout -pubkey -out web.pub
is_signed() { openssl dgst -sha256 -verify web.pub -signature "$1" web.pem; }

guide p11-kit-list >modules
grep -A20 "^keyenclave: $MODULE" modules | grep "token: $TOKEN"
guide p11-kit-proxy
is_signed proxy.sig
guide p11-kit-remote
is_signed remote.sig
trap 'kill ${P11_KIT_SERVER_PID-}' EXIT
guide p11-kit-server
# The program prints where the socket is before it is there.
until pkcs11-tool --module /usr/lib/*/pkcs11/p11-kit-client.so --list-slots | grep "$TOKEN"; do :; done
guide p11-kit-client
trap - EXIT
is_signed server.sig
