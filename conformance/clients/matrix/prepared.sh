# What every script of the matrix starts with: the token, and the guide's lines.
#
# The test has made a token of another kind than the soft one, or token.sh makes that. PAGE is the directory that the
# test has put the blocks of docs/guide/clients into, each under the name that it is marked with.
. "$CLIENTS/token.sh"
export TOKEN MODULE PIN

# Runs the lines of one block as they are printed.
guide() { . "$PAGE/$1"; }

# Waits until somebody listens on a port of this machine: port, process, its output.
listening() {
    until (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null; do
        kill -0 "$2" || (cat "$3" && false)
    done
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
