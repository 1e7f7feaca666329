//! What tests of the audit do to strings, and what they ask of its report.

use portable_bstr::audit::{Kind, Report, Violation};
use portable_bstr::sys::{BSTR, SysFreeString};

/// Frees, rightly or not: the audit is there for the second case.
#[track_caller]
pub(crate) fn free(string: BSTR) {
    // SAFETY: under audit a wrong free does nothing, and outside it tests free what they own.
    unsafe { SysFreeString(string) };
}

pub(crate) fn kinds(report: &Report) -> Vec<Kind> {
    report.violations().iter().map(Violation::kind).collect()
}
