# OpenSSH and GnuTLS' p11tool with keys in AWS KMS.
. "$CLIENTS/token.sh"
user --keypairgen --key-type EC:prime256v1 --label made --id 01
# p11-kit forbids modules to make threads, which calls to a service need: it is told so, unless the configuration knows
# better.
fails p11tool --provider "$MODULE" --list-all "pkcs11:token=$TOKEN" 2>errors
grep CKR_NEED_TO_CREATE_THREADS errors
sed -i '1i threads = "always"' "$KEYENCLAVE_CONFIG"
p11tool --provider "$MODULE" --list-all "pkcs11:token=$TOKEN" >listed
grep "Label: made" listed

ssh-keygen -D "$MODULE" >public-keys
ssh-keygen -i -m PKCS8 -f api-ec.pub >converted
grep -F "$(cat converted)" public-keys
# A certificate authority for hosts, whose key is at the service.
ssh-keygen -t ed25519 -N '' -f host
grep -F "$(cat converted)" public-keys | head -n 1 >authority.pub
ssh-keygen -s authority.pub -D "$MODULE" -I host -h -n localhost host.pub
ssh-keygen -L -f host-cert.pub | grep "Signing CA: ECDSA"
