//! The strings that `SysAddRefString` pinned.
//!
//! A pinned string's memory outlives a free or a reallocation, until the last pin is released.
//! Pins are rare and short, so they stand in one sorted list for the whole process, beside the
//! strings and never in them: a string one is given may have no room for a count.

use crate::error::AllocError;
use crate::lock::Lock;
use crate::watch;
use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

struct Pin {
    /// The string's address. The list is sorted by it.
    address: usize,
    /// How many releases are owed. Never 0.
    count: usize,
    /// Its owner freed it, so the last release has to release the memory.
    freed: bool,
}

static PINS: Lock<Vec<Pin>> = Lock::new(Vec::new());

/// How many strings are pinned: while an audit keeps everybody off the hot path, this tells whether
/// there is anything to look for. For the same reason as in [`watch`], relaxed is enough.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn position(pins: &[Pin], string: NonNull<u16>) -> Result<usize, usize> {
    pins.binary_search_by_key(&string.addr().get(), |pin| pin.address)
}

/// One more pin on `string`.
pub(crate) fn add(string: NonNull<u16>) -> Result<(), AllocError> {
    let mut pins = PINS.lock();
    match position(&pins, string) {
        Ok(at) => pins[at].count += 1,
        Err(at) => {
            pins.try_reserve(1).map_err(|_| AllocError::OutOfMemory)?;
            let address = string.addr().get();
            pins.insert(
                at,
                Pin {
                    address,
                    count: 1,
                    freed: false,
                },
            );
            COUNT.store(pins.len(), Ordering::Relaxed);
            watch::raise();
        }
    }
    Ok(())
}

/// One pin fewer on `string`. Answers whether that was the last one of a freed string, whose
/// memory the caller now has to release. A string without pins is left alone.
#[must_use]
pub(crate) fn release(string: NonNull<u16>) -> bool {
    let mut pins = PINS.lock();
    let Ok(at) = position(&pins, string) else {
        return false;
    };
    pins[at].count -= 1;
    if pins[at].count > 0 {
        return false;
    }
    watch::lower();
    let pin = pins.remove(at);
    COUNT.store(pins.len(), Ordering::Relaxed);
    pin.freed
}

/// The owner frees `string`. Answers whether it is pinned, in which case the last release does
/// what is left to do.
#[inline]
#[must_use]
pub(crate) fn defer_free(string: NonNull<u16>) -> bool {
    COUNT.load(Ordering::Relaxed) > 0 && defer_free_if_pinned(string)
}

#[cold]
fn defer_free_if_pinned(string: NonNull<u16>) -> bool {
    let mut pins = PINS.lock();
    position(&pins, string).is_ok_and(|at| {
        pins[at].freed = true;
        true
    })
}

/// Whether `string` has a pin.
pub(crate) fn is_pinned(string: NonNull<u16>) -> bool {
    COUNT.load(Ordering::Relaxed) > 0 && position(&PINS.lock(), string).is_ok()
}
