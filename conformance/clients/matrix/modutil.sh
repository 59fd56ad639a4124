# NSS' modutil: the module is added, listed with its slots, and taken out again.
. "$CLIENTS/matrix/prepared.sh"
guide modutil >output
grep -iF "Library file: $MODULE" output
grep "Token Name: $TOKEN" output
modutil -dbdir sql:nssdb -delete KeyEnclave -force
modutil -dbdir sql:nssdb -list >output
fails grep KeyEnclave output
