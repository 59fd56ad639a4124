# A database of NSS that knows the module. Scripts source this.
. "$CLIENTS/matrix/prepared.sh"
guide modutil
guide nss-pin
