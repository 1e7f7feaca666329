//! What a thread's cache of freed blocks keeps is given back when the thread ends. Memory is a process's,
//! so this one has no other test in it.

#![cfg(target_os = "linux")]

mod common;

use common::{Owned, Process, has_default_cache};
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

#[test]
fn a_thread_that_ends_gives_its_blocks_back() {
    if !has_default_cache() {
        return;
    }
    // Leaves a full bucket of the largest blocks behind, 190 kB.
    let thread = || {
        let strings = || (0..6).map(|_| Owned::bytes(&Process, &[1; 32_000]));
        let thread = thread::spawn(move || drop(strings().collect::<Vec<_>>()));
        thread.join().unwrap();
    };
    (0..20).for_each(|_| thread());
    let before = resident();
    (0..400).for_each(|_| thread());
    let grown = resident().saturating_sub(before);
    assert!(grown < 20_000, "{grown} kB more, and all blocks are 76,800");
}
