//! What a thread's cache of freed blocks keeps is given back when the thread ends. Memory is a process's,
//! so this one has no other test in it.

#![cfg(target_os = "linux")]

mod common;

use common::{Owned, Process, has_default_cache};
use std::cell::RefCell;
use std::thread;

/// The kilobytes of memory that the process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// Runs `code` on so many threads, one after the other, and answers how many kilobytes more the process has
/// then than by as many threads that do nothing: an emulator keeps something of each.
fn growth(threads: usize, code: fn()) -> usize {
    let growth = |code: fn()| {
        let thread = || thread::spawn(code).join().unwrap();
        (0..20).for_each(|_| thread());
        let before = resident();
        (0..threads).for_each(|_| thread());
        resident().saturating_sub(before)
    };
    growth(code).saturating_sub(growth(|| ()))
}

/// A string in one of the largest blocks that the cache takes.
fn string() -> Owned<'static> {
    Owned::bytes(&Process, &[1; 32_000])
}

/// Frees its string when the thread ends, before the cache is given back or behind that.
struct AtExit(RefCell<Option<Owned<'static>>>);

thread_local! {
    static AT_EXIT: AtExit = const { AtExit(RefCell::new(None)) };
}

impl Drop for AtExit {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

fn keep(string: Owned<'static>) {
    AT_EXIT.with(|kept| *kept.0.borrow_mut() = Some(string));
}

#[test]
fn a_thread_that_ends_gives_its_blocks_back() {
    if !has_default_cache() {
        return;
    }
    // A full bucket, 190 kB.
    let grown = growth(400, || drop((0..6).map(|_| string()).collect::<Vec<_>>()));
    assert!(grown < 20_000, "{grown} kB more, and all blocks are 76,800");
    let grown = growth(1500, || {
        drop(string());
        keep(string());
    });
    assert!(grown < 20_000, "{grown} kB more, and all blocks are 48,000");
    let grown = growth(1500, || {
        keep(string());
        drop(string());
    });
    assert!(grown < 20_000, "{grown} kB more, and all blocks are 48,000");
}
