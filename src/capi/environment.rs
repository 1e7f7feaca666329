//! The audit from outside: a word in the environment, and the program is audited from its first
//! string to its exit.

use crate::audit::{Handle, Session, want_backtraces};
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use std::env;
use std::io::{self, Write};
use std::sync::OnceLock;

/// The session that the environment asked for, once it has been looked at.
static SESSION: OnceLock<Option<Handle>> = OnceLock::new();

// What every C library has for the end of a program.
unsafe extern "C" {
    fn atexit(callback: extern "C" fn()) -> c_int;
    fn fflush(stream: *mut c_void) -> c_int;
    fn _Exit(code: c_int) -> !;
}

/// Starts the session, where there is one to be started. The first call decides.
#[inline]
pub(super) fn look() {
    SESSION.get_or_init(start);
}

#[cold]
fn start() -> Option<Handle> {
    let wish = env::var_os("BSTR_AUDIT")?;
    if wish.is_empty() || wish == "0" {
        return None;
    }
    // SAFETY: the callback is there for as long as this library is.
    if unsafe { atexit(report) } != 0 {
        return None;
    }
    want_backtraces();
    Some(Session::builder().process_wide().start().detach())
}

/// Ends the session, when the program ends.
extern "C" fn report() {
    let Some(Some(session)) = SESSION.get() else {
        return;
    };
    let report = session.finish();
    // Where stderr is closed, nobody wants to know.
    let _ = writeln!(io::stderr(), "{}", report.for_stderr().trim_end());
    if !report.is_clean()
        && let Some(code) = env::var_os("BSTR_AUDIT_EXIT_CODE")
    {
        let code = code.to_str().and_then(|code| code.parse().ok());
        // A program that is exiting must not do so again, and so loses what it has not yet written.
        // SAFETY: NULL means every stream.
        unsafe { fflush(null_mut()) };
        // SAFETY: may be called at any time.
        unsafe { _Exit(code.unwrap_or(1)) }
    }
}
