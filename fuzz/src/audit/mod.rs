//! Programs under audit, with and without mistakes. The audit has to find what the [`Model`] says, kind
//! by kind, and nothing else.

mod act;
mod calls;
mod forgetful;
mod model;
mod raw;
mod realloc;

use act::Actor;
use arbitrary::Arbitrary;
use model::Model;
use portable_bstr::audit::{Kind, Report, Session};
use std::collections::BTreeMap;

/// A program and how it is watched.
#[derive(Debug, Arbitrary)]
pub struct Audit {
    manner: Manner,
    /// Which allocation fails, if any does.
    fails: Option<u8>,
    /// Whether the program frees what it has at its end.
    is_tidy: bool,
    ops: Vec<Op>,
}

/// What a program may do, and how it is watched.
#[derive(Clone, Copy, Debug, Arbitrary)]
enum Manner {
    /// Anything, and nothing leaves the quarantine.
    Wild,
    /// Anything with strings that are alive, and freed memory soon comes back: the quarantine is up to a
    /// mebibyte, so that the parts of the ledger can have some dozen strings each.
    Careful { quarantine: u16 },
    /// Nothing that is wrong.
    Correct { quarantine: u16 },
    /// Nothing that is wrong, and each string has pages of its own.
    CorrectOnPages,
}

/// A string, by number: any that there ever was.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Id(u8);

#[derive(Debug, Arbitrary)]
enum Op {
    Alloc(How, Vec<u8>),
    /// Many strings, so that the ledger has something to look through.
    Crowd(u8),
    /// Allocates a string of about that length and frees it, again and again, so that memory leaves the
    /// quarantine and is a new string's.
    Churn(u8),
    /// Frees every so manyth string.
    Disperse(u8),
    /// A copy as far as the first NUL.
    CopyText(Id),
    /// A copy of about as many bytes as there are, or more.
    CopyBytes(Id, u8),
    Free(Id, Place),
    ReAlloc(Id, Change),
    /// Frees or reallocates from the middle, or from the guard bytes behind.
    Moved(Id, u16, bool),
    /// Frees or reallocates what is no string.
    Foreign(u8, bool),
    /// Reallocates nothing.
    NoSlot(u32, bool),
    /// Writes into the data.
    Write(Id, u16),
    /// Writes behind the data, or into a string that was freed.
    Damage(Id, u16),
    DamagePrefix(Id, u8),
    Pin(Id),
    Unpin(Id),
    Measure(Id),
    /// Joins two strings, into a variable that may hold a string.
    Cat(Id, Id, Option<Id>),
    WrongDeallocator(u8),
    Call(Arguments),
    /// Sets an \[out\] parameter of the call that runs.
    SetOut(u8, Value),
    SetInOut(u8, Value),
    /// The call returns; what follows is its caller's.
    Return,
}

#[derive(Debug, Arbitrary)]
struct Arguments {
    inputs: Vec<Id>,
    inouts: Vec<Option<Id>>,
    outputs: Vec<Option<Id>>,
    fails: bool,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Value {
    Null,
    String(Id),
    Literal,
    /// Inside a string.
    Inside(Id),
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum How {
    Bytes,
    Units,
    Text,
    Unwritten,
    /// On a thread that nobody watches.
    ByStranger,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Place {
    Here,
    Elsewhere,
    AtStrangers,
}

#[derive(Debug, Arbitrary)]
enum Change {
    Units(Vec<u16>),
    Text(Vec<u16>),
    /// To a length, keeping what fits.
    Len(u8),
    /// To so many units, from so far inside itself.
    Own(u8, u8),
    /// As far as the first NUL, from so far inside itself.
    OwnText(u8),
    /// To about as many units as another string has, or more.
    Other(Id, u8),
    Null,
}

impl Audit {
    /// Runs the scenario.
    pub fn run(self) {
        let mut settings = Session::builder();
        settings = match self.manner {
            Manner::Wild => settings.quarantine(1 << 30),
            Manner::Careful { quarantine } | Manner::Correct { quarantine } => {
                settings.quarantine(16 * usize::from(quarantine))
            }
            #[cfg(unix)]
            Manner::CorrectOnPages => settings.guard_pages(),
            #[cfg(not(unix))]
            Manner::CorrectOnPages => settings,
        };
        let fails = self.fails.map(|nth| u64::from(nth) + 1);
        if let Some(nth) = fails {
            settings = settings.fail_nth(nth);
        }
        let model = Model::new(fails);
        let session = settings.start();
        let mut actor = Actor::new(self.manner, model, session.handle());
        actor.all(&self.ops);
        if self.is_tidy || actor.is_correct() {
            actor.tidy();
        }
        let report = session.finish();
        actor.model.close();
        actor.clean_up();
        compare(&report, &actor.model);
        if actor.is_correct() {
            assert!(report.is_clean(), "{report}");
        }
    }
}

/// The audit's verdict is the model's.
fn compare(report: &Report, model: &Model) {
    let mut found = BTreeMap::<Kind, usize>::new();
    for violation in report.violations() {
        *found.entry(violation.kind()).or_default() += violation.count();
    }
    let mut expected = BTreeMap::<Kind, usize>::new();
    for kind in &model.expected {
        *expected.entry(*kind).or_default() += 1;
    }
    assert_eq!(found, expected, "{report}\n{:#?}", model.texts);
    let stats = (report.stats().allocated(), report.stats().freed());
    assert_eq!(stats, (model.allocated, model.freed), "strings and frees");
}
