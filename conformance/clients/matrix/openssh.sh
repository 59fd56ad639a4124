# OpenSSH: the keys of the token, in the agent, for a signature, for a certificate, and to log in.
. "$CLIENTS/matrix/prepared.sh"
guide keys
guide ssh-keygen
for key in web ec; do
    openssl x509 -in $key.pem -noout -pubkey -out $key.pub
    ssh-keygen -i -m PKCS8 -f $key.pub >converted
    grep -F "$(cat converted)" public-keys
done
trap 'kill ${SSH_AGENT_PID-}' EXIT
guide ssh-agent >listed
test "$(grep -cE '^(ssh-rsa|ecdsa-sha2-nistp256) ' listed)" = 2
guide ssh-signature
guide ssh-certificate >certificate
grep "Signing CA: ECDSA" certificate
