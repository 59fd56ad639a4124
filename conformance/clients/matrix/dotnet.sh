# .NET on Mono: the plain C functions by P/Invoke.
. "$CLIENTS/matrix/prepared.sh"
. "$CLIENTS/matrix/signatures.sh"
guide keys
echo "some text" >text
cp "$CLIENTS"/matrix/dotnet/*.cs .
guide dotnet
are_signed raw
