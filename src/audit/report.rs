//! What a session found, as a whole.

use super::violation::Violation;
use super::{json, render};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use std::io::IsTerminal;

/// What a session found: the rules that were broken, in the order in which that was seen.
///
/// `Display` writes it for people, in the manner of rustc: what happened, the lines of code, and
/// what to do.
///
/// ```
/// use portable_bstr::{BSTR, audit};
///
/// let (kept, report) = audit::run(|| BSTR::from("ready").into_raw());
/// assert!(!report.is_clean());
/// let text = report.to_string();
/// assert!(text.contains("error[leak]: a string was never freed"));
/// assert!(text.contains("\"ready\""));
/// # drop(unsafe { BSTR::from_raw(kept) });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a report that nobody reads finds nothing"]
pub struct Report {
    pub(super) violations: Vec<Violation>,
    pub(super) stats: Stats,
}

/// How much a session saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub(super) allocated: u64,
    pub(super) freed: u64,
}

impl Stats {
    /// How many strings were allocated.
    #[must_use]
    pub const fn allocated(&self) -> u64 {
        self.allocated
    }

    /// How many of them were freed.
    #[must_use]
    pub const fn freed(&self) -> u64 {
        self.freed
    }
}

impl Report {
    /// The rules that were broken. The same mistake made again by the same lines is counted and
    /// not repeated.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How much was seen.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether no rule was broken.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Passes where no rule was broken.
    ///
    /// # Panics
    ///
    /// With the report, where one was. It has colours where stderr is a terminal and `NO_COLOR` is
    /// not set.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(
            self.is_clean(),
            "BSTR ownership rules were broken\n\n{}",
            self.for_stderr()
        );
    }

    /// The report as JSON, one object a line: each violation, then the statistics.
    ///
    /// ```
    /// use portable_bstr::audit;
    ///
    /// let ((), report) = audit::run(|| {});
    /// let lines = report.to_json_lines();
    /// assert_eq!(lines, "{\"violations\":0,\"allocated\":0,\"freed\":0}\n");
    /// ```
    #[must_use]
    pub fn to_json_lines(&self) -> String {
        json::lines(self)
    }

    /// The report as it is written to stderr: in colours where that is a terminal and `NO_COLOR` is
    /// not set; as [JSON](Report::to_json_lines) where `BSTR_AUDIT` is `json`.
    #[must_use]
    pub fn for_stderr(&self) -> String {
        if std::env::var_os("BSTR_AUDIT").is_some_and(|value| value == "json") {
            self.to_json_lines()
        } else {
            render::report(self, is_colour_wanted())
        }
    }
}

/// Whether messages on stderr may have colours: on a terminal, unless `NO_COLOR` is set.
fn is_colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::io::stderr().is_terminal()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render::report(self, false))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render::violation(self, false))
    }
}
