//! `SysAddRefString` and `SysReleaseString`.

use crate::Mark::{D, U};
use crate::common::{Owned, bytes_of, expect, wide};
use crate::{Row, Subject, countdown, row};
use portable_bstr::sys::{BSTR, S_OK, TRUE};
use std::ptr::null;

#[rustfmt::skip] // One fact a line.
pub(crate) const FACTS: &[Row] = &[
    // Pins
    row(D, "a pinned string outlives its free", pin_outlives_free),
    row(D, "pins nest, one release an add", pins_nest),
    row(D, "a pinned string's memory outlives its reallocation", pin_outlives_realloc),
    row(U, "a pinned string moves even where it shrinks", pinned_moves),
    row(D, "a released string is freed and reallocated as any other", unpinned_is_as_before),
    row(U, "SysAddRefString(NULL) is S_OK, SysReleaseString(NULL) does nothing", pin_null),
    row(U, "a release at count zero does nothing", release_at_zero),
];

/// Asserts that `pinned` is still there, and that no new string of its size gets its memory.
fn expect_pinned(subject: &Subject<'_>, pinned: BSTR, units: &[u16]) {
    let others: Vec<_> = (0..20)
        .map(|_| Owned::wide(subject.ole, &vec![0x7A7A; units.len()]))
        .collect();
    assert!(others.iter().all(|other| other.raw() != pinned));
    // SAFETY: its callers hold a pin.
    unsafe { expect(pinned, &bytes_of(units)) };
}

fn pin_outlives_free(subject: &Subject<'_>) {
    let string = Owned::wide(subject.ole, &wide("ready"));
    let pinned = string.raw();
    string.pin();
    drop(string);
    expect_pinned(subject, pinned, &wide("ready"));
    // SAFETY: the pin is the last use.
    unsafe { subject.ole.SysReleaseString(pinned) };
}

fn pins_nest(subject: &Subject<'_>) {
    let string = Owned::wide(subject.ole, &wide("ready"));
    let pinned = string.raw();
    string.pin();
    string.pin();
    string.unpin();
    string.pin();
    drop(string);
    // SAFETY: two pins are left, so one remains.
    unsafe { subject.ole.SysReleaseString(pinned) };
    expect_pinned(subject, pinned, &wide("ready"));
    // A freed string that is pinned can be pinned again.
    // SAFETY: one pin is left.
    assert_eq!(unsafe { subject.ole.SysAddRefString(pinned) }, S_OK);
    // SAFETY: two pins are left, so one remains.
    unsafe { subject.ole.SysReleaseString(pinned) };
    expect_pinned(subject, pinned, &wide("ready"));
    // SAFETY: the pin is the last use.
    unsafe { subject.ole.SysReleaseString(pinned) };
}

fn pin_outlives_realloc(subject: &Subject<'_>) {
    let assignments: [fn(&mut Owned<'_>) -> i32; 4] = [
        |string| string.assign(&[0x6262; 100]),
        |string| string.assign_psz(&[0x6262, 0]),
        |string| string.resize(1000),
        |string| string.clear(),
    ];
    for assign in assignments {
        let mut string = Owned::wide(subject.ole, &wide("ready"));
        let pinned = string.raw();
        string.pin();
        assert_eq!(assign(&mut string), TRUE);
        assert_ne!(string.raw(), pinned);
        expect_pinned(subject, pinned, &wide("ready"));
        // SAFETY: the pin is the last use.
        unsafe { subject.ole.SysReleaseString(pinned) };
    }
}

fn pinned_moves(subject: &Subject<'_>) {
    let mut string = Owned::wide(subject.ole, &countdown());
    let pinned = string.raw();
    string.pin();
    assert_eq!(string.resize(24), TRUE);
    assert_ne!(string.raw(), pinned);
    string.expect(&bytes_of(&countdown()[..24]));
    expect_pinned(subject, pinned, &countdown());
    // SAFETY: the pin is the last use.
    unsafe { subject.ole.SysReleaseString(pinned) };
}

fn unpinned_is_as_before(subject: &Subject<'_>) {
    let mut string = Owned::wide(subject.ole, &countdown());
    let before = string.raw();
    string.pin();
    string.unpin();
    string.expect(&bytes_of(&countdown()));
    assert_eq!(string.resize(24), TRUE);
    assert_eq!(string.raw(), before, "shrinks in place again");
}

fn pin_null(subject: &Subject<'_>) {
    // SAFETY: NULL is allowed.
    assert_eq!(unsafe { subject.ole.SysAddRefString(null()) }, S_OK);
    // SAFETY: NULL is allowed.
    unsafe { subject.ole.SysReleaseString(null()) };
}

fn release_at_zero(subject: &Subject<'_>) {
    let string = Owned::wide(subject.ole, &wide("ready"));
    string.unpin();
    expect_pinned(subject, string.raw(), &wide("ready"));
    // It leaves no debt: the next pin holds.
    string.pin();
    let pinned = string.raw();
    drop(string);
    expect_pinned(subject, pinned, &wide("ready"));
    // SAFETY: the pin is the last use.
    unsafe { subject.ole.SysReleaseString(pinned) };
}
