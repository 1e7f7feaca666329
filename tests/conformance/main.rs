//! What OLEAUT32's string functions do, as one table of facts, run over every implementation.
//!
//! The facts are Microsoft's documentation and what others found out; each has a mark that says
//! how well it is known. An implementation is anything with the ten functions
//! ([`common::Oleaut32`]), so the real OLEAUT32 can be put under the same table, without the rows
//! that are our own choice.
//!
//! `cargo test --test conformance -- --nocapture` prints the rows.

#[path = "../common/mod.rs"]
mod common;

mod alloc;
mod cache;
mod layout;
mod limits;
mod pins;
mod realloc;

use common::{HEADER, Oleaut32, Owned, Process, Strict, block_size, has_default_cache};
use portable_bstr::audit;
use portable_bstr::backend::Portable;
use portable_bstr::heap::Global;
use portable_bstr::sys::OleAut;
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

/// How well a fact is known.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    /// Microsoft's documentation.
    D,
    /// Microsoft's own portable re-implementation, in .NET.
    M,
    /// Asserted by tests that pass on real Windows.
    T,
    /// How Wine does it.
    W,
    /// Published research.
    R,
    /// Nobody has published it: our choice.
    U,
}

struct Row {
    mark: Mark,
    fact: &'static str,
    check: fn(&Subject<'_>),
}

const fn row(mark: Mark, fact: &'static str, check: fn(&Subject<'_>)) -> Row {
    Row { mark, fact, check }
}

/// Every implementation is held to these.
const TABLES: &[&[Row]] = &[layout::FACTS, alloc::FACTS, realloc::FACTS, pins::FACTS];

/// Rows that want more than their mark vouches for: zeros where a source is too short or NULL.
#[cfg(windows)]
const STRICTER: &[&str] = &[
    "a string with a rewritten prefix is freed and reallocated by its block",
    "SysReAllocStringLen of a NULL source keeps what fits and zeroes the rest",
    "SysReAllocStringLen of a NULL source keeps an odd last byte",
    "SysReAllocStringLen of psz == *pbstr, growing: the characters survive",
];

/// An implementation under test.
struct Subject<'a> {
    name: &'static str,
    ole: &'a dyn Oleaut32,
    /// What its heap aligns blocks to.
    alignment: usize,
    /// Whether an audit watches.
    audited: bool,
    /// Asserts, behind each row, that all memory came back, where that can be told.
    settled: &'a dyn Fn(),
}

impl Subject<'_> {
    /// Whether an audit watches, to which a row does not apply, and says why.
    fn is_audited(&self, why: &str) -> bool {
        if self.audited {
            println!("skipped under audit: {why}");
        }
        self.audited
    }

    /// Runs all rows, prints those that hold, and reports all that do not together.
    fn run(&self, tables: &[&[Row]]) {
        self.run_some(tables, |_| true);
    }

    /// Runs the rows that are wanted.
    fn run_some(&self, tables: &[&[Row]], wanted: fn(&Row) -> bool) {
        let mut broken = Vec::new();
        let rows = tables.iter().copied().flatten();
        for Row { mark, fact, check } in rows.filter(|row| wanted(row)) {
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
                check(self);
                (self.settled)();
            }));
            match outcome {
                Ok(()) => println!("{}: {mark:?} {fact}", self.name),
                Err(payload) => broken.push(format!("{mark:?} {fact}\n    {}", said(&*payload))),
            }
        }
        assert!(
            broken.is_empty(),
            "{}: {} facts do not hold:\n{}",
            self.name,
            broken.len(),
            broken.join("\n")
        );
    }
}

/// What a panic said.
fn said(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload.downcast_ref::<&str>().unwrap_or(&""),
    }
}

/// What the C library aligns blocks to, at the least.
const C_ALIGNMENT: usize = if HEADER == 8 { 16 } else { HEADER };

#[test]
fn the_process_functions() {
    let subject = Subject {
        name: "process",
        ole: &Process,
        alignment: C_ALIGNMENT,
        audited: false,
        settled: &|| (),
    };
    subject.run(TABLES);
}

#[test]
fn over_the_global_allocator() {
    let subject = Subject {
        name: "Portable<Global>",
        ole: &OleAut::new(Portable::new(Global)),
        alignment: 16,
        audited: false,
        settled: &|| (),
    };
    subject.run(TABLES);
}

/// Whoever has a reference to a backend has a backend.
#[test]
fn over_a_borrowed_backend() {
    let backend = Portable::new(Global);
    let subject = Subject {
        name: "&Portable<Global>",
        ole: &OleAut::new(&backend),
        alignment: 16,
        audited: false,
        settled: &|| (),
    };
    subject.run(TABLES);
}

#[cfg(any(
    target_vendor = "apple",
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd"
))]
#[test]
fn over_the_c_library() {
    let subject = Subject {
        name: "Portable<Malloc>",
        ole: &OleAut::new(Portable::new(portable_bstr::heap::Malloc)),
        alignment: C_ALIGNMENT,
        audited: false,
        settled: &|| (),
    };
    subject.run(TABLES);
}

/// An audit changes no answer. What it says of rows that break the rules is its own tests' matter.
#[test]
fn under_audit() {
    let subject = Subject {
        name: "audited",
        ole: &Process,
        alignment: C_ALIGNMENT,
        audited: true,
        settled: &|| (),
    };
    let ((), report) = audit::run(|| subject.run(TABLES));
    assert!(report.stats().allocated() > 0, "nobody watched");
}

/// The real OLEAUT32 is held to what is known of it, in so far as it is known of it.
#[cfg(windows)]
#[test]
fn over_the_real_oleaut32() {
    let subject = Subject {
        name: "OLEAUT32",
        ole: &common::Real,
        alignment: C_ALIGNMENT,
        audited: false,
        settled: &|| (),
    };
    subject.run_some(&TABLES[..3], |row| {
        let is_known = match row.mark {
            Mark::D | Mark::T => true,
            // Wine's sizes of the longest strings overflow.
            Mark::M => !common::is_wine(),
            Mark::W => common::is_wine(),
            Mark::R | Mark::U => false,
        };
        is_known && !STRICTER.contains(&row.fact)
    });
}

/// New blocks are dirty and have no byte to spare, and all memory has to come back.
#[test]
fn over_a_strict_heap() {
    let ole = OleAut::new(Portable::new(Strict::new(Global)));
    let heap = ole.backend().heap();
    // What a row leaked is not the next row's fault.
    let leaked = Cell::new(0);
    let subject = Subject {
        name: "Portable<Strict>",
        ole: &ole,
        alignment: 16,
        audited: false,
        settled: &|| {
            heap.check();
            let leaks = heap.live() - leaked.replace(heap.live());
            assert_eq!(leaks, 0, "blocks leaked");
        },
    };
    subject.run(TABLES);
}

/// The default cache. Each row has a thread of its own, whose cache is empty.
#[test]
fn the_cache() {
    if has_default_cache() {
        let subject = Subject {
            name: "cache",
            ole: &Process,
            alignment: C_ALIGNMENT,
            audited: false,
            settled: &|| (),
        };
        subject.run(&[cache::FACTS]);
    }
}

/// A string of `bytes` bytes, none of them zero.
fn filler(bytes: usize) -> Vec<u8> {
    (1..=u8::MAX).cycle().take(bytes).collect()
}

/// Leaves a freed block of the size for `bytes` bytes behind that has no zero byte, for the next
/// allocation to find. The strict heap's blocks are never found zero anyhow.
fn dirty(subject: &Subject<'_>, bytes: usize) {
    let string = Owned::bytes(subject.ole, &filler(bytes));
    for offset in 0..block_size(bytes) - HEADER {
        string.poke(offset, 0xFF);
    }
}

/// 40 units that differ from each other, in a block of several granules.
fn countdown() -> Vec<u16> {
    (1..=40).rev().collect()
}
