// Signs, and verifies without the token: RSA with the runtime's own class, ECDSA with numbers, since Mono has no class for it.
using System;
using System.IO;
using System.Linq;
using System.Numerics;
using System.Security.Cryptography;

static class Program
{
    static void Main()
    {
        var token = new Token(Environment.GetEnvironmentVariable("TOKEN"), Environment.GetEnvironmentVariable("PIN"));
        var text = File.ReadAllBytes("text");
        var rsa = token.SignWithRsa("web", text);
        var key = token.Find(Token.PublicKey, "web");
        var parameters = new RSAParameters { Modulus = token.Read(key, Token.Modulus), Exponent = token.Read(key, Token.Exponent) };
        var ec = token.SignWithEc("ec", text);
        var point = token.Read(token.Find(Token.PublicKey, "ec"), Token.Point);
        token.End();

        using (var verifier = RSA.Create())
        {
            verifier.ImportParameters(parameters);
            Expect(verifier.VerifyData(text, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), "RSA");
            rsa[100] ^= 1;
            Expect(!verifier.VerifyData(text, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), "RSA, changed");
            rsa[100] ^= 1;
        }
        using (var hash = SHA256.Create())
        {
            var digest = hash.ComputeHash(text);
            Expect(P256.Verifies(point.Skip(3).ToArray(), digest, ec), "ECDSA");
            digest[0] ^= 1;
            Expect(!P256.Verifies(point.Skip(3).ToArray(), digest, ec), "ECDSA, changed");
        }
        File.WriteAllBytes("web.sig", rsa);
        File.WriteAllBytes("ec.sig", ec);
    }

    static void Expect(bool holds, string what)
    {
        if (!holds) throw new Exception(what);
        Console.WriteLine(what + ": as it should be");
    }
}

// The curve P-256 (SEC 2, section 2.4.2) and verification on it (SEC 1, section 4.1.4).
static class P256
{
    static BigInteger Number(byte[] bytes) { return new BigInteger(bytes.Reverse().Concat(new byte[] { 0 }).ToArray()); }
    static BigInteger Hex(string digits) { return BigInteger.Parse("0" + digits, System.Globalization.NumberStyles.HexNumber); }
    static readonly BigInteger P = Hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    static readonly BigInteger N = Hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    static readonly Tuple<BigInteger, BigInteger> G = Tuple.Create(
        Hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
        Hex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"));

    static BigInteger Mod(BigInteger value, BigInteger by) { return ((value % by) + by) % by; }
    static BigInteger Inverse(BigInteger value, BigInteger by) { return BigInteger.ModPow(value, by - 2, by); }

    static Tuple<BigInteger, BigInteger> Add(Tuple<BigInteger, BigInteger> a, Tuple<BigInteger, BigInteger> b)
    {
        if (a == null) return b;
        if (b == null) return a;
        if (a.Item1 == b.Item1 && Mod(a.Item2 + b.Item2, P) == 0) return null;
        var slope = a.Equals(b)
            ? Mod((3 * a.Item1 * a.Item1 - 3) * Inverse(Mod(2 * a.Item2, P), P), P)
            : Mod((b.Item2 - a.Item2) * Inverse(Mod(b.Item1 - a.Item1, P), P), P);
        var x = Mod(slope * slope - a.Item1 - b.Item1, P);
        return Tuple.Create(x, Mod(slope * (a.Item1 - x) - a.Item2, P));
    }

    static Tuple<BigInteger, BigInteger> Times(BigInteger factor, Tuple<BigInteger, BigInteger> point)
    {
        Tuple<BigInteger, BigInteger> sum = null;
        for (; factor > 0; factor >>= 1, point = Add(point, point))
            if (!factor.IsEven) sum = Add(sum, point);
        return sum;
    }

    // `point` is X and Y, 32 bytes each; `signature` is r and s likewise.
    public static bool Verifies(byte[] point, byte[] digest, byte[] signature)
    {
        var key = Tuple.Create(Number(point.Take(32).ToArray()), Number(point.Skip(32).ToArray()));
        var r = Number(signature.Take(32).ToArray());
        var s = Number(signature.Skip(32).ToArray());
        if (signature.Length != 64 || r <= 0 || r >= N || s <= 0 || s >= N) return false;
        var inverse = Inverse(s, N);
        var sum = Add(Times(Mod(Number(digest) * inverse, N), G), Times(Mod(r * inverse, N), key));
        return sum != null && Mod(sum.Item1, N) == r;
    }
}
