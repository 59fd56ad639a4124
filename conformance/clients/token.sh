# The token that a script uses: one that the test has prepared, or a new one of the soft slot. Scripts source this.
#
# TOKEN is the label of one that is there already, LOGIN are the options with which pkcs11-tool logs in to it (none for
# a slot that asks for no PIN).
tool() { pkcs11-tool --module "$MODULE" "$@"; }
if [ -z "${TOKEN-}" ]; then
    TOKEN=client LOGIN="--login --pin $PIN"
    tool --init-token --slot-index 0 --label $TOKEN --so-pin "$SO_PIN"
    tool --init-pin --login --login-type so --so-pin "$SO_PIN" --pin "$PIN"
fi
user() { tool --token-label "$TOKEN" $LOGIN "$@"; }
# A key for OpenSSL's engine and for nginx: label, class.
uri() { printf 'pkcs11:token=%s;object=%s;type=%s%s' "$TOKEN" "$1" "${2-private}" "${LOGIN:+;pin-value=$PIN}"; }
# The CKA_ID of the private key with this label: pkcs11-tool signs with a key by its id alone.
id_of() {
    user --list-objects --type privkey |
        awk -v label="$1" '$1 == "label:" { found = $2 == label } found && $1 == "ID:" { print $2; exit }'
}
# What must not succeed.
fails() {
    if "$@"; then
        echo "should have failed: $*"
        exit 1
    fi
}
