//! What turns the cache of freed blocks off, or tunes it: `OANOCACHE`, `OACACHEPARAMS` and
//! `SetOaNoCache`.
//!
//! A process reads its environment once and turns its cache off for good, so each case runs in a
//! process of its own: this program again, with the environment set and one ignored test asked
//! for, which prints what it sees.

mod common;

use common::{HEADER, Owned, Process, this_program, wide};
use portable_bstr::sys::SetOaNoCache;
use std::cmp::Reverse;
use std::sync::Barrier;
use std::thread;

/// The blocks that the probes look at, one or two of each bucket by the defaults. They stay away
/// from the buckets' ends, as the C library is free to give some bytes more than asked for.
const BLOCKS: [usize; 6] = [16, 48, 128, 384, 30_000, 40_000];

/// What a child says of each size of [`BLOCKS`]: how many freed blocks its thread keeps.
type Kept = [usize; BLOCKS.len()];

const DEFAULT: Kept = [6, 6, 6, 6, 6, 0];
const OFF: Kept = [0; BLOCKS.len()];

/// Runs the ignored test `probe` of this program in a new process and returns what it printed
/// behind "kept:", or `None`, with the reason, where this program cannot be run again.
fn child(probe: &str, environment: &[(&str, &str)]) -> Option<Vec<Kept>> {
    if cfg!(any(miri, fuzzing)) {
        println!("skipped: there is no cache in this build");
        return None;
    }
    if cfg!(windows) {
        println!("skipped: this heap, too, may give freed blocks out in their order");
        return None;
    }
    let mut command = this_program();
    command.args([probe, "--exact", "--ignored", "--nocapture"]);
    command.env_remove("OANOCACHE").env_remove("OACACHEPARAMS");
    command.envs(environment.iter().copied());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: this program cannot run itself: {error}");
            return None;
        }
    };
    // What an emulator answers where the host cannot execute the program.
    if output.status.code() == Some(127) && output.stdout.is_empty() {
        println!("skipped: this program cannot run itself here");
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{environment:?}: {text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The test harness may have begun the line.
    let kept = text.lines().filter_map(|line| line.split_once("kept:"));
    let parse = |(_, numbers): (&str, &str)| -> Kept {
        let numbers = numbers.split_whitespace().map(|n| n.parse().unwrap());
        numbers.collect::<Vec<_>>().try_into().unwrap()
    };
    Some(kept.map(parse).collect())
}

#[test]
fn the_environment() {
    // The names of the bucket limits are those of the published format, largest first.
    let cases: &[(&[(&str, &str)], Kept)] = &[
        (&[], DEFAULT),
        (&[("OANOCACHE", "1")], OFF),
        // It is being set that counts.
        (&[("OANOCACHE", "")], OFF),
        (&[("OANOCACHE", "0")], OFF),
        (
            &[("OANOCACHE", "1"), ("OACACHEPARAMS", "32768,256,64,32:6")],
            OFF,
        ),
        (&[("OACACHEPARAMS", "")], DEFAULT),
        (&[("OACACHEPARAMS", "32768,256,64,32:6")], DEFAULT),
        (&[("OACACHEPARAMS", "0,0,0,0:0")], DEFAULT),
        (&[("OACACHEPARAMS", "0,0,0,0:2")], [2, 2, 2, 2, 2, 0]),
        (&[("OACACHEPARAMS", ":3")], [3, 3, 3, 3, 3, 0]),
        (&[("OACACHEPARAMS", "300")], [6, 6, 6, 0, 0, 0]),
        (&[("OACACHEPARAMS", "512:4")], [4, 4, 4, 4, 0, 0]),
        (&[("OACACHEPARAMS", "65536,256,64,32:1")], [1; 6]),
    ];
    for (environment, expected) in cases {
        let Some(kept) = child("probe_kept", environment) else {
            return;
        };
        assert_eq!(kept, [*expected], "{environment:?}");
    }
}

/// Where the first bucket ends decides which blocks serve a small string.
#[test]
fn the_environment_moves_a_bucket() {
    let cases = [("0,0,0,32", [0; 6]), ("0,0,0,16", [6; 6])];
    for (parameters, expected) in cases {
        let Some(kept) = child("probe_larger", &[("OACACHEPARAMS", parameters)]) else {
            return;
        };
        assert_eq!(kept, [expected], "{parameters}");
    }
}

#[test]
fn set_oa_no_cache() {
    if let Some(kept) = child("probe_turned_off", &[]) {
        let [before, rest @ ..] = kept.as_slice() else {
            panic!("nothing printed");
        };
        assert_eq!(*before, DEFAULT, "before");
        assert_eq!(
            rest,
            [OFF, OFF, OFF],
            "this thread, a new one, an older one"
        );
    }
}

// ---- In the child

/// A string that fills a block of `block` bytes.
fn string(block: usize) -> Owned<'static> {
    let bytes = u32::try_from(block - HEADER - 2).unwrap();
    Owned::zero_bytes(&Process, bytes)
}

/// How many of 16 strings of a block of `new` bytes get the blocks that 16 strings of `old` bytes
/// left behind, in the order in which they did.
///
/// No C library gives freed blocks out in the order in which it got them, highest address first.
fn reused(old: usize, new: usize) -> usize {
    let mut strings: Vec<_> = (0..16).map(|_| string(old)).collect();
    strings.sort_by_key(|string| Reverse(string.raw()));
    let freed: Vec<_> = strings.iter().map(Owned::raw).collect();
    drop(strings);
    let again: Vec<_> = (0..16).map(|_| string(new)).collect();
    let pairs = again.iter().zip(&freed);
    pairs.take_while(|(new, old)| new.raw() == **old).count()
}

fn print(kept: Kept) {
    println!("kept: {}", kept.map(|count| count.to_string()).join(" "));
}

/// Prints how many blocks of each size this thread keeps, where it has kept none before.
fn print_kept() {
    print(BLOCKS.map(|block| reused(block, block)));
}

#[test]
#[ignore = "run by the_environment in a process of its own"]
fn probe_kept() {
    thread::spawn(print_kept).join().unwrap();
}

#[test]
#[ignore = "run by the_environment_moves_a_bucket in a process of its own"]
fn probe_larger() {
    let kept = thread::spawn(|| reused(48, 32)).join().unwrap();
    print([kept; BLOCKS.len()]);
}

#[test]
#[ignore = "run by set_oa_no_cache in a process of its own"]
fn probe_turned_off() {
    thread::spawn(print_kept).join().unwrap();

    let turned_off = Barrier::new(2);
    thread::scope(|scope| {
        let older = scope.spawn(|| {
            drop(string(64));
            turned_off.wait();
            turned_off.wait();
            print_kept();
        });
        turned_off.wait();
        let live = Owned::wide(&Process, &wide("older than that"));
        SetOaNoCache();
        print_kept();
        scope.spawn(print_kept).join().unwrap();
        turned_off.wait();
        older.join().unwrap();
        // Strings live on, and a second time changes nothing.
        SetOaNoCache();
        assert_eq!(live.len(), 15);
    });

    Owned::zeros(&Process, 9).expect(&[0; 18]);
}
