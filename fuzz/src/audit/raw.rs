//! What programs under audit do to raw strings, rightly or not.

use portable_bstr::audit::Handle;
use portable_bstr::sys::*;
use std::ptr::null;
use std::thread;

/// A raw pointer that may change threads.
pub(super) struct Parcel(pub(super) BSTR);
// SAFETY: strings may be used on any thread.
unsafe impl Send for Parcel {}

impl Parcel {
    pub(super) fn open(self) -> BSTR {
        self.0
    }
}

pub(super) fn len_of<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("short")
}

pub(super) fn bytes_of(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_ne_bytes()).collect()
}

/// A number near another, as a rule.
pub(super) fn near(number: usize, by: u8) -> usize {
    let by = usize::from(by);
    if by < 0x80 {
        (number + by % 32).saturating_sub(16)
    } else {
        by
    }
}

/// The bytes before the first unit that is NUL; behind them stand NULs.
pub(super) fn to_nul(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(2) + 2, 0);
    let nul = bytes.chunks_exact(2).position(|unit| unit == [0, 0]);
    bytes.truncate(nul.expect("one stands at the end") * 2);
    bytes
}

pub(super) fn allocated(bytes: &[u8]) -> BSTR {
    // SAFETY: the bytes can be read.
    unsafe { SysAllocStringByteLen(bytes.as_ptr(), len_of(bytes)) }
}

/// Frees a string, whichever it is.
pub(super) fn free(raw: BSTR) {
    // SAFETY: under audit a wrong free does nothing.
    unsafe { SysFreeString(raw) };
}

pub(super) fn flip(raw: BSTR, offset: isize) {
    let byte = raw.cast_mut().wrapping_byte_offset(offset).cast::<u8>();
    // SAFETY: mistakes stay within what the audit puts around its strings.
    let old = unsafe { byte.read() };
    // SAFETY: as above.
    unsafe { byte.write(old ^ 0x55) };
}

/// Runs `code` on another thread, to its end.
pub(super) fn on_a_thread<R: Send>(handle: Option<&Handle>, code: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _entered = handle.map(Handle::enter);
            code()
        });
        thread.join().expect("it does not panic")
    })
}

/// Frees what is no string, or reallocates it.
pub(super) fn misuse(raw: BSTR, is_free: bool) {
    if is_free {
        return free(raw);
    }
    let mut slot = raw;
    // SAFETY: under audit nothing foreign is touched.
    let answer = unsafe { SysReAllocStringLen(&mut slot, null(), 3) };
    assert_eq!((answer, slot), (FALSE, raw));
}
