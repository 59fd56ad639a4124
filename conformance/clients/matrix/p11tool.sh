# GnuTLS' p11tool: makes keys, lists them, signs, names them anew, keeps a certificate.
. "$CLIENTS/matrix/prepared.sh"
guide keys
guide p11tool >output
grep "Label: web" output
# What the token has now, and has no more.
p11tool --provider "$MODULE" --login --list-all "pkcs11:token=$TOKEN" >listed
test "$(grep -c 'Type: Private key' listed)" = 4
grep "Label: other" listed
grep "ID: 0c" listed
fails grep "Label: copy" listed
openssl pkey -pubin -in made.pub -noout
sed -n '/BEGIN PUBLIC/,/END PUBLIC/p' made-ec.pub >generated
sed -n '/BEGIN PUBLIC/,/END PUBLIC/p' output | cmp generated -
