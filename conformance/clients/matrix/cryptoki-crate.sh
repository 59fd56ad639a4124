# The Rust crate cryptoki.
. "$CLIENTS/matrix/prepared.sh"
. "$CLIENTS/matrix/signatures.sh"
guide keys
echo "some text" >text
"$RUST_CLIENT"
are_signed raw
