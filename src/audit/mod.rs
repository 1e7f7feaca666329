//! The audit: which ownership rule does this program break, on which string, and where?
//!
//! Run code under it, and read the report:
//!
//! ```
//! use portable_bstr::audit;
//! use portable_bstr::sys::{SysAllocStringLen, SysFreeString};
//!
//! // SAFETY: it is not safe, which is what the audit is for. It keeps the harm off.
//! let ((), report) = audit::run(|| unsafe {
//!     let string = SysAllocStringLen(core::ptr::null(), 10);
//!     SysFreeString(string);
//!     SysFreeString(string);
//! });
//! assert_eq!(report.violations()[0].kind(), audit::Kind::DoubleFree);
//! println!("{report}");
//! ```
//!
//! In a test, [`check`] fails with the report where a rule was broken:
//!
//! ```
//! use portable_bstr::{BSTR, audit};
//!
//! // In a `#[test]`:
//! audit::check(|| {
//!     let status = BSTR::from("ready");
//!     // … code that passes BSTRs about …
//! });
//! ```
//!
//! # What it sees
//!
//! Every call of [`sys`](crate::sys) and everything that happens to a [`BSTR`](crate::BSTR), on the
//! threads that are in the session: the one that started it, and each that
//! [enters](Handle::enter). Tests that run side by side never see each other's strings. A string
//! may be freed on a thread that is in no session; it is still the session's.
//!
//! Strings that were there before any session are unknown to it. On Linux, where the shape of a
//! pointer's surroundings can be looked at without risk, their free is understood all the same;
//! elsewhere it is reported as [`Kind::NotABstr`], and the session should be started first. A string
//! that another thread allocated, or an earlier session left, while a session was open is known
//! everywhere. None of them is ever a leak.
//!
//! # How
//!
//! A call that breaks a rule is reported and does nothing further: a string that is freed twice is
//! freed once, and memory that is no BSTR is never touched. Freed strings are overwritten and wait
//! in a [quarantine](Builder::quarantine), so that their addresses mean nothing else for a while.
//! Behind each string stand guard bytes.
//!
//! While no session is open anywhere, the audit costs one relaxed load a call.

mod audited;
mod call;
mod current;
mod guard;
mod json;
mod kind;
mod ledger;
mod older;
#[cfg(unix)]
mod pages;
mod places;
mod record;
mod render;
mod report;
mod session;
mod shared;
mod site;
mod sweep;
mod text;
mod thread;
mod violation;
mod watched;

/// Where there is no `mmap` no session asks for pages.
#[cfg(not(unix))]
mod pages {
    use crate::backend::NATIVE;
    use core::ptr::NonNull;

    pub(super) static PAGES: crate::backend::Native = NATIVE;

    pub(super) fn protect(_: NonNull<u16>) {}

    pub(super) fn weight(_: u32) -> usize {
        0
    }
}

pub use audited::Audited;
pub use call::{Call, Outcome};
pub use current::Entered;
pub use kind::Kind;
pub use report::{Report, Stats};
pub use session::{Builder, Handle, Session};
#[cfg(feature = "capi")]
pub(crate) use site::want_backtraces;
pub use sweep::{Run, Sweep, sweep};
pub use violation::{Action, Event, Violation};

/// Runs `code` under audit, on this thread, and returns what it returned, and the report.
///
/// Strings that `code` allocated and did not free are leaks, though it returns them.
///
/// ```
/// use portable_bstr::{BSTR, audit};
///
/// let (length, report) = audit::run(|| BSTR::from("ready").len());
/// assert_eq!(length, 5);
/// assert!(report.is_clean());
/// assert_eq!(report.stats().allocated(), 1);
/// ```
pub fn run<R>(code: impl FnOnce() -> R) -> (R, Report) {
    let session = Session::builder().start();
    let result = code();
    (result, session.finish())
}

/// Runs `code` under audit, on this thread, and returns what it returned, if no rule was broken.
///
/// # Panics
///
/// With the report, where a rule was broken.
///
/// ```should_panic
/// use portable_bstr::{BSTR, audit};
///
/// audit::check(|| core::mem::forget(BSTR::from("forgotten")));
/// ```
#[track_caller]
pub fn check<R>(code: impl FnOnce() -> R) -> R {
    let (result, report) = run(code);
    report.assert_clean();
    result
}
