# osslsigncode signs a program for Windows.
. "$CLIENTS/matrix/prepared.sh"
guide keys
echo 'class Program { static void Main() { } }' >program.cs
mcs -out:program.exe program.cs
guide osslsigncode >output
grep "Signature verification: ok" output
fails cmp -s program.exe signed.exe
