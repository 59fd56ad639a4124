# pkcs11-tool's own tests: with a pair of each kind it finds no error, and threads that initialise and ask get on.
#
# Its test of signatures wants mechanisms of a hardware token (CKF_HW) and says "not implemented" of any other.
. "$CLIENTS/token.sh"
user --keypairgen --key-type rsa:2048 --label rsa --id 01
user --keypairgen --key-type EC:prime256v1 --label ec --id 02
user --test | tee told
grep '^No errors$' told
fails grep -iE 'err(or)?[: ]|fail' told
user --session-rw --test-ec --key-type EC:prime256v1 --id 03 | tee told
grep '==> OK' told
tool --test-threads INGISLT0 --test-threads ILGISLT0 --test-threads ILGISLT0 2>&1 | tee told
grep 'all threads have ended with CKR_OK' told
