//! The audit's sessions, threads and limits. Each kind of broken rule has its tests in `audit_kinds.rs`.

#![allow(clippy::multiple_unsafe_ops_per_block)] // Misuse reads best in one piece.

mod common;

use common::{free, kinds};
use portable_bstr::audit::{self, Action, Audited, Kind, Session};
use portable_bstr::backend::{Backend, Portable};
use portable_bstr::heap::{Global, Heap};
use portable_bstr::sys::*;
use portable_bstr::widestring::u16cstr;
use portable_bstr::{BSTR as Owned, BstrRef, bstr};
use std::ptr::{NonNull, null};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A string for a test to misuse.
#[track_caller]
fn ready() -> BSTR {
    // SAFETY: the literal ends with a NUL.
    unsafe { SysAllocString(u16cstr!("ready").as_ptr()) }
}

/// A string's byte `offset` bytes from its data, written to.
fn poke(string: BSTR, offset: isize, value: u8) {
    // SAFETY: tests stay within what the audit has put around its strings.
    let byte = unsafe { string.cast_mut().byte_offset(offset).cast::<u8>() };
    // SAFETY: as above.
    unsafe { byte.write(value) };
}

#[test]
fn a_pin_that_is_never_released_is_found_at_the_end() {
    let (string, report) = audit::run(|| {
        let string = ready();
        // SAFETY: the string is live.
        assert_eq!(unsafe { SysAddRefString(string) }, S_OK);
        free(string);
        // SAFETY: the pin keeps it.
        assert_eq!(unsafe { SysStringLen(string) }, 5);
        string
    });
    assert_eq!(kinds(&report), [Kind::UnbalancedPin]);
    // SAFETY: the pin still keeps it, and with this the last one goes.
    unsafe { SysReleaseString(string) };
}

#[test]
fn a_free_while_pinned_is_one_free_and_waits_for_the_release() {
    let ((), report) = audit::run(|| {
        let string = ready();
        // SAFETY: the string is live until the release.
        unsafe {
            assert_eq!(SysAddRefString(string), S_OK);
            SysFreeString(string);
            assert_eq!(SysStringLen(string), 5);
            SysReleaseString(string);
        }
        assert_eq!(kinds_of(|| free(string)), [], "it is the outer session's");
    });
    assert_eq!(kinds(&report), [Kind::DoubleFree]);
}

fn kinds_of(code: impl FnOnce()) -> Vec<Kind> {
    kinds(&audit::run(code).1)
}

/// Facts of a violation that a report has to have right.
#[test]
fn a_violation_tells_its_story() {
    let allocated = line!() + 2;
    let ((), report) = audit::run(|| {
        let string = ready();
        free(string);
        free(string);
    });
    let [violation] = report.violations() else {
        panic!("{report}");
    };
    let story: Vec<_> = violation.history().iter().collect();
    let actions: Vec<_> = story.iter().map(|event| event.action()).collect();
    assert_eq!(actions, [Action::Allocated, Action::Freed, Action::Freed]);
    for (event, line) in story.iter().zip(allocated..) {
        assert_eq!(event.location().file(), file!());
        assert_eq!(event.location().line(), line);
        assert_eq!(event.thread(), thread::current().name().unwrap_or_default());
    }
    assert_eq!(violation.text(), Some(r#""ready""#));
    assert_eq!(violation.byte_len(), Some(10));
    assert_eq!(violation.count(), 1);
    assert_eq!((report.stats().allocated(), report.stats().freed()), (1, 1));
}

#[test]
fn the_same_mistake_made_again_is_counted() {
    let (strings, report) = audit::run(|| [(); 7].map(|()| ready()));
    assert_eq!(kinds(&report), [Kind::Leak]);
    assert_eq!(report.violations()[0].count(), 7);
    strings.into_iter().for_each(free);
}

#[test]
fn leaks_come_in_the_order_of_allocation() {
    let (strings, report) = audit::run(|| {
        (
            Owned::from("first").into_raw(),
            Owned::from("second").into_raw(),
        )
    });
    let texts: Vec<_> = report.violations().iter().map(|leak| leak.text()).collect();
    assert_eq!(texts, [Some(r#""first""#), Some(r#""second""#)]);
    free(strings.0);
    free(strings.1);
}

#[test]
fn safe_strings_are_watched_as_well() {
    audit::check(|| {
        let mut string = Owned::from("ready");
        string += " and waiting";
        let copy = string.clone();
        string.put();
        assert_eq!(copy, "ready and waiting");
    });
    // A callee that takes a string over which it was only lent.
    let ((), report) = audit::run(|| {
        let text = Owned::from("ready");
        let borrowed = BstrRef::from(&text);
        // SAFETY: none: the string is not this code's to take.
        drop(unsafe { Owned::from_raw(borrowed.as_raw()) });
        assert_eq!(text.len(), 5);
    });
    assert_eq!(kinds(&report), [Kind::UseAfterFree, Kind::DoubleFree]);
}

#[test]
#[should_panic(expected = "error[leak]: a string was never freed")]
fn check_panics_with_the_report() {
    static KEPT: AtomicUsize = AtomicUsize::new(0);
    /// Frees the string after all, for leak detectors.
    struct Tidy;
    impl Drop for Tidy {
        fn drop(&mut self) {
            free(std::ptr::with_exposed_provenance(
                KEPT.load(Ordering::Relaxed),
            ));
        }
    }
    let _tidy = Tidy;
    audit::check(|| KEPT.store(ready().expose_provenance(), Ordering::Relaxed));
}

#[test]
fn check_returns_what_the_code_returns() {
    assert_eq!(audit::check(|| Owned::from("ready").len()), 5);
}

#[test]
fn sessions_side_by_side_never_see_each_other() {
    const STRINGS: usize = 500;
    thread::scope(|scope| {
        let threads: Vec<_> = (1..=4_usize)
            .map(|leaks| {
                scope.spawn(move || {
                    for _ in 0..20 {
                        let (left, report) = audit::run(|| {
                            for _ in 0..STRINGS {
                                free(ready());
                            }
                            let left: Vec<_> = (0..leaks).map(|_| ready()).collect();
                            left
                        });
                        assert_eq!(kinds(&report), [Kind::Leak]);
                        assert_eq!(report.violations()[0].count(), leaks);
                        let allocated = (STRINGS + leaks) as u64;
                        assert_eq!(report.stats().allocated(), allocated);
                        assert_eq!(report.stats().freed(), STRINGS as u64);
                        left.into_iter().for_each(free);
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

/// A raw string that may change threads.
struct Parcel(BSTR);
// SAFETY: a string may be used and freed on any thread.
unsafe impl Send for Parcel {}

impl Parcel {
    fn open(self) -> BSTR {
        self.0
    }
}

#[test]
fn a_thread_that_enters_is_watched() {
    let session = Session::builder().start();
    let handle = session.handle();
    let parcel = thread::Builder::new()
        .name("the other one".into())
        .spawn(move || {
            let _entered = handle.enter();
            Parcel(ready())
        });
    let string = parcel.unwrap().join().unwrap().open();
    let report = session.finish();
    assert_eq!(kinds(&report), [Kind::Leak]);
    assert_eq!(
        report.violations()[0].history()[0].thread(),
        "the other one"
    );
    assert!(
        !report.to_string().contains("on thread `"),
        "one thread needs no name"
    );
    free(string);
}

#[test]
fn a_string_may_be_freed_on_a_thread_that_never_entered() {
    audit::check(|| {
        let parcel = Parcel(ready());
        thread::spawn(move || free(parcel.open())).join().unwrap();
    });
    // And then its second free is known for what it is, on whichever thread.
    let ((), report) = audit::run(|| {
        let string = ready();
        free(string);
        let parcel = Parcel(string);
        thread::spawn(move || free(parcel.open())).join().unwrap();
    });
    assert_eq!(kinds(&report), [Kind::DoubleFree]);
    assert!(report.to_string().contains("on thread `"), "{report}");
}

#[test]
fn a_string_from_a_thread_that_never_entered_may_be_freed() {
    audit::check(|| {
        let parcel = thread::spawn(|| Parcel(ready())).join().unwrap();
        free(parcel.open());
        // Reallocated by it, freed here.
        let parcel = Parcel(ready());
        let parcel = thread::spawn(|| {
            let mut slot = parcel.open();
            // SAFETY: the string is live.
            assert_eq!(unsafe { SysReAllocStringLen(&mut slot, null(), 500) }, TRUE);
            Parcel(slot)
        });
        free(parcel.join().unwrap().open());
    });
}

#[test]
fn what_an_inner_session_leaves_alive_the_outer_one_knows() {
    audit::check(|| {
        let (string, report) = audit::run(ready);
        assert_eq!(kinds(&report), [Kind::Leak]);
        free(string);
    });
}

#[test]
fn an_inner_session_knows_the_outer_ones_strings() {
    audit::check(|| {
        let string = ready();
        audit::check(|| free(string));
    });
}

#[test]
fn sessions_may_end_in_any_order() {
    let first = Session::builder().start();
    let second = Session::builder().start();
    let string = ready();
    let report = first.finish();
    assert!(report.is_clean() && report.stats().allocated() == 0);
    free(string);
    second.finish().assert_clean();
}

/// Strings that are older than every session, which no ledger knows. In a process of its own, in which
/// nobody else has a session.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn strings_older_than_the_session() {
    if std::env::var_os("EMULATOR").is_some() {
        println!("skipped: the emulator's kernel does not copy memory");
        return;
    }
    if !common::is_alone("strings_older_than_the_session") {
        return;
    }
    let (freed, moved, twice, kept) = (ready(), ready(), ready(), ready());
    audit::check(|| {
        free(freed);
        let mut slot = moved;
        // SAFETY: the string is live.
        assert_eq!(unsafe { SysReAllocStringLen(&mut slot, null(), 500) }, TRUE);
        free(slot);
    });
    let twice_freed = kinds_of(|| {
        free(twice);
        free(twice);
    });
    assert_eq!(twice_freed, [Kind::NotABstr], "it is no string any more");
    // What only looks like one: a BSTR on the stack, at every alignment.
    #[repr(C, align(16))]
    struct OnTheStack([u32; 16]);
    let on_the_stack = OnTheStack([0; 16]);
    for word in 2..8 {
        let pointer = (&raw const on_the_stack.0[word]).cast();
        assert_eq!(kinds_of(|| free(pointer)), [Kind::NotABstr]);
    }
    free(kept);
}

/// With guard pages the processor itself stops what runs over a string's end, or uses a freed one. In a
/// process of its own, which that ends.
#[test]
#[cfg(unix)]
fn guard_pages_stop_the_very_instruction() {
    const CASE: &str = "PORTABLE_BSTR_TEST_CASE";
    const SURVIVED: &str = "survived";
    let session = || Session::builder().guard_pages().start();
    if let Some(case) = std::env::var_os(CASE) {
        let session = session();
        // 11 units and the NUL fill three words: the guard page begins right behind.
        let string = Owned::from("eleven long").into_raw();
        poke(string, 23, 0); // the terminator's last byte
        if case == "after the end" {
            poke(string, 24, 0x41);
        } else if case == "after a free" {
            free(string);
            // SAFETY: none; this is what is to fault.
            let _ = unsafe { string.read_volatile() };
        } else if case == "after the session" {
            assert_eq!(kinds(&session.finish()), [Kind::Leak]);
            free(string);
        } else {
            free(string);
            session.finish().assert_clean();
        }
        println!("{SURVIVED}");
        return;
    }
    for (case, survives) in [
        ("after the end", false),
        ("after a free", false),
        ("after the session", true),
        ("none", true),
    ] {
        let mut again = common::this_program();
        let again = again.args([
            "--exact",
            "guard_pages_stop_the_very_instruction",
            "--nocapture",
        ]);
        let output = again.env(CASE, case).output().unwrap();
        let survived = String::from_utf8_lossy(&output.stdout).contains(SURVIVED);
        assert_eq!(survived, survives, "{case}: {output:?}");
        assert_eq!(output.status.success(), survives, "{case}: {output:?}");
    }
    // Every other kind is found as ever, and what outlives the session can be used and freed.
    let session = session();
    let string = ready();
    free(string);
    free(string);
    // SAFETY: the length is the ledger's.
    assert_eq!(unsafe { SysStringLen(string) }, 5);
    let (left, moved) = (ready(), ready());
    let report = session.finish();
    let found = [Kind::DoubleFree, Kind::UseAfterFree, Kind::Leak, Kind::Leak];
    assert_eq!(kinds(&report), found, "{report}");
    assert_eq!(report.violations()[0].text(), Some(r#""ready""#));
    // SAFETY: the strings are live, and each is freed once.
    unsafe {
        assert_eq!(SysStringLen(left), 5);
        let mut slot = moved;
        assert_eq!(SysReAllocStringLen(&mut slot, moved, 500), TRUE);
        assert_eq!(SysStringLen(slot), 500);
        SysFreeString(slot);
        SysFreeString(left);
    }
}

#[test]
fn a_wrong_free_does_nothing_further() {
    let mut words = [7_u32; 16];
    kinds_of(|| free(words.as_mut_ptr().wrapping_add(4).cast()));
    assert_eq!(words, [7; 16]);
    let literal = bstr!("ready");
    kinds_of(|| free(literal.as_raw()));
    assert_eq!(literal, "ready");
}

/// Counts the bytes that are out.
struct Counting {
    bytes: AtomicUsize,
    most: AtomicUsize,
}

// SAFETY: every block comes from `Global` and goes back to it.
unsafe impl Heap for Counting {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        let now = self.bytes.fetch_add(size, Ordering::Relaxed) + size;
        self.most.fetch_max(now, Ordering::Relaxed);
        Global.allocate(size)
    }
    unsafe fn deallocate(&self, block: NonNull<u8>) {
        // SAFETY: the caller's block is `Global`'s.
        let size = unsafe { Global.usable_size(block) };
        self.bytes.fetch_sub(size, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { Global.deallocate(block) };
    }
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: the caller's block is `Global`'s.
        unsafe { Global.usable_size(block) }
    }
}

impl Counting {
    const fn new() -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }
}

#[test]
fn a_quarantine_stays_within_its_limit_and_gives_everything_back() {
    const LIMIT: usize = 1 << 18;
    static BACKEND: Portable<Counting> = Portable::new(Counting::new());
    let ole = OleAut::new(Audited::new(&BACKEND));
    let heap = BACKEND.heap();
    let session = Session::builder().quarantine(LIMIT).start();
    let mut total = 0;
    for units in [0, 1, 20, 300, 5000].into_iter().cycle() {
        if total > 10 * LIMIT {
            break;
        }
        // SAFETY: a NULL source has nothing to read.
        let string = unsafe { ole.SysAllocStringLen(null(), units) };
        total += units as usize * 2;
        // SAFETY: the string goes back to where it came from, once.
        unsafe { ole.SysFreeString(string) };
    }
    // One string is always out while it is in use.
    assert!(heap.most.load(Ordering::Relaxed) < LIMIT + 11_000);
    assert!(
        heap.bytes.load(Ordering::Relaxed) > LIMIT / 2,
        "there is a quarantine"
    );
    session.finish().assert_clean();
    assert_eq!(heap.bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn a_heap_of_ones_own_is_audited_as_well() {
    static BACKEND: Portable<Counting> = Portable::new(Counting::new());
    let ole = OleAut::new(Audited::new(&BACKEND));
    let (string, report) = audit::run(|| {
        // SAFETY: under audit a wrong free does nothing.
        unsafe {
            let freed = ole.SysAllocStringByteLen(b"abc".as_ptr(), 3);
            ole.SysFreeString(freed);
            ole.SysFreeString(freed);
            ole.SysAllocStringByteLen(b"abc".as_ptr(), 3)
        }
    });
    assert_eq!(kinds(&report), [Kind::DoubleFree, Kind::Leak]);
    // SAFETY: the string is live and goes back to where it came from.
    unsafe { ole.SysFreeString(string) };
    assert_eq!(BACKEND.heap().bytes.load(Ordering::Relaxed), 0);
}

/// What is not a call of the backend, but is asked of the audit, reaches it by a reference too.
#[test]
fn a_borrowed_audit_sees_as_much() {
    static BACKEND: Portable<Counting> = Portable::new(Counting::new());
    let audited = Audited::new(&BACKEND);
    let ole = OleAut::new(&audited);
    let ((), report) = audit::run(|| {
        // SAFETY: three units can be read, a NUL ends the copy, and each string is freed once.
        unsafe {
            let list = ole.SysAllocStringLen([0x61, 0, 0x62].as_ptr(), 3);
            ole.SysFreeString(ole.SysAllocString(list));
            ole.SysFreeString(list);
        }
    });
    assert_eq!(kinds(&report), [Kind::EmbeddedNul]);
}

#[test]
fn what_says_nothing_of_itself_says_its_name() {
    static BACKEND: Portable<Global> = Portable::new(Global);
    let printed = format!("{:?}", Audited::new(&BACKEND));
    assert!(printed.starts_with("Audited"), "{printed}");
    let printed = format!("{:?}", Session::builder().start());
    assert!(printed.contains("Shared { .. }"), "{printed}");
}

/// A string that its caller is to write is one like any other, for the audit and by a reference.
#[test]
fn a_string_to_be_written_is_watched() {
    static BACKEND: Portable<Counting> = Portable::new(Counting::new());
    let audited = Audited::new(&BACKEND);
    let (strings, report) = audit::run(|| {
        let direct = audited.allocate_unwritten(6);
        [direct, <&Audited>::allocate_unwritten(&&audited, 6)]
    });
    assert_eq!(report.stats().allocated(), 2);
    for string in strings {
        let string = string.expect("there is memory");
        // SAFETY: the string is live, and goes back to where it came from.
        unsafe {
            assert_eq!(audited.byte_len(string), 6);
            audited.free(string);
        }
    }
}

#[test]
fn limits_and_failures_are_answered_as_ever() {
    /// Has no memory at all.
    struct Empty;
    // SAFETY: no block is ever given out.
    unsafe impl Heap for Empty {
        fn allocate(&self, _: usize) -> Option<NonNull<u8>> {
            None
        }
        unsafe fn deallocate(&self, _: NonNull<u8>) {
            unreachable!("nothing was ever allocated")
        }
        unsafe fn usable_size(&self, _: NonNull<u8>) -> usize {
            unreachable!("nothing was ever allocated")
        }
    }
    static BACKEND: Portable<Empty> = Portable::new(Empty);
    let ole = OleAut::new(Audited::new(&BACKEND));
    audit::check(|| {
        for bytes in [0, 1, 0xFFFF_FFC0, 0xFFFF_FFE6, u32::MAX] {
            // SAFETY: a NULL source has nothing to read.
            assert!(unsafe { ole.SysAllocStringByteLen(null(), bytes) }.is_null());
        }
        // SAFETY: a NULL source has nothing to read.
        assert!(unsafe { SysAllocStringByteLen(null(), u32::MAX) }.is_null());
    });
}

/// A heap of a single block, which it gives out whenever it is asked: as if somebody else had released
/// it each time.
struct Single(std::cell::UnsafeCell<[u64; 100]>);

// SAFETY: the tests that use it do so on one thread at a time.
unsafe impl Sync for Single {}
// SAFETY: the block is aligned and stays. It is given out again without having been taken back, which
// is what the tests are about; they use one string at a time.
unsafe impl Heap for Single {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        NonNull::new(self.0.get().cast()).filter(|_| size <= 800)
    }
    unsafe fn deallocate(&self, _: NonNull<u8>) {}
    unsafe fn usable_size(&self, _: NonNull<u8>) -> usize {
        800
    }
}

/// A stranger's string where the session believes its own to be: the stranger's is what counts, and its
/// free touches no more than it.
#[test]
fn memory_released_behind_the_audit_may_be_a_strangers_next() {
    static BACKEND: Portable<Single> = Portable::new(Single(std::cell::UnsafeCell::new([0; 100])));
    let ole = OleAut::new(Audited::new(&BACKEND));
    let session = Session::builder().start();
    // SAFETY: a NULL source has nothing to read.
    let string = Parcel(unsafe { ole.SysAllocStringByteLen(null(), 400) });
    let address = string.0.addr();
    thread::spawn(move || {
        // SAFETY: eight bytes can be read.
        let strangers = unsafe { ole.SysAllocStringByteLen(b"stranger".as_ptr(), 8) };
        assert_eq!(strangers.addr(), address, "the single block");
        // SAFETY: the string goes back to where it came from.
        unsafe { ole.SysFreeString(strangers) };
    })
    .join()
    .unwrap();
    // SAFETY: the block is this test's.
    let byte = unsafe { BACKEND.heap().0.get().cast::<u8>().add(300).read() };
    assert_ne!(byte, 0xDD, "the stranger's string did not reach that far");
    let report = session.finish();
    assert_eq!(kinds(&report), [Kind::WrongDeallocator]);
    assert_eq!((report.stats().allocated(), report.stats().freed()), (1, 0));
}

/// The same of a string that the session has in quarantine, with the session's own next one.
#[test]
fn memory_released_from_quarantine_behind_the_audit_is_noticed() {
    static BACKEND: Portable<Single> = Portable::new(Single(std::cell::UnsafeCell::new([0; 100])));
    let ole = OleAut::new(Audited::new(&BACKEND));
    let session = Session::builder().start();
    for _ in 0..2 {
        // SAFETY: a NULL source has nothing to read; the string goes back to where it came from.
        unsafe { ole.SysFreeString(ole.SysAllocStringByteLen(null(), 400)) };
    }
    let report = session.finish();
    assert_eq!(kinds(&report), [Kind::WrongDeallocator]);
    assert_eq!((report.stats().allocated(), report.stats().freed()), (2, 2));
}

/// A callee's own string, lent on and freed twice, is freed twice and not kept.
#[test]
fn what_a_call_allocates_and_lends_on_it_did_not_keep() {
    let found = kinds_of(|| {
        audit::Call::new("outer").run(|| {
            let string = ready();
            audit::Call::new("inner").input(string).run(|| ());
            free(string);
            free(string);
        });
    });
    assert_eq!(found, [Kind::DoubleFree]);
}

/// More strings than a quarantine of the usual size holds.
const MANY: usize = 20_000;

/// When the quarantine is full, a string's memory becomes another's, and is looked at before that.
#[test]
fn a_write_into_memory_that_is_used_again_is_found() {
    let (was_used_again, report) = audit::run(|| {
        for _ in 0..MANY {
            free(ready());
        }
        let string = ready();
        free(string);
        poke(string, 2, 0x41);
        (0..MANY).any(|_| {
            let next = ready();
            free(next);
            next == string
        })
    });
    assert!(was_used_again);
    assert_eq!(kinds(&report), [Kind::UseAfterFree]);
}

/// Where strings have pages of their own, what is freed cannot be used again, however full the quarantine.
#[test]
#[cfg(unix)]
fn pages_are_never_used_again() {
    let quarantine = 16 << 20;
    let session = Session::builder().guard_pages().quarantine(quarantine);
    let session = session.start();
    for _ in 0..3000 {
        free(ready());
    }
    session.finish().assert_clean();
}

/// A string that was just freed is in quarantine, wherever it was and however small the quarantine is.
#[test]
fn every_string_gets_its_part_of_the_quarantine() {
    let session = Session::builder().quarantine(10_000).start();
    let strings: Vec<_> = (0..1000).map(|_| ready()).collect();
    for string in strings {
        free(string);
        free(string);
    }
    assert_eq!(kinds(&session.finish()), [Kind::DoubleFree]);
}

/// The same for a string with pages of its own that has outlived its session: behind its terminator is
/// the page that nobody may touch.
#[test]
#[cfg(unix)]
fn a_source_at_the_terminator_is_inside_a_string_with_pages() {
    let session = Session::builder().guard_pages().start();
    // SAFETY: five bytes can be read.
    let mut slot = unsafe { SysAllocStringByteLen(b"abcde".as_ptr(), 5) };
    assert_eq!(kinds(&session.finish()), [Kind::Leak]);
    let end = slot.wrapping_add(3);
    // SAFETY: the string is live, and its terminator inside it.
    assert_eq!(unsafe { SysReAllocStringLen(&mut slot, end, 100) }, TRUE);
    // SAFETY: the string is live and this test's.
    let string = unsafe { Owned::from_raw(slot) };
    assert_eq!(*string, [0; 100]);
}

/// The terminator of an odd count begins one byte behind the data, and still is the string's.
#[test]
fn a_source_at_the_terminator_is_inside_the_string() {
    for bytes in [4, 5] {
        for units in [1, 2, 100] {
            let (slot, _) = audit::run(|| {
                // SAFETY: so many bytes can be read.
                let mut slot = unsafe { SysAllocStringByteLen(b"abcde".as_ptr(), bytes) };
                let end = slot.wrapping_add(bytes.div_ceil(2) as usize);
                // SAFETY: the string is live, and its terminator inside it.
                assert_eq!(unsafe { SysReAllocStringLen(&mut slot, end, units) }, TRUE);
                slot
            });
            // SAFETY: the string is live and this test's.
            let string = unsafe { Owned::from_raw(slot) };
            assert_eq!(*string, vec![0; units as usize], "of {bytes} bytes");
        }
    }
}

/// Where a string was longer once, its old data lie behind the guard bytes, and together they look like
/// another string.
#[test]
fn a_pointer_into_the_guard_bytes_is_no_string_from_before() {
    // Behind the 14 bytes and their NUL, at offset 16, the last 8 of these would be a header that says 24
    // bytes; 24 bytes further on there are zeros.
    let units = [1, 1, 1, 1, 0, 0, 24];
    // SAFETY: the units can be read, and under audit a wrong free does nothing.
    let (string, report) = audit::run(|| unsafe {
        let mut string = SysAllocStringLen([0; 150].as_ptr(), 150);
        assert_eq!(SysReAllocStringLen(&mut string, units.as_ptr(), 7), TRUE);
        free(string.wrapping_byte_add(16));
        string
    });
    assert_eq!(kinds(&report), [Kind::MovedPointer, Kind::Leak], "{report}");
    free(string);
}

/// A string's memory ends behind its terminator and guard bytes, which are 16 bytes, and the terminator
/// that the backend writes.
#[test]
fn a_pointer_past_the_guard_bytes_is_in_no_string() {
    for (offset, kind) in [
        (1, Kind::MovedPointer),
        (10, Kind::MovedPointer),
        (24, Kind::MovedPointer),
        (27, Kind::MovedPointer),
        // Odd, so that it is no string's from before either, whatever lies there.
        (29, Kind::NotABstr),
    ] {
        let ((), report) = audit::run(|| {
            let string = ready();
            free(string.wrapping_byte_add(offset));
            free(string);
        });
        assert_eq!(kinds(&report), [kind], "{offset}");
    }
}
