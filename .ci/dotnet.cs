// A .NET program that shares strings with the library, which `.ci/dotnet` builds and runs.
//
// On Linux and macOS .NET has BSTRs of its own making. Here each side reads and frees what the
// other made: by hand, and by .NET's marshalling of strings as parameters of each kind.

using System;
using System.Runtime.InteropServices;

static class Program
{
    const int Times = 20000;

    // By hand.

    [DllImport("portable_bstr")]
    static extern IntPtr SysAllocStringLen([MarshalAs(UnmanagedType.LPWStr)] string text, uint units);

    [DllImport("portable_bstr")]
    static extern IntPtr SysAllocStringByteLen(byte[] bytes, uint count);

    [DllImport("portable_bstr")]
    static extern uint SysStringLen(IntPtr bstr);

    [DllImport("portable_bstr")]
    static extern uint SysStringByteLen(IntPtr bstr);

    [DllImport("portable_bstr")]
    static extern void SysFreeString(IntPtr bstr);

    // By .NET's marshalling.

    [DllImport("portable_bstr", EntryPoint = "SysStringLen")]
    static extern uint LengthOfParameter([MarshalAs(UnmanagedType.BStr)] string text);

    [DllImport("portable_bstr", EntryPoint = "SysStringByteLen")]
    static extern uint BytesOfParameter([MarshalAs(UnmanagedType.BStr)] string text);

    [DllImport("portable_bstr", EntryPoint = "VarBstrCmp")]
    static extern int CompareParameters(
        [MarshalAs(UnmanagedType.BStr)] string left,
        [MarshalAs(UnmanagedType.BStr)] string right,
        uint lcid,
        uint flags);

    [DllImport("portable_bstr", EntryPoint = "SysAllocStringLen")]
    [return: MarshalAs(UnmanagedType.BStr)]
    static extern string Returned([MarshalAs(UnmanagedType.LPWStr)] string text, uint units);

    [DllImport("portable_bstr", EntryPoint = "SysAllocStringByteLen")]
    [return: MarshalAs(UnmanagedType.BStr)]
    static extern string ReturnedBytes(byte[] bytes, uint count);

    [DllImport("portable_bstr", EntryPoint = "VarBstrCat")]
    static extern int JoinedOut(
        [MarshalAs(UnmanagedType.BStr)] string left,
        [MarshalAs(UnmanagedType.BStr)] string right,
        [MarshalAs(UnmanagedType.BStr)] out string joined);

    [DllImport("portable_bstr", EntryPoint = "SysReAllocStringLen")]
    static extern int ReplacedByRef(
        [MarshalAs(UnmanagedType.BStr)] ref string text,
        [MarshalAs(UnmanagedType.LPWStr)] string source,
        uint units);

    static void Check(bool holds, string what, string text)
    {
        if (!holds)
        {
            Console.Error.WriteLine("{0}: a string of {1} units", what, text.Length);
            Environment.Exit(1);
        }
    }

    static void MadeHereFreedThere(string text)
    {
        IntPtr bstr = Marshal.StringToBSTR(text);
        Check(SysStringLen(bstr) == text.Length, "length of .NET's string", text);
        Check(SysStringByteLen(bstr) == 2 * text.Length, "bytes of .NET's string", text);
        SysFreeString(bstr);
    }

    static void MadeThereFreedHere(string text)
    {
        IntPtr bstr = SysAllocStringLen(text, (uint)text.Length);
        Check(Marshal.PtrToStringBSTR(bstr) == text, "our string read by .NET", text);
        Marshal.FreeBSTR(bstr);
    }

    static void AsParameters(string text)
    {
        uint units = (uint)text.Length;
        Check(LengthOfParameter(text) == units, "[in]", text);
        Check(CompareParameters(text, text, 0, 0) == 1, "two [in]", text);
        Check(Returned(text, units) == text, "returned", text);
        string joined = "what is here is not passed";
        Check(JoinedOut(text, "!", out joined) == 0, "[out]", text);
        Check(joined == text + "!", "[out]", text);
        string replaced = "old";
        Check(ReplacedByRef(ref replaced, text, units) == 1, "[in, out]", text);
        Check(replaced == text, "[in, out]", text);
        // Grows a block of .NET's.
        Check(ReplacedByRef(ref replaced, null, units + 1000) == 1, "[in, out] kept", text);
        Check(replaced == text + new string('\0', 1000), "[in, out] kept", text);
    }

    static void OddCounts(int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
        {
            bytes[i] = (byte)(i + 1);
        }
        IntPtr bstr = SysAllocStringByteLen(bytes, (uint)count);
        string read = Marshal.PtrToStringBSTR(bstr);
        Check(read.Length == count / 2, "odd count", read);
        for (int i = 0; i < count; i++)
        {
            Check(Marshal.ReadByte(bstr, i) == bytes[i], "odd bytes", read);
        }
        Marshal.FreeBSTR(bstr);
        // .NET remembers the odd byte of a string it was given, and passes it on.
        string odd = ReturnedBytes(bytes, (uint)count);
        Check(BytesOfParameter(odd) == count, "odd byte passed on", odd);
    }

    static void Main()
    {
        string[] texts =
        {
            "",
            "ready",
            "ready \u2713",
            "embedded\0NUL\0",
            "\0",
            "pair \U0001F600, lone \uD800",
            new string('x', 31),
            new string('y', 300),
            new string('z', 70000),
        };
        for (int i = 0; i < Times; i++)
        {
            string text = texts[i % texts.Length];
            MadeHereFreedThere(text);
            MadeThereFreedHere(text);
            AsParameters(text);
            OddCounts(i % 2000 | 1);
        }
        Check(SysStringLen(IntPtr.Zero) == 0 && LengthOfParameter(null) == 0, "NULL", "");
        Console.WriteLine("{0} rounds, .NET {1}", Times, Environment.Version);
    }
}
