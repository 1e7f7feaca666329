//! `VarBstrCat` and `VarBstrCmp`, as Windows answers. Each row says how well its fact is known: D is
//! Microsoft's documentation, T what tests have seen real Windows do, U this crate's own choice.

use portable_bstr::BSTR as Owned;
use portable_bstr::backend::Portable;
use portable_bstr::heap::Heap;
use portable_bstr::sys::*;
use std::ptr::{NonNull, null, null_mut};

/// What a row calls a string: its bytes, `None` for NULL.
type Bytes<'a> = Option<&'a [u8]>;

const NULL: Bytes<'static> = None;
const EMPTY: Bytes<'static> = Some(&[]);

/// An owned string of these bytes, empty ones not NULL.
fn string(bytes: Bytes<'_>) -> Owned {
    let Some(bytes) = bytes else {
        return Owned::new();
    };
    let count = u32::try_from(bytes.len()).unwrap();
    // SAFETY: a slice can be read for its length.
    let raw = unsafe { SysAllocStringByteLen(bytes.as_ptr(), count) };
    // SAFETY: it is new, and nobody else frees it.
    unsafe { Owned::from_raw(raw) }
}

#[test]
fn joining_bytes() {
    let table: &[(Bytes<'_>, Bytes<'_>, &[u8], &str)] = &[
        (NULL, NULL, b"", "T: not NULL"),
        (NULL, EMPTY, b"", "T"),
        (EMPTY, EMPTY, b"", "T"),
        (NULL, Some(b"ab"), b"ab", "T"),
        (Some(b"ab"), NULL, b"ab", "T"),
        (Some(b"a\0b\0"), Some(b"c\0"), b"a\0b\0c\0", "D"),
        (
            Some(b"12345"),
            Some(b"1234567"),
            b"123451234567",
            "T: 5 + 7 are 12",
        ),
        (Some(b"a"), Some(b"\0"), b"a\0", "T: 1 + 1 are a character"),
        (
            Some(b"a\0\0\0"),
            Some(b"\0"),
            b"a\0\0\0\0",
            "D: NULs inside",
        ),
    ];
    for &(left, right, expected, mark) in table {
        let (left, right) = (string(left), string(right));
        let mut joined = Owned::new();
        // SAFETY: both are strings, and the slot takes what it gets over.
        let result = unsafe { VarBstrCat(left.as_raw(), right.as_raw(), joined.as_inout()) };
        assert_eq!(result, S_OK, "{mark}");
        assert!(!joined.is_null(), "{mark}");
        assert_eq!(joined.as_bytes(), expected, "{mark}");
        // SAFETY: two bytes of NUL follow the data of any string.
        let end = unsafe { joined.as_raw().byte_add(expected.len()) };
        // SAFETY: as above.
        assert_eq!(unsafe { end.cast::<[u8; 2]>().read() }, [0; 2], "{mark}");
    }
}

/// W: the slot is overwritten, though it be one of the two strings.
#[test]
fn joining_never_frees_what_was_in_the_slot() {
    let word = string(Some(&u16::from(b'a').to_ne_bytes()));
    let mut slot = word.as_raw();
    // SAFETY: both are strings, and `word` still owns the one that is overwritten.
    assert_eq!(unsafe { VarBstrCat(slot, slot, &mut slot) }, S_OK);
    assert_ne!(slot, word.as_raw());
    // SAFETY: it is new, and nobody else frees it.
    assert_eq!(unsafe { Owned::from_raw(slot) }, "aa");
    assert_eq!(word, "a");
}

/// U: where Windows crashes.
#[test]
fn joining_into_null_is_refused() {
    let word = string(Some(&u16::from(b'a').to_ne_bytes()));
    // SAFETY: both are strings.
    let result = unsafe { VarBstrCat(word.as_raw(), word.as_raw(), null_mut()) };
    assert_eq!(result, E_INVALIDARG);
}

/// Has no memory.
struct Full;

// SAFETY: there is no block to promise anything of.
unsafe impl Heap for Full {
    fn allocate(&self, _: usize) -> Option<NonNull<u8>> {
        None
    }
    unsafe fn deallocate(&self, _: NonNull<u8>) {
        unreachable!("it never gave a block out")
    }
    unsafe fn usable_size(&self, _: NonNull<u8>) -> usize {
        unreachable!("it never gave a block out")
    }
}

#[test]
fn joining_without_memory() {
    let ole = OleAut::new(Portable::new(Full));
    let word = string(Some(&u16::from(b'a').to_ne_bytes()));
    let mut slot = word.as_raw();
    // SAFETY: both are strings, and `word` still owns the one that is overwritten.
    let result = unsafe { ole.VarBstrCat(word.as_raw(), word.as_raw(), &mut slot) };
    assert_eq!((result, slot), (E_OUTOFMEMORY, null()));
}

/// The prefix of a string of more than half of what one can have, which nobody reads further.
#[test]
fn joining_more_than_a_string_can_have() {
    #[repr(C)]
    struct Huge {
        bytes: u32,
        data: [u16; 2],
    }
    let huge = Huge {
        bytes: 0xFFFF_FFFE,
        data: [0; 2],
    };
    let word = string(Some(&u16::from(b'a').to_ne_bytes()));
    let raw = std::ptr::from_ref(&huge).wrapping_byte_add(4).cast();
    let mut slot = word.as_raw();
    // SAFETY: lengths are read, and no memory is asked for, let alone copied to.
    let result = unsafe { VarBstrCat(raw, raw, &mut slot) };
    assert_eq!((result, slot), (E_OUTOFMEMORY, null()));
    assert_eq!(huge.data, [0; 2]);
}

/// What comparing two strings answers, which must be the opposite the other way round.
fn compare(left: Bytes<'_>, right: Bytes<'_>, lcid: u32, flags: u32) -> u32 {
    let (left, right) = (string(left), string(right));
    // SAFETY: both are strings.
    let there = unsafe { VarBstrCmp(left.as_raw(), right.as_raw(), lcid, flags) };
    // SAFETY: both are strings.
    let back = unsafe { VarBstrCmp(right.as_raw(), left.as_raw(), lcid, flags) };
    assert_eq!(there + back, 2, "{left:?} {right:?}");
    u32::try_from(there).unwrap()
}

#[test]
fn comparing_bytes() {
    let table: &[(Bytes<'_>, Bytes<'_>, u32, &str)] = &[
        (NULL, NULL, VARCMP_EQ, "T"),
        (NULL, EMPTY, VARCMP_EQ, "T"),
        (
            NULL,
            Some(b"\0"),
            VARCMP_LT,
            "T: nothing is less than a NUL",
        ),
        (EMPTY, Some(b"a\0"), VARCMP_LT, "T"),
        (Some(b"a\0"), Some(b"a\0"), VARCMP_EQ, "T"),
        (
            Some(&[1, 0, 1]),
            Some(&[1, 0, 2]),
            VARCMP_LT,
            "T: odd bytes count",
        ),
        (
            Some(&[0, 0, 0]),
            Some(&[0, 0]),
            VARCMP_GT,
            "T: shorter first",
        ),
        (Some(&[0x7F, 0]), Some(&[0x80, 0]), VARCMP_LT, "T: unsigned"),
        (
            Some(&[1, 0]),
            Some(&[0, 1]),
            VARCMP_GT,
            "T: bytes, not units",
        ),
        (Some(b"A\0"), Some(b"a\0"), VARCMP_LT, "T: no language"),
    ];
    for &(left, right, expected, mark) in table {
        assert_eq!(compare(left, right, 0, 0), expected, "{mark}");
        let everything = compare(left, right, 0, u32::MAX);
        assert_eq!(everything, expected, "U: flags are not looked at; {mark}");
    }
}

#[cfg(feature = "collation")]
mod by_locale {
    use super::*;

    const EN_US: u32 = 0x0409;
    const DE_DE: u32 = 0x0407;
    const DE_PHONEBOOK: u32 = 0x1_0407;
    const SV_SE: u32 = 0x041D;
    const JA_JP: u32 = 0x0411;
    const AR_SA: u32 = 0x0401;
    const ES_TRADITIONAL: u32 = 0x040A;
    const ES_MODERN: u32 = 0x0C0A;
    const FR_FR: u32 = 0x040C;
    const FR_CA: u32 = 0x0C0C;
    const CS_CZ: u32 = 0x0405;
    const SR_CYRILLIC: u32 = 0x0C1A;
    const HR_HR: u32 = 0x041A;
    const UPPER_SORBIAN: u32 = 0x042E;
    const LOWER_SORBIAN: u32 = 0x082E;
    const ZH_CN: u32 = 0x0804;
    const ZH_CN_STROKES: u32 = 0x2_0804;
    const ZH_TW: u32 = 0x0404;
    const ZH_TW_BOPOMOFO: u32 = 0x3_0404;
    const KURDISH: u32 = 0x0492;
    const INVARIANT: u32 = 0x7F;
    const USER_DEFAULT: u32 = 0x400;

    /// The two numbers of each, in the headers and on the function's page.
    const WIDTHS: [u32; 2] = [NORM_IGNOREWIDTH, 0x8];
    const KANA_TYPES: [u32; 2] = [NORM_IGNOREKANATYPE, 0x40];

    fn text(left: &str, right: &str, lcid: u32, flags: u32) -> u32 {
        let [left, right] = [left, right]
            .map(|text| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_ne_bytes).collect() });
        compare(Some(&left), Some(&right), lcid, flags)
    }

    #[test]
    fn en_us_as_seen_on_windows() {
        assert_eq!(compare(NULL, NULL, EN_US, 0), VARCMP_EQ, "T");
        assert_eq!(compare(NULL, EMPTY, EN_US, 0), VARCMP_EQ, "T");
        let odd = compare(Some(&[0; 3]), Some(&[0; 2]), EN_US, 0);
        assert_eq!(odd, VARCMP_EQ, "T: an odd byte is left out");
        assert_eq!(compare(Some(&[0; 2]), EMPTY, EN_US, 0), VARCMP_GT, "T");
        assert_eq!(text("a", "A", EN_US, 0), VARCMP_LT, "T");
        assert_eq!(text("a", "A", EN_US, NORM_IGNORECASE), VARCMP_EQ, "T");
        assert_eq!(text("a", "a\0", EN_US, 0), VARCMP_EQ, "T");
        assert_eq!(text("a", "a\0b", EN_US, 0), VARCMP_LT, "T");
    }

    /// Each flag ignores what it says (D), and not what another says.
    #[test]
    fn flags() {
        let case = ("ready", "READY");
        let accent = ("resume", "résumé");
        let symbols = ("coop", "co-op");
        let rows = [
            (case, NORM_IGNORECASE),
            (accent, NORM_IGNORENONSPACE),
            (symbols, NORM_IGNORESYMBOLS),
        ];
        for ((left, right), flag) in rows {
            assert_ne!(text(left, right, EN_US, 0), VARCMP_EQ, "{left} {right}");
            for (_, other) in rows {
                let result = text(left, right, EN_US, other);
                assert_eq!(result == VARCMP_EQ, flag == other, "{left} {right} {other}");
            }
            let all = NORM_IGNORECASE | NORM_IGNORENONSPACE | NORM_IGNORESYMBOLS | flag;
            assert_eq!(text(left, right, EN_US, all), VARCMP_EQ, "{left} {right}");
        }
        let kashida = ("\u{628}\u{627}", "\u{628}\u{640}\u{627}");
        let result = text(kashida.0, kashida.1, AR_SA, NORM_IGNOREKASHIDA);
        assert_eq!(result, VARCMP_EQ);
        assert_ne!(text("a£", "a", EN_US, NORM_IGNORESYMBOLS), VARCMP_EQ);
    }

    #[test]
    fn width_and_type_of_kana() {
        let (wide, kana) = (("ready", "ｒｅａｄｙ"), ("ひらがな", "ヒラガナ"));
        for (left, right) in [wide, kana] {
            assert_eq!(text(left, right, EN_US, 0), VARCMP_LT);
            for flag in [WIDTHS, KANA_TYPES].concat() {
                assert_eq!(text(left, right, EN_US, flag), VARCMP_EQ, "{flag:#x}");
                assert_eq!(text("a", "A", EN_US, flag), VARCMP_LT, "{flag:#x}");
                assert_eq!(text("e", "é", EN_US, flag), VARCMP_LT, "{flag:#x}");
            }
        }
        // Japanese has types of kana on a level of their own.
        assert_eq!(text(kana.0, kana.1, JA_JP, 0), VARCMP_LT);
        assert_eq!(text(kana.0, kana.1, JA_JP, NORM_IGNOREKANATYPE), VARCMP_EQ);
    }

    /// Pairs on whose order languages differ, by their alphabets.
    #[test]
    fn languages() {
        let table = [
            ("ä", "z", DE_DE, VARCMP_LT),
            ("ä", "z", SV_SE, VARCMP_GT),
            ("ä", "ad", DE_DE, VARCMP_LT),
            ("ä", "ad", DE_PHONEBOOK, VARCMP_GT), // As ae.
            ("cz", "ch", ES_MODERN, VARCMP_GT),
            ("cz", "ch", ES_TRADITIONAL, VARCMP_LT), // A letter of its own, behind c.
            ("hz", "ch", CS_CZ, VARCMP_LT),          // A letter of its own, behind h.
            ("cote\u{301}", "co\u{302}te", FR_FR, VARCMP_LT),
            ("cote\u{301}", "co\u{302}te", FR_CA, VARCMP_GT), // Accents from the end.
            ("dz", "dž", HR_HR, VARCMP_LT),
            ("а", "z", SR_CYRILLIC, VARCMP_LT), // Its own script comes first.
            ("а", "z", HR_HR, VARCMP_GT),
            ("cz", "ch", UPPER_SORBIAN, VARCMP_LT),
            ("śa", "sz", UPPER_SORBIAN, VARCMP_LT), // No letter of its alphabet.
            ("śa", "sz", LOWER_SORBIAN, VARCMP_GT), // One behind s.
            // One stroke and two; spoken yī and dīng.
            ("一", "丁", ZH_CN, VARCMP_GT),
            ("一", "丁", ZH_CN_STROKES, VARCMP_LT),
            ("一", "丁", ZH_TW, VARCMP_LT),
            ("一", "丁", ZH_TW_BOPOMOFO, VARCMP_GT), // ㄧ and ㄉㄧㄥ.
            ("ä", "z", INVARIANT, VARCMP_LT),
            ("ä", "z", USER_DEFAULT, VARCMP_LT),
            ("a", "A", AR_SA, VARCMP_LT),
            ("ş", "sz", KURDISH, VARCMP_GT), // The last language of the list.
        ];
        for (left, right, lcid, expected) in table {
            assert_eq!(
                text(left, right, lcid, 0),
                expected,
                "{left} {right} {lcid:#x}"
            );
        }
    }

    /// Characters that stand for marks, and for nothing that bears them, sort as those marks do.
    #[test]
    fn marks_that_are_other_marks() {
        let table = [
            ("\u{340}", "\u{300}"),
            ("\u{341}", "\u{301}"),
            ("\u{343}", "\u{313}"),
            ("\u{344}", "\u{308}\u{301}"),
            ("\u{F73}", "\u{F71}\u{F72}"),
            ("\u{F75}", "\u{F71}\u{F74}"),
            ("\u{F81}", "\u{F71}\u{F80}"),
        ];
        for (mark, marks) in table {
            for (before, after) in [
                ("", ""),
                ("a", ""),
                ("", "\u{303}"),
                ("\u{1B3B}", "\u{303}"),
            ] {
                let [left, right] = [mark, marks].map(|mark| format!("{before}{mark}{after}"));
                let found = text(&left, &right, EN_US, 0);
                assert_eq!(found, VARCMP_EQ, "{left:?} {right:?}");
            }
        }
    }

    #[test]
    fn what_there_is_not_is_refused() {
        let word = string(Some(&u16::from(b'a').to_ne_bytes()));
        let refused = [
            (EN_US, 0x1000), // Strings before words.
            (EN_US, 0x10),   // By Windows's own idea of case.
            (EN_US, 0x8000_0000),
            (0x7B, 0),        // No language.
            (0x3FF, 0),       // Not even a number of one.
            (0x4_0411, 0),    // An order that the collation has not.
            (0x10_0409, 0),   // Bits that are reserved.
            (0xFFFF_FFFF, 0), // All of it.
        ];
        for (lcid, flags) in refused {
            // SAFETY: both are strings.
            let result = unsafe { VarBstrCmp(word.as_raw(), word.as_raw(), lcid, flags) };
            assert_eq!(result, E_INVALIDARG, "{lcid:#x} {flags:#x}");
            // SAFETY: NULL is a string.
            let result = unsafe { VarBstrCmp(null(), null(), lcid, flags) };
            assert_eq!(result, E_INVALIDARG, "{lcid:#x} {flags:#x}");
        }
    }
}

/// Without tables of languages there is only the order of bytes.
#[cfg(not(feature = "collation"))]
#[test]
fn every_locale_is_refused() {
    // SAFETY: NULL is a string.
    let result = unsafe { VarBstrCmp(null(), null(), 0x0409, 0) };
    assert_eq!(result, E_INVALIDARG);
}
