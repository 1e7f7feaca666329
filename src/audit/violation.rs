//! What an audit finds: a [`Violation`], and the [`Event`]s that led to it.

use super::kind::Kind;
use super::record::Record;
use super::render::Place;
use super::site::Site;
use super::text::Beginning;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::panic::Location;
use std::backtrace::Backtrace;

/// What happened to a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// It was allocated.
    Allocated,
    /// It was reallocated, or something tried to.
    Reallocated,
    /// It was freed, or something tried to.
    Freed,
    /// Its length was read.
    Measured,
    /// It was pinned with `SysAddRefString`.
    Pinned,
    /// A pin was released with `SysReleaseString`.
    Released,
    /// It was lent to a [`Call`](super::Call) as \[in\] or \[in, out\].
    Lent,
    /// A [`Call`](super::Call) handed it over as \[out\] or \[in, out\].
    HandedOver,
    /// Something was copied from it.
    Copied,
    /// A [`Call`](super::Call) was made.
    Called,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allocated => "allocated",
            Self::Reallocated => "reallocated",
            Self::Freed => "freed",
            Self::Measured => "its length was read",
            Self::Pinned => "pinned",
            Self::Released => "a pin was released",
            Self::Lent => "lent",
            Self::HandedOver => "handed over",
            Self::Copied => "copied",
            Self::Called => "called",
        })
    }
}

/// One event in a string's history: what, where and on which thread.
#[derive(Clone)]
pub struct Event {
    action: Action,
    site: Site,
}

impl Event {
    pub(super) const fn new(action: Action, site: Site) -> Self {
        Self { action, site }
    }

    /// What happened.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// The line of code that did it.
    ///
    /// Where a `BSTR` was dropped that is no line of yours, for a destructor is not told who
    /// calls it: a [`backtrace`](Event::backtrace) tells.
    #[must_use]
    pub const fn location(&self) -> &'static Location<'static> {
        self.site.moment.location
    }

    /// The name of the thread, or what stands for it where it has none.
    #[must_use]
    pub fn thread(&self) -> String {
        self.site.moment.thread.name()
    }

    /// The name of the innermost [`Call`](super::Call) that ran on the thread. For a string that was
    /// lent or handed over, the call that it was lent to, or that handed it over.
    #[must_use]
    pub fn call(&self) -> Option<&str> {
        self.site.call().map(|call| call.name.as_str())
    }

    /// Who called whom, where `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` in the environment asks
    /// for it.
    #[must_use]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.site.backtrace()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.action, self.location())
    }
}

/// One broken rule: which, on which string, and how it came about.
#[derive(Clone, Debug)]
pub struct Violation {
    pub(super) kind: Kind,
    pub(super) address: usize,
    pub(super) byte_len: Option<u32>,
    pub(super) text: Option<String>,
    pub(super) history: Vec<Event>,
    pub(super) notes: Vec<String>,
    pub(super) count: usize,
}

impl Violation {
    /// On a string of the ledger.
    pub(super) fn new(
        kind: Kind,
        record: &Record,
        text: Option<String>,
        event: Option<Event>,
        notes: Vec<String>,
    ) -> Self {
        let mut history = record.history();
        history.extend(event);
        Self {
            kind,
            address: record.string.addr().get(),
            byte_len: Some(record.byte_len),
            text,
            history,
            notes,
            count: 1,
        }
    }

    /// On a string that has left the ledger.
    pub(super) fn of_gone(
        kind: Kind,
        address: usize,
        contents: &[u8],
        history: Vec<Event>,
    ) -> Self {
        let byte_len = u32::try_from(contents.len()).ok();
        Self {
            kind,
            address,
            byte_len,
            text: byte_len.map(|bytes| Beginning::of(contents).text(bytes)),
            history,
            notes: Vec::new(),
            count: 1,
        }
    }

    /// On something that is no string of the ledger.
    pub(super) fn of_unknown(kind: Kind, address: usize, event: Event) -> Self {
        Self {
            kind,
            address,
            byte_len: None,
            text: None,
            history: vec![event],
            notes: Vec::new(),
            count: 1,
        }
    }

    /// Which rule.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The pointer in question, as a number: it may point nowhere any more.
    #[must_use]
    pub const fn address(&self) -> usize {
        self.address
    }

    /// The string's length in bytes, where the audit knows the string.
    #[must_use]
    pub const fn byte_len(&self) -> Option<u32> {
        self.byte_len
    }

    /// The string's text, escaped and shortened, where the audit knows the string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// What happened to the string, in order. Where a call broke the rule, that is the last.
    #[must_use]
    pub fn history(&self) -> &[Event] {
        &self.history
    }

    /// What else is known, in sentences without full stops: where an overrun lies, for one.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How often the rule was broken by the same line on strings from the same line.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Whether `other` is the same mistake made again.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        fn story(violation: &Violation) -> impl Iterator<Item = (Action, Place)> {
            let events = violation.history.iter();
            events.map(|event| (event.action(), Place::of(event)))
        }
        self.kind == other.kind && story(self).eq(story(other))
    }
}
