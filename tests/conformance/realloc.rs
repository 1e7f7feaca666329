//! The reallocating functions.

use crate::Mark::{D, M, T, U, W};
use crate::common::{HOSTILE_UNITS, Owned, bytes_of, wide};
use crate::{Row, Subject, countdown, dirty, row};
use portable_bstr::sys::{FALSE, TRUE};
use std::ptr::{null, null_mut};

#[rustfmt::skip] // One fact a line.
pub(crate) const FACTS: &[Row] = &[
    // SysReAllocString
    row(D, "SysReAllocString replaces the string, TRUE", realloc_replaces),
    row(D, "SysReAllocString stops at the first NUL", realloc_stops_at_nul),
    row(W, "SysReAllocString of NULL in *pbstr allocates", realloc_from_null),
    row(W, "SysReAllocString to NULL frees and leaves NULL, TRUE", realloc_to_null),
    row(W, "SysReAllocString from NULL to NULL is TRUE", realloc_null_to_null),
    row(U, "SysReAllocString from inside the string itself gives the right result", realloc_inside),
    row(U, "SysReAllocString of a NULL pbstr is FALSE", realloc_null_pbstr),
    // SysReAllocStringLen
    row(D, "SysReAllocStringLen replaces the string, TRUE", relen_replaces),
    row(W, "SysReAllocStringLen of a NULL source keeps what fits and zeroes the rest", relen_null_keeps),
    row(W, "SysReAllocStringLen of a NULL source keeps an odd last byte", relen_null_keeps_odd),
    row(T, "SysReAllocStringLen terminates at n", relen_terminates),
    row(T, "SysReAllocStringLen from 64 to 24 characters does not move", relen_shrinks_in_place),
    row(T, "SysReAllocStringLen of psz == *pbstr, growing: the characters survive", relen_self_grows),
    row(D, "SysReAllocStringLen of psz == *pbstr, shrinking", relen_self_shrinks),
    row(U, "SysReAllocStringLen from inside the string itself copies what there is", relen_inside),
    row(W, "SysReAllocStringLen of no characters is an empty string and not NULL", relen_0),
    row(W, "SysReAllocStringLen of NULL in *pbstr allocates", relen_from_null),
    row(W, "SysReAllocStringLen of NULL in *pbstr and a NULL source is zeros", relen_null_from_null),
    row(M, "SysReAllocStringLen of too many characters is FALSE, *pbstr untouched", relen_over_limit),
    row(U, "SysReAllocStringLen of a NULL pbstr is FALSE", relen_null_pbstr),
];

fn realloc_replaces(subject: &Subject<'_>) {
    let mut string = Owned::wide(subject.ole, &wide("ready"));
    for len in [0, 3, 100, 99, 5, 3000, 1] {
        let mut text = vec![0x6161; len];
        text.push(0);
        assert_eq!(string.assign_psz(&text), TRUE);
        string.expect(&bytes_of(&text[..len]));
    }
}

fn realloc_stops_at_nul(subject: &Subject<'_>) {
    let mut string = Owned::wide(subject.ole, &wide("ready"));
    assert_eq!(string.assign_psz(&[0x61, 0, 0x62, 0]), TRUE);
    string.expect(&bytes_of(&[0x61]));
}

fn realloc_from_null(subject: &Subject<'_>) {
    let mut string = Owned::null(subject.ole);
    assert_eq!(string.assign_psz(&[0x61, 0x62, 0]), TRUE);
    string.expect(&bytes_of(&[0x61, 0x62]));
}

fn realloc_to_null(subject: &Subject<'_>) {
    let mut string = Owned::wide(subject.ole, &wide("ready"));
    assert_eq!(string.clear(), TRUE);
    assert!(string.raw().is_null());
}

fn realloc_null_to_null(subject: &Subject<'_>) {
    let mut string = Owned::null(subject.ole);
    assert_eq!(string.clear(), TRUE);
    assert!(string.raw().is_null());
}

fn realloc_inside(subject: &Subject<'_>) {
    for offset in [0, 1, 2, 17, 39, 40] {
        let mut string = Owned::wide(subject.ole, &countdown());
        assert_eq!(string.assign_own_psz(offset), TRUE);
        string.expect(&bytes_of(&countdown()[offset..]));
    }
    // A pinned string moves, so that the source outlives the old string.
    for offset in [0, 1, 39] {
        let mut string = Owned::wide(subject.ole, &countdown());
        let old = string.raw();
        string.pin();
        assert_eq!(string.assign_own_psz(offset), TRUE);
        string.expect(&bytes_of(&countdown()[offset..]));
        // SAFETY: the pin is the last use of the old string.
        unsafe { subject.ole.SysReleaseString(old) };
    }
}

fn realloc_null_pbstr(subject: &Subject<'_>) {
    for psz in [null(), [0x61_u16, 0].as_ptr()] {
        // SAFETY: NULL is allowed, and the text ends with a NUL.
        let answer = unsafe { subject.ole.SysReAllocString(null_mut(), psz) };
        assert_eq!(answer, FALSE);
    }
}

fn relen_replaces(subject: &Subject<'_>) {
    let mut string = Owned::wide(subject.ole, &wide("ready"));
    for len in [0, 3, 100, 99, 5, 3000, 1] {
        assert_eq!(string.assign(&vec![0x6161; len]), TRUE);
        string.expect(&bytes_of(&vec![0x6161; len]));
    }
}

fn relen_null_keeps(subject: &Subject<'_>) {
    for len in [0_u8, 1, 5, 39, 40, 41, 44, 200] {
        let mut string = Owned::wide(subject.ole, &countdown());
        assert_eq!(string.resize(len.into()), TRUE);
        let mut kept = countdown();
        kept.resize(len.into(), 0);
        string.expect(&bytes_of(&kept));
    }
}

fn relen_null_keeps_odd(subject: &Subject<'_>) {
    for units in [2_u8, 3, 4, 100] {
        dirty(subject, usize::from(units) * 2);
        let mut string = Owned::bytes(subject.ole, b"abcde");
        assert_eq!(string.resize(units.into()), TRUE);
        let mut kept = b"abcde".to_vec();
        kept.resize(usize::from(units) * 2, 0);
        string.expect(&kept);
    }
}

fn relen_terminates(subject: &Subject<'_>) {
    // In place, over old contents without a zero, and in a new block.
    for units in (0..=64).chain([100, 1000]) {
        let mut string = Owned::wide(subject.ole, &[0xFFFF; 64]);
        assert_eq!(string.assign(&vec![0x6161; units]), TRUE);
        string.expect(&bytes_of(&vec![0x6161; units]));
    }
}

fn relen_shrinks_in_place(subject: &Subject<'_>) {
    let mut string = Owned::wide(subject.ole, &[0x6161; 64]);
    let before = string.raw();
    assert_eq!(string.resize(24), TRUE);
    assert_eq!(string.raw(), before);
    string.expect(&bytes_of(&[0x6161; 24]));
    assert_eq!(string.assign(&[0x6262; 24]), TRUE);
    assert_eq!(string.raw(), before);
    string.expect(&bytes_of(&[0x6262; 24]));
}

fn relen_self_grows(subject: &Subject<'_>) {
    for units in [40_u16, 41, 43, 44, 50, 1000, 20_000] {
        let mut string = Owned::wide(subject.ole, &countdown());
        assert_eq!(string.assign_own(0, units.into()), TRUE);
        let mut kept = countdown();
        kept.resize(units.into(), 0);
        string.expect(&bytes_of(&kept));
    }
}

fn relen_self_shrinks(subject: &Subject<'_>) {
    for units in [0_u8, 1, 24, 39] {
        let mut string = Owned::wide(subject.ole, &countdown());
        assert_eq!(string.assign_own(0, units.into()), TRUE);
        string.expect(&bytes_of(&countdown()[..units.into()]));
    }
}

fn relen_inside(subject: &Subject<'_>) {
    for pinned in [false, true] {
        for offset in [1, 2, 3, 20, 39, 40] {
            for units in [0_u16, 1, 20, 40, 50, 1000] {
                let mut string = Owned::wide(subject.ole, &countdown());
                let old = string.raw();
                if pinned {
                    string.pin();
                }
                assert_eq!(string.assign_own(offset, units.into()), TRUE);
                let mut copied = countdown()[offset..].to_vec();
                copied.resize(units.into(), 0);
                string.expect(&bytes_of(&copied));
                if pinned {
                    // SAFETY: the pin is the last use of the old string.
                    unsafe { subject.ole.SysReleaseString(old) };
                }
            }
        }
    }
}

fn relen_0(subject: &Subject<'_>) {
    let mut string = Owned::wide(subject.ole, &wide("ready"));
    assert_eq!(string.resize(0), TRUE);
    string.expect(&[]);
    let mut string = Owned::wide(subject.ole, &wide("ready"));
    assert_eq!(string.assign(&[]), TRUE);
    string.expect(&[]);
    let mut string = Owned::null(subject.ole);
    assert_eq!(string.resize(0), TRUE);
    string.expect(&[]);
}

fn relen_from_null(subject: &Subject<'_>) {
    let mut string = Owned::null(subject.ole);
    assert_eq!(string.assign(&[0x61, 0, 0x62]), TRUE);
    string.expect(&bytes_of(&[0x61, 0, 0x62]));
}

fn relen_null_from_null(subject: &Subject<'_>) {
    if subject.is_audited("it does not let unspecified contents be zero") {
        return;
    }
    dirty(subject, 6);
    let mut string = Owned::null(subject.ole);
    assert_eq!(string.resize(3), TRUE);
    string.expect(&[0; 6]);
}

fn relen_over_limit(subject: &Subject<'_>) {
    for units in HOSTILE_UNITS {
        let mut string = Owned::wide(subject.ole, &countdown());
        let before = string.raw();
        assert_eq!(string.resize(units), FALSE, "{units:#x} units");
        assert_eq!(string.assign_own(0, units), FALSE, "{units:#x} units");
        assert_eq!(string.assign_own(7, units), FALSE, "{units:#x} units");
        assert_eq!(string.raw(), before);
        string.expect(&bytes_of(&countdown()));

        let mut string = Owned::null(subject.ole);
        assert_eq!(string.resize(units), FALSE, "{units:#x} units");
        assert!(string.raw().is_null());
    }
}

fn relen_null_pbstr(subject: &Subject<'_>) {
    for units in [0, 1, u32::MAX] {
        // SAFETY: NULL is allowed, twice.
        let answer = unsafe { subject.ole.SysReAllocStringLen(null_mut(), null(), units) };
        assert_eq!(answer, FALSE);
    }
}
