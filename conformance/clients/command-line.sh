# `keyenclave`: a token, keys, signatures that OpenSSL verifies, and answers for people and for programs.
keyenclave() { "$KEYENCLAVE" --module "$MODULE" "$@"; }
fails() {
    if "$@"; then
        echo "should have failed: $*"
        exit 1
    fi
}
pin="--pin-env PIN"

keyenclave config check
keyenclave health
keyenclave token init --label client --so-pin-env SO_PIN $pin
keyenclave slots | grep client
keyenclave --json slots | python3 -m json.tool
fails keyenclave token init --label other --slot 0 --so-pin-env SO_PIN $pin

echo "some text" >data
for kind in rsa-2048 ec-p256 ec-p384 ec-p521; do
    keyenclave keys generate --type $kind --label $kind $pin
    keyenclave sign --label $kind --public-key $kind.pem $pin data
    keyenclave verify --label $kind $pin data
    keyenclave keys export --label $kind --out exported.pem $pin
    cmp $kind.pem exported.pem
    cp data.sig $kind.sig
done
openssl dgst -sha256 -verify rsa-2048.pem -signature rsa-2048.sig data
openssl dgst -sha256 -verify ec-p256.pem -signature ec-p256.sig data
keyenclave keys generate --type aes-256 --label sealing $pin
fails keyenclave keys generate --type ec-p256 --label ec-p256 $pin

keyenclave keys list $pin | grep sealing
keyenclave --json keys list $pin | python3 -m json.tool
echo "other text" >data
fails keyenclave verify --label rsa-2048 --signature rsa-2048.sig $pin data
keyenclave keys delete --label ec-p521 --yes $pin
fails keyenclave sign --label ec-p521 $pin data
keyenclave --json health $pin | python3 -m json.tool

printf '%s\n' "$PIN" >pin-file
chmod 600 pin-file
keyenclave keys list --pin-file pin-file
fails env PIN=wrong-pin "$KEYENCLAVE" --module "$MODULE" keys list $pin
fails keyenclave keys list --pin "$PIN"
# Without a file or a variable the tool asks at the terminal, and does not show what is typed.
asked() { python3 "$CLIENTS/prompt.py" 'PIN of token `client`' "$1" "$KEYENCLAVE" --module "$MODULE" keys list; }
asked "$PIN" | grep sealing
fails asked wrong-pin
# Where there is no terminal it says so instead of waiting.
fails setsid --wait "$KEYENCLAVE" --module "$MODULE" keys list </dev/null
