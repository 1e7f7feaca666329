//! The one question on the hot path: does anybody want to be asked?
//!
//! Pinned strings and running audits are rare. Both raise the same counter, so that a program
//! with neither pays a single relaxed load a call.
//!
//! Relaxed is enough: whoever hands a string to another thread synchronises with it, and by then
//! the counter had been raised. What is not handed over nobody else may touch.

use core::sync::atomic::{AtomicUsize, Ordering};

static REASONS: AtomicUsize = AtomicUsize::new(0);

/// Whether there is no reason to leave the hot path.
#[inline]
pub(crate) fn is_idle() -> bool {
    REASONS.load(Ordering::Relaxed) == 0
}

/// One more reason.
pub(crate) fn raise() {
    REASONS.fetch_add(1, Ordering::Relaxed);
}

/// One reason fewer; each `raise` is owed one.
pub(crate) fn lower() {
    let before = REASONS.fetch_sub(1, Ordering::Relaxed);
    debug_assert!(before > 0, "lowered more often than raised");
}
