//! Every allocation fails once: does the code bear it?

use super::kind::Kind;
use super::render;
use super::report::Report;
use super::session::Session;
use super::violation::{Action, Event, Violation};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `code` again and again under audit, each time with another of its allocations failing, and
/// lastly with none, and reports every run that broke a rule.
///
/// What `code` returns is dropped before its run is judged. A panic in a run with a failed allocation
/// is a violation of its own, [`Kind::AllocationFailure`]. Allocations are those of strings, on this
/// thread and those that enter the session; `code` has to make the same ones each time.
///
/// # Panics
///
/// Where `code` panics though no allocation failed.
///
/// # Examples
///
/// ```
/// use portable_bstr::{BSTR, audit};
///
/// // Two allocations, neither of them taken for granted.
/// let report = audit::sweep(|| {
///     let status = BSTR::try_from_str("ready")?;
///     status.try_concat(&status)
/// });
/// report.assert_clean();
/// assert_eq!(report.runs().len(), 3);
///
/// // Here the second is.
/// let report = audit::sweep(|| Some(BSTR::try_from_str("ready").ok()?.clone()));
/// assert_eq!(report.runs()[1].report().violations()[0].kind(), audit::Kind::AllocationFailure);
/// ```
#[track_caller]
pub fn sweep<R>(mut code: impl FnMut() -> R) -> Sweep {
    let mut runs = Vec::new();
    loop {
        let nth = runs.len() as u64 + 1;
        let session = Session::builder().fail_nth(nth).start();
        let handle = session.handle();
        let result = catch_unwind(AssertUnwindSafe(|| drop(code())));
        let fault = handle.shared.fault();
        let fault = fault.map(|site| Event::new(Action::Allocated, site));
        let mut report = session.finish();
        match (&fault, result) {
            (None, Err(panic)) => resume_unwind(panic),
            (Some(event), Err(panic)) => {
                let mut violation =
                    Violation::of_unknown(Kind::AllocationFailure, 0, event.clone());
                violation
                    .notes
                    .push(format!("it panicked: {}", message(&*panic)));
                report.violations.insert(0, violation);
            }
            (_, Ok(())) => {}
        }
        let is_last = fault.is_none();
        runs.push(Run { fault, report });
        if is_last {
            return Sweep { runs };
        }
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    literal.or(formatted).unwrap_or("something that is no text")
}

/// What a [`sweep`] found.
#[derive(Clone, Debug)]
#[must_use = "a report that nobody reads finds nothing"]
pub struct Sweep {
    runs: Vec<Run>,
}

/// One run of a [`sweep`].
#[derive(Clone, Debug)]
pub struct Run {
    fault: Option<Event>,
    report: Report,
}

impl Run {
    /// The allocation that failed. `None` for the last run, in which none did.
    #[must_use]
    pub const fn fault(&self) -> Option<&Event> {
        self.fault.as_ref()
    }

    /// What the run's audit found.
    pub const fn report(&self) -> &Report {
        &self.report
    }
}

impl Sweep {
    /// All runs: one for each allocation, and a last one in which none failed.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Whether no rule was broken in any run.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.runs.iter().all(|run| run.report.is_clean())
    }

    /// Passes where no rule was broken in any run.
    ///
    /// # Panics
    ///
    /// With the reports of the runs where one was.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(
            self.is_clean(),
            "BSTR ownership rules were broken\n\n{self}"
        );
    }
}

/// The reports of the runs in which a rule was broken.
impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dirty = |run: &&Run| !run.report.is_clean();
        for run in self.runs.iter().filter(dirty) {
            let when = match &run.fault {
                Some(event) => format!("when the allocation at {} failed", event.location()),
                None => "when no allocation failed".to_string(),
            };
            writeln!(f, "{when}:\n\n{}\n", render::report(&run.report, false))?;
        }
        let broken = self.runs.iter().filter(dirty).count();
        write!(f, "{broken} of {} runs broke a rule", self.runs.len())
    }
}
