# OpenSSH: a login to a server on this machine with a key of the token.
. "$CLIENTS/matrix/prepared.sh"
guide keys
guide ssh-keygen
trap 'kill ${SSH_AGENT_PID-}' EXIT
guide ssh-agent
guide ssh-signature
ssh-keygen -q -t ed25519 -N '' -f host
# Whoever runs the test logs in as who they are. ssh looks for its files in the home that the system knows, so it is
# told where the test's are.
PORT=$(free_port)
cp public-keys authorized-keys
cat >sshd.conf <<END
Port $PORT
ListenAddress 127.0.0.1
HostKey $PWD/host
AuthorizedKeysFile $PWD/authorized-keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
END
printf 'UserKnownHostsFile %s/known\nLogLevel ERROR\n' "$PWD" >ssh.conf
echo "[localhost]:$PORT $(cat host.pub)" >known
ssh() { command ssh -F "$PWD/ssh.conf" "$@"; }
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
"$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$PWD/sshd.conf" >server.log 2>&1 &
server=$!
trap 'kill $server $SSH_AGENT_PID' EXIT
listening "$PORT" $server server.log
guide ssh-login >logins
grep "through the agent" logins
grep "by itself" logins
