# NSS' cmsutil opens a message that was encrypted to a key of the token.
. "$CLIENTS/matrix/nss.sh"
guide certutil-rsa
echo "some text" >text
guide cmsutil-open
cmp text opened
