//! Where sessions begin and end: threads that come and go, sessions within sessions, strings that outlive
//! them, and the memory that they keep.

mod common;

use common::{bytes_of, free, kinds};
use portable_bstr::audit::{self, Builder, Call, Kind, Report, Session};
use portable_bstr::bstr;
use portable_bstr::sys::*;
use portable_bstr::widestring::u16cstr;
use std::collections::BTreeSet;
use std::thread;

/// A string for a test to misuse.
#[track_caller]
fn ready() -> BSTR {
    // SAFETY: the literal ends with a NUL.
    unsafe { SysAllocString(u16cstr!("ready").as_ptr()) }
}

#[track_caller]
fn of_bytes(bytes: &[u8]) -> BSTR {
    let len = u32::try_from(bytes.len()).unwrap();
    // SAFETY: a slice is readable for its length.
    unsafe { SysAllocStringByteLen(bytes.as_ptr(), len) }
}

/// Overwrites bytes of a string's memory.
fn scribble(string: BSTR, offset: usize, bytes: &[u8]) {
    for (at, &byte) in (offset..).zip(bytes) {
        let target = string.cast_mut().cast::<u8>().wrapping_add(at);
        // SAFETY: tests stay within what the audit has put around its strings.
        unsafe { target.write(byte) };
    }
}

#[test]
fn a_thread_is_watched_until_it_leaves() {
    let session = Session::builder().start();
    let handle = session.handle();
    thread::spawn(move || {
        free(ready());
        let outer = handle.enter();
        free(ready());
        let inner = handle.enter();
        free(ready());
        drop(inner);
        free(ready());
        drop(outer);
        free(ready());
    })
    .join()
    .unwrap();
    let report = session.finish();
    assert_eq!(report.stats().allocated(), 3);
}

/// Though this thread has not left it.
#[test]
fn when_a_session_is_ended_elsewhere_the_outer_one_watches() {
    let outer = Session::builder().start();
    let inner = Session::builder().start();
    let handle = inner.handle();
    let report = thread::spawn(move || handle.finish()).join().unwrap();
    assert_eq!(report.stats().allocated(), 0);
    let string = ready();
    assert_eq!(kinds(&outer.finish()), [Kind::Leak]);
    free(string);
    drop(inner);
}

#[test]
fn a_session_that_is_dropped_is_over() {
    let session = Session::builder().start();
    let handle = session.handle();
    let string = ready();
    drop(session);
    let report = handle.finish();
    assert!(report.is_clean() && report.stats().allocated() == 0);
    free(string);
}

#[test]
fn a_session_that_ends_leaves_the_others_known() {
    let first = Session::builder().start();
    let string = ready();
    Session::builder().start().finish().assert_clean();
    let second = Session::builder().start();
    free(string);
    free(string);
    // The string is the first one's, and so is its story.
    second.finish().assert_clean();
    assert_eq!(kinds(&first.finish()), [Kind::DoubleFree]);
}

/// Whose it is, and since when, the outer session may say.
#[test]
fn an_outer_sessions_string_is_no_foreign_answer() {
    audit::check(|| {
        let string = ready();
        audit::check(|| {
            let mut slot = std::ptr::null();
            // SAFETY: the slot is there for the call.
            let call = unsafe { Call::new("get_Text").out(&mut slot) };
            call.run(|| slot = string);
        });
        free(string);
    });
}

/// Strings there are on all sides; what is in none of them, or in one that is no more, is foreign.
#[test]
fn a_pointer_is_inside_a_string_from_its_second_byte_to_its_end() {
    let ((), report) = audit::run(|| {
        let strings: Vec<_> = (0..50).map(|_| of_bytes(&[0x41; 100])).collect();
        let word = 7_u16;
        free(&raw const word);
        free(bstr!("literal").as_raw());
        free(strings[20].wrapping_byte_add(2));
        free(strings[20].wrapping_byte_add(98));
        strings.iter().for_each(|&string| free(string));
        assert_eq!(word, 7);
    });
    let (foreign, moved) = (Kind::NotABstr, Kind::MovedPointer);
    assert_eq!(kinds(&report), [foreign, foreign, moved, moved]);
}

#[test]
fn where_a_sweep_finds_something_the_assertion_says_what() {
    let sweep = audit::sweep(|| {
        let string = ready();
        free(string);
        free(string);
    });
    let panic = std::panic::catch_unwind(|| sweep.assert_clean()).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    // In the run in which the allocation failed both frees are of NULL.
    assert!(
        text.contains("when no allocation failed:\n\nerror[double-free]"),
        "{text}"
    );
    assert!(text.ends_with("1 of 2 runs broke a rule"), "{text}");
}

/// Eight bytes before and behind, and sixteen of those that were changed.
#[test]
fn a_report_shows_what_was_overwritten() {
    let dump = |report: &Report| {
        let text = report.to_string();
        let (_, dump) = text.split_once("from byte ").unwrap();
        let (dump, _) = dump.split_once('=').unwrap();
        dump.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let bytes = |byte: &str, count| vec![byte; count].join(" ");
    let what = "of the string, with what was changed in brackets:";

    let ((), report) = audit::run(|| {
        let string = of_bytes(&[0x41; 60]);
        free(string);
        scribble(string, 10, &[0xAA; 20]);
    });
    let (dd, aa) = (bytes("dd", 8), bytes("aa", 16));
    let expected = format!("2 {what} {dd} [{aa} …] aa aa aa aa {}", bytes("dd", 4));
    assert_eq!(dump(&report), expected);

    let ((), report) = audit::run(|| {
        let string = of_bytes(&bytes_of(&[0x61; 5]));
        // Behind the terminator, which ends at 12.
        scribble(string, 13, &[0xAA]);
        free(string);
    });
    let text = dump(&report);
    let (offset, shown) = text.split_once(&format!(" {what} ")).unwrap();
    let before = shown.split(" [").next().unwrap().split(' ').count();
    assert_eq!(offset.parse::<usize>().unwrap() + before, 13, "{text}");
    assert!(shown.contains("[aa]"), "{text}");
    let report = report.to_string();
    assert!(
        report.contains("freed here, which is when it was noticed"),
        "{report}"
    );

    // Where it is never freed nobody is there who noticed.
    let (string, report) = audit::run(|| {
        let string = of_bytes(&[0x41; 60]);
        scribble(string, 63, &[0xAA]);
        string
    });
    free(string);
    assert_eq!(kinds(&report), [Kind::Overrun, Kind::Leak]);
    let event = format!("{:?}", report.violations()[0].history()[0]);
    assert!(
        event.starts_with(&format!("allocated at {}:", file!())),
        "{event}"
    );
    let text = report.to_string();
    assert!(!text.contains("noticed"), "{text}");
    let first = report.violations()[0].to_string();
    assert!(first.starts_with("error[overrun]") && text.starts_with(&first));
}

/// Of very many events a string's history has the first and the last.
#[test]
fn a_long_history_is_shortened_in_the_middle() {
    let (string, report) = audit::run(|| {
        let string = ready();
        for nth in 0..100 {
            Call::new(format!("call {nth}")).input(string).run(|| ());
        }
        string
    });
    free(string);
    let history = report.violations()[0].history();
    assert!((4..50).contains(&history.len()), "{history:?}");
    let calls: Vec<_> = history.iter().filter_map(|event| event.call()).collect();
    assert_eq!(calls[..2], ["call 0", "call 1"]);
    assert_eq!(calls[calls.len() - 2..], ["call 98", "call 99"]);
}

/// In a process of its own, where nobody else has threads.
#[test]
fn a_process_wide_session_watches_threads_that_entered_none() {
    if !common::is_alone("a_process_wide_session_watches_threads_that_entered_none") {
        return;
    }
    let allocated = |builder: Builder| {
        let session = builder.start();
        thread::spawn(|| free(ready())).join().unwrap();
        let inner = Session::builder().start();
        free(ready());
        assert_eq!(inner.finish().stats().allocated(), 1);
        session.finish().stats().allocated()
    };
    assert_eq!(allocated(Session::builder()), 0);
    assert_eq!(allocated(Session::builder().process_wide()), 1);
}

/// Whether backtraces are kept is asked once, by the first event of a process: in one of its own. A string
/// in memory that is used again has one too.
#[test]
fn strings_have_a_backtrace_where_the_environment_asks_for_it() {
    const ALONE: &str = "PORTABLE_BSTR_TEST_ALONE";
    if let Some(asked) = std::env::var_os(ALONE) {
        let session = Session::builder().start();
        let mut freed = BTreeSet::new();
        let first = ready();
        let used_again = (0..20_000).find_map(|_| {
            let string = ready();
            let is_used_again = !freed.insert(string);
            if !is_used_again {
                free(string);
            }
            is_used_again.then_some(string)
        });
        let report = session.finish();
        assert_eq!(kinds(&report), [Kind::Leak, Kind::Leak]);
        for violation in report.violations() {
            let event = &violation.history()[0];
            assert_eq!(event.backtrace().is_some(), asked == "1");
        }
        free(first);
        free(used_again.unwrap());
        return;
    }
    for asked in ["0", "1"] {
        let mut again = common::this_program();
        let again = again.args([
            "--exact",
            "strings_have_a_backtrace_where_the_environment_asks_for_it",
        ]);
        let again = again.env(ALONE, asked).env("RUST_BACKTRACE", asked);
        let output = again.env_remove("RUST_LIB_BACKTRACE").output().unwrap();
        assert!(output.status.success(), "{asked}: {output:?}");
    }
}

/// Each string has a page for its guard and one or more for itself, of 4096 bytes on this processor.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod pages {
    use super::*;

    const PAGE: usize = 4096;

    /// Whether the process has memory of its own at an address.
    fn is_mapped(address: usize) -> bool {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().any(|line| {
            let (range, _) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let [start, end] = [start, end].map(|end| usize::from_str_radix(end, 16).unwrap());
            (start..end).contains(&address)
        })
    }

    /// In a process of its own, where nobody else maps memory.
    #[test]
    fn pages_are_given_back() {
        if common::is_alone("pages::pages_are_given_back") {
            a_quarantine_of_pages_has_its_limit_and_gives_them_back();
            a_pinned_string_that_outlives_its_session_gives_its_pages_back_in_the_end();
        }
    }

    fn a_quarantine_of_pages_has_its_limit_and_gives_them_back() {
        // A string of nearly a page counts for three.
        let builder = Session::builder().guard_pages();
        let session = builder.quarantine(30 * PAGE).start();
        let strings: Vec<_> = (0..40).map(|_| of_bytes(&[0; PAGE - 100])).collect();
        strings.iter().for_each(|&string| free(string));
        let mapped = strings
            .iter()
            .filter(|string| is_mapped(string.addr()))
            .count();
        assert!(
            (9..=11).contains(&mapped),
            "{mapped} strings are in quarantine"
        );
        session.finish().assert_clean();
        let mapped = strings
            .iter()
            .filter(|string| is_mapped(string.addr()))
            .count();
        assert_eq!(mapped, 0);
    }

    /// By whom they were allocated is not forgotten with the session.
    fn a_pinned_string_that_outlives_its_session_gives_its_pages_back_in_the_end() {
        let session = Session::builder().guard_pages().start();
        let string = ready();
        // SAFETY: the string is live.
        assert_eq!(unsafe { SysAddRefString(string) }, S_OK);
        assert_eq!(kinds(&session.finish()), [Kind::UnbalancedPin, Kind::Leak]);
        free(string);
        assert!(is_mapped(string.addr()), "it is pinned");
        // SAFETY: it was pinned once.
        unsafe { SysReleaseString(string) };
        assert!(!is_mapped(string.addr()));
    }
}
