using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

// CK_ULONG has eight bytes here, and nothing is packed.
[StructLayout(LayoutKind.Sequential)]
struct Attribute { public ulong Type; public IntPtr Value; public ulong Length; }

[StructLayout(LayoutKind.Sequential)]
struct Mechanism { public ulong Type; public IntPtr Parameter; public ulong Length; }

static class Pkcs11
{
    [DllImport("pkcs11")] public static extern ulong C_Initialize(IntPtr arguments);
    [DllImport("pkcs11")] public static extern ulong C_Finalize(IntPtr reserved);
    [DllImport("pkcs11")] public static extern ulong C_GetSlotList(byte present, ulong[] slots, ref ulong count);
    [DllImport("pkcs11")] public static extern ulong C_GetTokenInfo(ulong slot, byte[] info);
    [DllImport("pkcs11")] public static extern ulong C_OpenSession(ulong slot, ulong flags, IntPtr data, IntPtr notify, out ulong session);
    [DllImport("pkcs11")] public static extern ulong C_Login(ulong session, ulong user, byte[] pin, ulong length);
    [DllImport("pkcs11")] public static extern ulong C_FindObjectsInit(ulong session, Attribute[] template, ulong count);
    [DllImport("pkcs11")] public static extern ulong C_FindObjects(ulong session, ulong[] objects, ulong room, out ulong found);
    [DllImport("pkcs11")] public static extern ulong C_FindObjectsFinal(ulong session);
    [DllImport("pkcs11")] public static extern ulong C_GetAttributeValue(ulong session, ulong key, [In, Out] Attribute[] template, ulong count);
    [DllImport("pkcs11")] public static extern ulong C_SignInit(ulong session, ref Mechanism mechanism, ulong key);
    [DllImport("pkcs11")] public static extern ulong C_Sign(ulong session, byte[] data, ulong length, byte[] signature, ref ulong room);
}

class Token
{
    const ulong Class = 0x0, Label = 0x3, RsaPkcs256 = 0x40, Ecdsa = 0x1041;
    public const ulong PublicKey = 2, PrivateKey = 3, Modulus = 0x120, Exponent = 0x122, Point = 0x181;
    readonly ulong session;

    static void Check(ulong result, string what)
    {
        if (result != 0) throw new Exception(what + ": 0x" + result.ToString("x"));
    }

    public Token(string label, string pin)
    {
        Check(Pkcs11.C_Initialize(IntPtr.Zero), "C_Initialize");
        ulong count = 64;
        var slots = new ulong[count];
        Check(Pkcs11.C_GetSlotList(1, slots, ref count), "C_GetSlotList");
        Array.Resize(ref slots, (int)count);
        var slot = Array.Find(slots, candidate =>
        {
            var info = new byte[208];
            Check(Pkcs11.C_GetTokenInfo(candidate, info), "C_GetTokenInfo");
            return Encoding.UTF8.GetString(info, 0, 32).TrimEnd() == label;
        });
        Check(Pkcs11.C_OpenSession(slot, 4, IntPtr.Zero, IntPtr.Zero, out session), "C_OpenSession");
        var bytes = Encoding.UTF8.GetBytes(pin);
        Check(Pkcs11.C_Login(session, 1, bytes, (ulong)bytes.Length), "C_Login");
    }

    public ulong Find(ulong kind, string label)
    {
        var name = Encoding.UTF8.GetBytes(label);
        var memory = Marshal.AllocHGlobal(8 + name.Length);
        Marshal.WriteInt64(memory, (long)kind);
        Marshal.Copy(name, 0, memory + 8, name.Length);
        var template = new[] {
            new Attribute { Type = Class, Value = memory, Length = 8 },
            new Attribute { Type = Label, Value = memory + 8, Length = (ulong)name.Length } };
        Check(Pkcs11.C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
        var objects = new ulong[1];
        ulong found;
        Check(Pkcs11.C_FindObjects(session, objects, 1, out found), "C_FindObjects");
        Check(Pkcs11.C_FindObjectsFinal(session), "C_FindObjectsFinal");
        Marshal.FreeHGlobal(memory);
        if (found == 0) throw new Exception("there is no key " + label);
        return objects[0];
    }

    public byte[] Read(ulong key, ulong type)
    {
        var memory = Marshal.AllocHGlobal(1024);
        var wanted = new[] { new Attribute { Type = type, Value = memory, Length = 1024 } };
        Check(Pkcs11.C_GetAttributeValue(session, key, wanted, 1), "C_GetAttributeValue");
        var value = new byte[wanted[0].Length];
        Marshal.Copy(memory, value, 0, value.Length);
        Marshal.FreeHGlobal(memory);
        return value;
    }

    byte[] Sign(ulong type, string label, byte[] data)
    {
        var mechanism = new Mechanism { Type = type };
        Check(Pkcs11.C_SignInit(session, ref mechanism, Find(PrivateKey, label)), "C_SignInit");
        var signature = new byte[512];
        var length = (ulong)signature.Length;
        Check(Pkcs11.C_Sign(session, data, (ulong)data.Length, signature, ref length), "C_Sign");
        Array.Resize(ref signature, (int)length);
        return signature;
    }

    public byte[] SignWithRsa(string label, byte[] text) { return Sign(RsaPkcs256, label, text); }

    public byte[] SignWithEc(string label, byte[] text)
    {
        using (var hash = SHA256.Create()) return Sign(Ecdsa, label, hash.ComputeHash(text));
    }

    public void End() { Check(Pkcs11.C_Finalize(IntPtr.Zero), "C_Finalize"); }
}
