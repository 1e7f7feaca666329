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
//! # Telling it the direction of a call
//!
//! So far the audit knows of allocations and frees. Around a call of a COM-style function, [`Call`]
//! tells it which strings are \[in\], \[out\] and \[in, out\], and it names the rule that the callee
//! broke, and not only what came of it:
//!
//! ```
//! use portable_bstr::audit::{self, Call, Kind};
//! use portable_bstr::sys::{BSTR, HRESULT, S_OK, SysAllocStringLen, SysFreeString};
//!
//! unsafe extern "system" fn put_status_text(text: BSTR) -> HRESULT {
//!     unsafe { SysFreeString(text) }; // not its own
//!     S_OK
//! }
//!
//! let ((), report) = audit::run(|| unsafe {
//!     let text = SysAllocStringLen([0x61].as_ptr(), 1);
//!     Call::new("IBrowser::put_StatusText").input(text).run(|| put_status_text(text));
//!     SysFreeString(text);
//! });
//! let kinds: Vec<_> = report.violations().iter().map(audit::Violation::kind).collect();
//! assert_eq!(kinds, [Kind::InputFreed, Kind::DoubleFree]);
//! ```
//!
//! [`Kind`] has the table of all rules, with cause and cure.
//!
//! # Letting allocations fail
//!
//! [`sweep`] runs code once for each string that it allocates, and has that one fail: error paths are
//! where strings leak. [`Builder::fail_nth`] and [`Builder::fail_over`] do so by hand. Under audit, a
//! string that was allocated without contents holds 0xDC bytes, lone surrogates all of them, so that
//! nobody takes the zeros for granted that OLEAUT32 does not promise.
//!
//! # Fuzzing your own code
//!
//! An [`Interface`] holds functions of one's own, and runs random programs of calls against them under
//! audit, which the feature `proptest` or `arbitrary` makes:
//!
//! ```
//! use portable_bstr::audit::Interface;
//! use portable_bstr::integrations::proptest::programs;
//! use portable_bstr::sys::*;
//! use proptest::prelude::*;
//!
//! struct Browser {
//!     status: BSTR,
//! }
//!
//! impl Browser {
//!     unsafe fn put_status(&mut self, text: BSTR) -> HRESULT {
//!         unsafe { SysFreeString(self.status) };
//!         if unsafe { SysStringLen(text) } == 0 {
//!             return S_OK;
//!         }
//!         self.status = unsafe { SysAllocStringLen(text, SysStringLen(text)) };
//!         S_OK
//!     }
//!
//!     unsafe fn get_status(&self, text: *mut BSTR) -> HRESULT {
//!         unsafe { *text = SysAllocStringLen(self.status, SysStringLen(self.status)) };
//!         S_OK
//!     }
//! }
//!
//! impl Drop for Browser {
//!     fn drop(&mut self) {
//!         unsafe { SysFreeString(self.status) };
//!     }
//! }
//!
//! /// Functions by their names, with [in], [out] and [in, out] strings.
//! fn browser() -> Interface<Browser> {
//!     Interface::new(|| Browser { status: core::ptr::null() })
//!         .method("put_Status", |browser, [text], [], []| unsafe { browser.put_status(text) })
//!         .method("get_Status", |browser, [], [text], []| unsafe { browser.get_status(text) })
//! }
//!
//! // With `proptest`:
//! proptest! {
//!     #[test]
//!     fn a_browser_keeps_the_rules(program in programs(browser())) {
//!         let report = browser().run(&program);
//!         prop_assert!(report.is_clean(), "{report}");
//!     }
//! }
//! # // As many as it takes, whatever the environment says.
//! # let config = proptest::test_runner::Config::with_cases(1000);
//! # let mut runner = proptest::test_runner::TestRunner::new(config);
//! # let failure = runner.run(&programs(browser()), |program| {
//! #     let report = browser().run(&program);
//! #     prop_assert!(report.is_clean(), "{report}");
//! #     Ok(())
//! # });
//! # let failure = failure.unwrap_err().to_string();
//! # let (_, minimal) = failure.split_once("minimal failing input: ").unwrap();
//! # assert_eq!(minimal, "[\n    put_Status([in] \"a\"),\n    put_Status([in] NULL),\n]");
//! #
//! # macro_rules! fuzz_target {
//! #     (|$calls:ident: $type:ty| $code:block) => {{
//! #         fn target($calls: $type) $code
//! #         let found = (0..10_000_u64).find(|&seed| {
//! #             let noise = core::iter::successors(Some(seed), |last| Some(last ^ last << 13 ^ last >> 7));
//! #             let bytes: Vec<u8> = noise.skip(9).take(64).flat_map(u64::to_le_bytes).collect();
//! #             let calls = arbitrary::Unstructured::new(&bytes).arbitrary().unwrap();
//! #             std::panic::catch_unwind(|| target(calls)).is_err()
//! #         });
//! #         assert!(found.is_some());
//! #     }};
//! # }
//!
//! // With `cargo fuzz`, in a target that begins with `#![no_main]` and `use libfuzzer_sys::fuzz_target`:
//! fuzz_target!(|calls: Vec<(usize, Vec<portable_bstr::BSTR>, bool)>| {
//!     let browser = browser();
//!     browser.run(&browser.program(calls)).assert_clean();
//! });
//! ```
//!
//! Either finds the mistake at once. `proptest` then looks for the calls and strings that it takes:
//!
//! ```text
//! minimal failing input: program = [
//!     put_Status([in] "a"),
//!     put_Status([in] NULL),
//! ]
//! ```
//!
//! with the report of a double free: where `put_status` returns early, `status` still points to what it
//! freed. [`Interface::sweep`] has, besides, every allocation of a program fail once.
//!
//! # Catching a stray write in the act
//!
//! Behind each string stand guard bytes, and freed strings are overwritten and wait in a
//! [quarantine](Builder::quarantine). Stray writes are found when the string is freed, when it leaves
//! the quarantine, or at the end. To have a debugger stop at the instruction itself, on Unix, there is
//! [`Builder::guard_pages`].
//!
//! # Threads
//!
//! A session sees every call of [`sys`](crate::sys) and everything that happens to a
//! [`BSTR`](crate::BSTR), on the threads that are in it: the one that started it, and each that
//! [enters](Handle::enter). Tests that run side by side never see each other's strings. A string may be
//! freed on a thread that is in no session; it is still the session's. A program without a test harness
//! has a [process-wide](Builder::process_wide) session.
//!
//! # Strings from before
//!
//! Strings that were there before any session are unknown to it. On Linux, where the shape of a
//! pointer's surroundings can be looked at without risk, their free is understood all the same;
//! elsewhere it is reported as [`Kind::NotABstr`], and the session should be started first. A string
//! that another thread allocated, or an earlier session left, while a session was open is known
//! everywhere. None of them is ever a leak.
//!
//! # What a report says
//!
//! Each event of a string's history with its line of source, where that can be read; the text, its
//! length and address; the rule, and Microsoft's page about it. A destructor is not told who calls it,
//! so where a [`BSTR`](crate::BSTR) goes out of scope the line is known only with `RUST_BACKTRACE=1`,
//! which adds to every event who called whom, and makes the audit some hundred times slower.
//! [`Report::to_json_lines`] is for machines, and what [`check`] prints where `BSTR_AUDIT=json` is set.
//!
//! # What it cannot see
//!
//! - A read of a freed string's memory that is not a call: the reader sees 0xDD bytes, and faults only
//!   with guard pages.
//! - Whose a string is, without a [`Call`]. A callee that answers from a stock of strings made before the
//!   call, and keeps none, is in the right, but to the audit each is
//!   [still owned](Kind::OutputStillOwned).
//! - Strings that are allocated and freed by other allocators: C code's own, .NET's.
//! - A leak of what is still alive for a good reason, such as a cache in a static: it is reported, and
//!   has to be emptied before the session ends.
//! - A string that `free` or the like released: where its memory is never given out again, it looks like
//!   a leak, and is looked at in the end although it is gone.
//! - That a getter gives away what it held, as `mem::take` does, and keeps nothing: as above, the answer
//!   is older than the call.
//! - A double free after the string has left the quarantine: it is reported as [`Kind::NotABstr`].
//!
//! # What it costs
//!
//! While no session is open anywhere, one relaxed load a call. In a session, three to four times what a
//! `malloc`, `memcpy` and `free` of a short string take, and more while its quarantine is being filled;
//! `cargo bench --bench audit` shows it on the machine at hand. A call that breaks a rule is reported and
//! does nothing further: a string that is freed twice is freed once, and memory that is no BSTR is never
//! touched.
//!
//! The audit wraps a [`Backend`](crate::backend::Backend), so it works over a heap of one's own as well:
//! see [`Audited`].

mod audited;
mod call;
mod current;
mod guard;
mod interface;
mod json;
mod kind;
mod ledger;
mod moved;
mod older;
#[cfg(unix)]
mod pages;
mod places;
mod quarantine;
mod record;
mod render;
mod report;
mod runs;
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

    pub(super) fn owner(_: NonNull<u16>) -> Option<super::audited::Inner> {
        None
    }

    pub(super) fn weight(_: u32) -> usize {
        0
    }
}

pub use audited::Audited;
pub use call::{Call, Outcome};
pub use current::Entered;
pub use interface::{Interface, Program};
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
