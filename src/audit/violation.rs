//! What an audit finds: [`Violation`], its [`Kind`], and the [`Event`]s that led to it.

use super::ledger::Record;
use super::site::Site;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::panic::Location;
use std::backtrace::Backtrace;

/// Which ownership rule was broken.
///
/// Each variant's first line is what its report begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A string was never freed.
    Leak,
    /// A string was freed twice.
    DoubleFree,
    /// A string was used after it was freed.
    UseAfterFree,
    /// Something was freed or reallocated that is no BSTR.
    NotABstr,
    /// A pointer into the middle of a string was freed or reallocated.
    MovedPointer,
    /// Something wrote behind a string's end.
    Overrun,
    /// A string's length prefix was changed behind the allocator's back.
    Underrun,
    /// A pin was never released, or released more often than it was taken.
    UnbalancedPin,
    /// A string's memory was released by something other than `SysFreeString`.
    WrongDeallocator,
}

/// What there is to say about a [`Kind`].
struct Words {
    /// A short name, in the manner of a lint.
    name: &'static str,
    /// What happened, in a sentence without its full stop.
    what: &'static str,
    /// The rule that was broken, and how to keep it.
    help: &'static str,
    /// Microsoft's page about the rule.
    link: &'static str,
}

const MEMORY_RULES: &str =
    "https://learn.microsoft.com/cpp/atl-mfc-shared/allocating-and-releasing-memory-for-a-bstr";
const FREE_STRING: &str =
    "https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysfreestring";

const BSTR_TYPE: &str =
    "https://learn.microsoft.com/previous-versions/windows/desktop/automat/bstr";
const ADD_REF_STRING: &str =
    "https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysaddrefstring";

impl Kind {
    const fn words(self) -> Words {
        match self {
            Self::Leak => Words {
                name: "leak",
                what: "a string was never freed",
                help: "whoever owns a BSTR frees it with SysFreeString, on error paths too: \
                       the caller frees what it allocated for an [in] parameter after the call, \
                       and what an [out] parameter or a return value gave it",
                link: MEMORY_RULES,
            },
            Self::DoubleFree => Words {
                name: "double-free",
                what: "a string was freed twice",
                help: "a BSTR has one owner at a time, who frees it once: a callee never frees \
                       an [in] string, and whoever hands a string out does not free it",
                link: MEMORY_RULES,
            },
            Self::UseAfterFree => Words {
                name: "use-after-free",
                what: "a string was used after it was freed",
                help: "a BSTR is gone once it is freed or reallocated: copy what is needed \
                       for longer, with SysAllocStringLen or BSTR::clone",
                link: FREE_STRING,
            },
            Self::NotABstr => Words {
                name: "not-a-bstr",
                what: "something was freed that is no BSTR",
                help: "only what SysAllocString and its siblings returned may be given to \
                       SysFreeString and SysReAllocString: no literal, no memory of malloc, no \
                       variable that was never set. A string that is older than the audit is \
                       unknown to it: start the audit first",
                link: FREE_STRING,
            },
            Self::MovedPointer => Words {
                name: "moved-pointer",
                what: "a pointer into the middle of a string was freed",
                help: "free a BSTR by the very pointer that was allocated: walk through the \
                       string with a copy of it",
                link: FREE_STRING,
            },
            Self::Overrun => Words {
                name: "overrun",
                what: "something wrote behind a string's end",
                help: "a BSTR has room for as many code units as were asked for and for the NUL \
                       behind them, which stays: SysReAllocStringLen makes more room",
                link: BSTR_TYPE,
            },
            Self::Underrun => Words {
                name: "underrun",
                what: "a string's length prefix was changed behind the allocator's back",
                help: "the four bytes before a BSTR's data are the allocator's: change a \
                       string's length with SysReAllocStringLen",
                link: BSTR_TYPE,
            },
            Self::UnbalancedPin => Words {
                name: "unbalanced-pin",
                what: "a string's pins and releases do not balance",
                help: "every SysAddRefString needs one SysReleaseString, which does not free a \
                       string that its owner has not freed: SysFreeString does",
                link: ADD_REF_STRING,
            },
            Self::WrongDeallocator => Words {
                name: "wrong-deallocator",
                what: "a string's memory was released by something other than SysFreeString",
                help: "a BSTR goes back where it came from, by SysFreeString: free, delete and \
                       CoTaskMemFree are for other memory",
                link: FREE_STRING,
            },
        }
    }

    /// A short name for the kind: `double-free`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.words().name
    }

    /// What happened, in a sentence without its full stop: `a string was freed twice`.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        self.words().what
    }

    /// The rule that was broken, and how to keep it.
    #[must_use]
    pub const fn help(self) -> &'static str {
        self.words().help
    }

    /// Microsoft's page about the rule.
    #[must_use]
    pub const fn link(self) -> &'static str {
        self.words().link
    }
}

/// The short name.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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
        self.site.location
    }

    /// The name of the thread, or what stands for it where it has none.
    #[must_use]
    pub fn thread(&self) -> String {
        self.site.thread.name()
    }

    /// Who called whom, where `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` in the environment asks
    /// for it.
    #[must_use]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.site.backtrace.as_deref()
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

    /// On something that no ledger has.
    pub(super) fn of_unknown(address: usize, event: Event) -> Self {
        Self {
            kind: Kind::NotABstr,
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
        fn story(violation: &Violation) -> impl Iterator<Item = (Action, &Location<'static>)> {
            let events = violation.history.iter();
            events.map(|event| (event.action(), event.location()))
        }
        self.kind == other.kind && story(self).eq(story(other))
    }
}
