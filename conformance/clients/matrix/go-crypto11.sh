# Go's crypto11, which stands on miekg/pkcs11.
. "$CLIENTS/matrix/prepared.sh"
. "$CLIENTS/matrix/signatures.sh"
guide keys
echo "some text" >text
cp "$CLIENTS"/matrix/go/* .
# GO is the directory of the modules and of what is compiled of them: nothing is fetched.
export GOMODCACHE=$GO/modules GOCACHE=$GO/compiled GOPROXY=off GOFLAGS=-mod=readonly
guide go
are_signed asn1
user --list-objects --type privkey >listed
fails grep "label: *new" listed
