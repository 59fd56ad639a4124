# The Python library PyKCS11.
. "$CLIENTS/matrix/prepared.sh"
. "$CLIENTS/matrix/signatures.sh"
guide keys
echo "some text" >text
cp "$CLIENTS/matrix/pykcs11.py" .
PATH=$PYTHON:$PATH
guide pykcs11 >output
are_signed raw
test "$(cat output)" = "$(for key in web ec; do echo $key $(stat -c %s $key.der); done)" ||
    test "$(cat output)" = "$(for key in ec web; do echo $key $(stat -c %s $key.der); done)"
