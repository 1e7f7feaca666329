//! Each kind of broken rule: found where it was planted, and not found in the closest code that breaks
//! nothing.
//!
//! | # | kind | test |
//! |---|---|---|
//! | 1 | `Leak` | forgotten |
//! | 1 | `Leak` | forgotten on the way out of an error |
//! | 2 | `DoubleFree` | freed twice |
//! | 2 | `DoubleFree` | freed by its old and by its new owner |
//! | 3 | `UseAfterFree` | measured after the free |
//! | 3 | `UseAfterFree` | reallocated after the free |
//! | 3 | `UseAfterFree` | used where it was before it moved |
//! | 3 | `UseAfterFree` | written to after the free |
//! | 3 | `UseAfterFree` | pinned after the free |
//! | 3 | `UseAfterFree` | lent after the free |
//! | 3 | `UseAfterFree` | answered after the free |
//! | 4 | `NotABstr` | a NUL-terminated literal |
//! | 4 | `NotABstr` | a literal BSTR |
//! | 4 | `NotABstr` | another heap's memory |
//! | 4 | `NotABstr` | a variable never set |
//! | 5 | `MovedPointer` | freed one unit in |
//! | 5 | `MovedPointer` | reallocated at its terminator |
//! | 6 | `Overrun` | behind the terminator |
//! | 6 | `Overrun` | the terminator |
//! | 6 | `Overrun` | the last guard byte |
//! | 7 | `Underrun` | the length made larger |
//! | 7 | `Underrun` | the length made smaller |
//! | 8 | `InputFreed` | freed by the callee |
//! | 9 | `InputChanged` | written to by the callee |
//! | 9 | `InputChanged` | shortened by the callee |
//! | 9 | `InputChanged` | moved by the callee |
//! | 9 | `InputChanged` | reallocated by the callee as it was |
//! | 10 | `InputKept` | kept and read later |
//! | 10 | `InputKept` | kept and freed later |
//! | 11 | `OutputStillOwned` | the stored string itself |
//! | 11 | `OutputStillOwned` | an argument |
//! | 12 | `OutputForeign` | a literal answered |
//! | 12 | `OutputForeign` | a pointer into a string answered |
//! | 13 | `OutputOverwritten` | the variable held a string |
//! | 14 | `InOutNotFreed` | replaced and not freed |
//! | 14 | `InOutNotFreed` | set to NULL and not freed |
//! | 15 | `InOutNotReplaced` | freed and left there |
//! | 16 | `OutputAfterFailure` | an HRESULT that failed |
//! | 16 | `OutputAfterFailure` | a Result that failed |
//! | 17 | `OutputNotSet` | never set |
//! | 18 | `OutputTwice` | in two parameters |
//! | 18 | `OutputTwice` | by two calls |
//! | 19 | `AliasedSource` | from its middle |
//! | 19 | `AliasedSource` | from its start |
//! | 20 | `NullSlot` | `SysReAllocString` |
//! | 20 | `NullSlot` | `SysReAllocStringLen` |
//! | 20 | `NullSlot` | to more than a string can have |
//! | 21 | `SourceTooShort` | bytes taken for units |
//! | 21 | `SourceTooShort` | reallocated from a shorter one |
//! | 22 | `EmbeddedNul` | cut off at a NUL |
//! | 23 | `UnbalancedPin` | released without a pin |
//! | 23 | `UnbalancedPin` | pinned for good |
//! | 24 | `LiveResult` | the result over an operand |
//! | 25 | `WrongDeallocator` | released by the C library |
//! | 26 | `Uninitialized` | lent unwritten |
//! | 26 | `Uninitialized` | answered unwritten |
//! | 27 | `AllocationFailure` | taken for granted |

#![allow(clippy::multiple_unsafe_ops_per_block)] // Misuse reads best in one piece.

mod common;

use common::{free, kinds, wrong_free};
use portable_bstr::audit::{self, Action, Call, Kind, Outcome, Report, Session, Sweep};
use portable_bstr::sys::*;
use portable_bstr::widestring::{U16CStr, u16cstr};
use portable_bstr::{BSTR as Owned, bstr};
use std::cell::Cell;
use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{null, null_mut};
use std::thread;

/// The HRESULT of an unspecified failure.
const E_FAIL: HRESULT = 0x8000_4005_u32.cast_signed();

/// A new string.
#[track_caller]
fn string(text: &U16CStr) -> BSTR {
    // SAFETY: the text ends with a NUL.
    unsafe { SysAllocString(text.as_ptr()) }
}

/// A string for a test to misuse.
#[track_caller]
fn ready() -> BSTR {
    string(u16cstr!("ready"))
}

/// The length of a string, freed or not, which the audit knows in either case.
#[track_caller]
fn len(string: BSTR) -> u32 {
    // SAFETY: tests measure what the audit knows, and literals.
    unsafe { SysStringLen(string) }
}

/// A copy of a string.
#[track_caller]
fn copy(string: BSTR) -> BSTR {
    // SAFETY: the string is live, and has as many units as it says.
    unsafe { SysAllocStringLen(string, SysStringLen(string)) }
}

/// Reallocates the string in a variable, keeping what fits.
#[track_caller]
fn resize(slot: &mut BSTR, units: u32) -> BOOL {
    // SAFETY: under audit only a live string is changed.
    unsafe { SysReAllocStringLen(slot, null(), units) }
}

/// A string's byte `offset` bytes from its data, written to.
fn poke(string: BSTR, offset: isize, value: u8) {
    // SAFETY: tests stay within what the audit has put around its strings.
    let byte = unsafe { string.cast_mut().byte_offset(offset).cast::<u8>() };
    // SAFETY: as above.
    unsafe { byte.write(value) };
}

/// Calls `code` as a function with an \[in\] string.
#[track_caller]
fn call_in(name: &str, string: BSTR, code: impl FnOnce()) {
    Call::new(name).input(string).run(code);
}

/// Calls `code` as a function with an \[out\] parameter, and returns what it set it to.
#[track_caller]
fn call_out<R: Outcome>(name: &str, code: impl FnOnce(&mut BSTR) -> R) -> BSTR {
    let mut slot = null();
    let place = &raw mut slot;
    // SAFETY: the variable outlives the call, and is used through the pointer alone.
    let call = unsafe { Call::new(name).out(place) };
    // SAFETY: as above.
    call.run(|| code(unsafe { &mut *place }));
    slot
}

/// Calls `code` as a function with an \[in, out\] parameter, and returns what is there then.
#[track_caller]
fn call_inout<R: Outcome>(name: &str, string: BSTR, code: impl FnOnce(&mut BSTR) -> R) -> BSTR {
    let mut slot = string;
    let place = &raw mut slot;
    // SAFETY: the variable outlives the call, and is used through the pointer alone.
    let call = unsafe { Call::new(name).inout(place) };
    // SAFETY: as above.
    call.run(|| code(unsafe { &mut *place }));
    slot
}

fn kinds_of(code: impl FnOnce()) -> Vec<Kind> {
    kinds(&audit::run(code).1)
}

/// What was found, and what is left to free.
struct Found {
    kinds: Vec<Kind>,
    report: String,
    left: Vec<BSTR>,
}

/// Code that breaks a rule.
enum Planted {
    /// To be run under audit. Returns what is left to free.
    Code(fn() -> Vec<BSTR>),
    /// With an audit of its own. `None` where it cannot be seen on this machine.
    Whole(fn() -> Option<Found>),
}

/// One planted violation, and the closest code that breaks nothing.
struct Row {
    number: u8,
    name: &'static str,
    kind: Kind,
    planted: Planted,
    near_miss: fn(),
}

impl Found {
    fn new(report: &Report, left: Vec<BSTR>) -> Self {
        Self {
            kinds: kinds(report),
            report: report.to_string(),
            left,
        }
    }

    fn of_sweep(sweep: &Sweep) -> Self {
        let runs = sweep.runs().iter();
        Self {
            kinds: runs.flat_map(|run| kinds(run.report())).collect(),
            report: sweep.to_string(),
            left: vec![],
        }
    }
}

/// A string that is a list of two, with a NUL between them.
#[track_caller]
fn list() -> BSTR {
    const LIST: &[u16; 7] = &[0x6f, 0x6e, 0x65, 0, 0x74, 0x77, 0x6f];
    // SAFETY: seven units can be read.
    unsafe { SysAllocStringLen(LIST.as_ptr(), 7) }
}

/// A string that nobody has written to yet.
#[track_caller]
fn unwritten(units: u32) -> BSTR {
    // SAFETY: a NULL source has nothing to read.
    unsafe { SysAllocStringLen(null(), units) }
}

/// Calls `code` as a function with two \[out\] parameters.
#[track_caller]
fn answers(code: fn() -> [BSTR; 2]) -> [BSTR; 2] {
    let mut slots = [null(); 2];
    let first = (&raw mut slots).cast::<BSTR>();
    // SAFETY: the variables outlive the call, and are used through the pointers alone.
    unsafe {
        let second = first.add(1);
        let call = Call::new("get_Names").out(first).out(second);
        call.run(|| [*first, *second] = code());
    }
    slots
}

/// Joins a string to itself, and stores the result in a variable.
#[track_caller]
fn double(string: BSTR, result: &mut BSTR) {
    // SAFETY: the string is live.
    assert_eq!(unsafe { VarBstrCat(string, string, result) }, S_OK);
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

const fn row(
    number: u8,
    name: &'static str,
    kind: Kind,
    planted: fn() -> Vec<BSTR>,
    near_miss: fn(),
) -> Row {
    let planted = Planted::Code(planted);
    whole(number, name, kind, planted, near_miss)
}

const fn whole(
    number: u8,
    name: &'static str,
    kind: Kind,
    planted: Planted,
    near_miss: fn(),
) -> Row {
    Row {
        number,
        name,
        kind,
        planted,
        near_miss,
    }
}

static TABLE: &[Row] = &[
    row(
        1,
        "forgotten",
        Kind::Leak,
        || vec![ready()],
        || free(ready()),
    ),
    row(
        1,
        "forgotten on the way out of an error",
        Kind::Leak,
        || {
            let left = Cell::new(null());
            let parse = || -> Result<u32, std::num::ParseIntError> {
                left.set(ready());
                let number = "none".parse()?;
                free(left.get());
                Ok(number)
            };
            assert!(parse().is_err());
            vec![left.get()]
        },
        || {
            let parse = || -> Result<u32, std::num::ParseIntError> {
                let string = ready();
                let number = "none".parse();
                free(string);
                number
            };
            assert!(parse().is_err());
        },
    ),
    row(
        2,
        "freed twice",
        Kind::DoubleFree,
        || {
            let string = ready();
            free(string);
            free(string);
            vec![]
        },
        // The same address twice, but a different string each time.
        || {
            let session = Session::builder().quarantine(0).start();
            free(ready());
            free(ready());
            session.finish().assert_clean();
        },
    ),
    row(
        2,
        "freed by its old and by its new owner",
        Kind::DoubleFree,
        || {
            let old = Owned::from("ready");
            // SAFETY: none: the string is not given up by its old owner.
            drop(unsafe { Owned::from_raw(old.as_raw()) });
            vec![]
        },
        || {
            let old = Owned::from("ready");
            // SAFETY: the string is given up by its old owner.
            drop(unsafe { Owned::from_raw(old.into_raw()) });
        },
    ),
    row(
        3,
        "measured after the free",
        Kind::UseAfterFree,
        || {
            let string = ready();
            free(string);
            assert_eq!(len(string), 5, "what it was");
            vec![]
        },
        || {
            let string = ready();
            assert_eq!(len(string), 5);
            free(string);
        },
    ),
    row(
        3,
        "reallocated after the free",
        Kind::UseAfterFree,
        || {
            let string = ready();
            free(string);
            let mut slot = string;
            assert_eq!(resize(&mut slot, 3), FALSE);
            assert_eq!(slot, string, "untouched");
            vec![]
        },
        || {
            let mut slot = ready();
            assert_eq!(resize(&mut slot, 3), TRUE);
            free(slot);
        },
    ),
    row(
        3,
        "used where it was before it moved",
        Kind::UseAfterFree,
        || {
            let old = ready();
            let mut slot = old;
            assert_eq!(resize(&mut slot, 500), TRUE);
            assert_ne!(slot, old, "a string that grows under audit moves");
            assert_eq!(len(old), 5);
            free(slot);
            vec![]
        },
        || {
            let mut slot = ready();
            assert_eq!(resize(&mut slot, 500), TRUE);
            assert_eq!(len(slot), 500);
            free(slot);
        },
    ),
    row(
        3,
        "written to after the free",
        Kind::UseAfterFree,
        || {
            let string = ready();
            free(string);
            poke(string, 4, 0x41);
            vec![]
        },
        || {
            let string = ready();
            poke(string, 4, 0x41);
            free(string);
        },
    ),
    row(
        3,
        "pinned after the free",
        Kind::UseAfterFree,
        || {
            let string = ready();
            free(string);
            // SAFETY: its memory is in quarantine, and the audit does not pin it.
            unsafe { SysAddRefString(string) };
            vec![]
        },
        // A pin keeps a string for whoever has it, but for its owner it is gone.
        || {
            let string = ready();
            // SAFETY: the pin keeps the string until it is released.
            unsafe {
                assert_eq!(SysAddRefString(string), S_OK);
                free(string);
                assert_eq!(len(string), 5);
                SysReleaseString(string);
            }
        },
    ),
    row(
        3,
        "lent after the free",
        Kind::UseAfterFree,
        || {
            let string = ready();
            free(string);
            call_in("put_StatusText", string, || {});
            vec![]
        },
        || {
            let string = ready();
            call_in("put_StatusText", string, || {});
            free(string);
        },
    ),
    row(
        3,
        "answered after the free",
        Kind::UseAfterFree,
        || {
            call_out("get_StatusText", |out| {
                *out = ready();
                free(*out);
            });
            vec![]
        },
        || {
            let answer = call_out("get_StatusText", |out| *out = ready());
            free(answer);
        },
    ),
    row(
        4,
        "a NUL-terminated literal",
        Kind::NotABstr,
        || {
            free(u16cstr!("a literal").as_ptr());
            vec![]
        },
        || free(null()),
    ),
    row(
        4,
        "a literal BSTR",
        Kind::NotABstr,
        || {
            free(bstr!("a BSTR in static memory").as_raw());
            vec![]
        },
        || drop(bstr!("a BSTR in static memory").clone()),
    ),
    row(
        4,
        "another heap's memory",
        Kind::NotABstr,
        || {
            let block = Box::new([0_u64; 8]);
            free(block.as_ptr().cast());
            vec![]
        },
        // Not freed, only read: short [in] strings lie on their callers' stacks.
        || {
            #[repr(C)]
            struct OnTheStack(u32, [u16; 2]);
            let on_the_stack = OnTheStack(4, [0x61, 0x62]);
            // SAFETY: the field lies behind the length.
            let data = unsafe { (&raw const on_the_stack).byte_add(4) };
            assert_eq!(len(data.cast()), 2);
            call_in("put_StatusText", data.cast(), || {});
        },
    ),
    row(
        4,
        "a variable never set",
        Kind::NotABstr,
        || {
            let mut slot: BSTR = std::ptr::without_provenance(0x6b6b_6b68);
            // SAFETY: under audit nothing foreign is touched.
            let result = unsafe { SysReAllocString(&mut slot, u16cstr!("done").as_ptr()) };
            assert_eq!(result, FALSE);
            vec![]
        },
        || {
            let mut slot: BSTR = null();
            // SAFETY: NULL is replaced by a new string.
            let result = unsafe { SysReAllocString(&mut slot, u16cstr!("done").as_ptr()) };
            assert_eq!(result, TRUE);
            free(slot);
        },
    ),
    row(
        5,
        "freed one unit in",
        Kind::MovedPointer,
        || {
            let string = ready();
            free(string.wrapping_add(1));
            free(string);
            vec![]
        },
        // Behind the terminator begins what is not the string's, here the guard.
        || {
            let string = ready();
            assert_eq!(kinds_of(|| free(string.wrapping_add(6))), [Kind::NotABstr]);
            free(string);
        },
    ),
    row(
        5,
        "reallocated at its terminator",
        Kind::MovedPointer,
        || {
            let string = ready();
            let mut slot = string.wrapping_add(5);
            assert_eq!(resize(&mut slot, 1), FALSE);
            free(string);
            vec![]
        },
        || {
            let string = ready();
            let mut walker = string;
            // SAFETY: the string ends with a NUL.
            while unsafe { walker.read() } != 0 {
                walker = walker.wrapping_add(1);
            }
            free(string);
        },
    ),
    row(
        6,
        "behind the terminator",
        Kind::Overrun,
        || {
            let string = ready();
            poke(string, 12, 0x41);
            free(string);
            vec![]
        },
        || {
            let string = ready();
            poke(string, 9, 0x41); // the last byte of the data
            free(string);
        },
    ),
    row(
        6,
        "the terminator",
        Kind::Overrun,
        || {
            let string = ready();
            poke(string, 10, 0x41);
            free(string);
            vec![]
        },
        || {
            let string = ready();
            poke(string, 10, 0); // by another one
            free(string);
        },
    ),
    row(
        6,
        "the last guard byte",
        Kind::Overrun,
        // Seen by the reallocation, after which all is well.
        || {
            let mut string = ready();
            poke(string, 25, 0x41);
            assert_eq!(resize(&mut string, 2), TRUE);
            free(string);
            vec![]
        },
        || {
            let mut string = ready();
            assert_eq!(resize(&mut string, 2), TRUE);
            poke(string, 3, 0x41); // the last byte of what it is now
            free(string);
        },
    ),
    row(
        7,
        "the length made larger",
        Kind::Underrun,
        || {
            let string = ready();
            poke(string, -4, 4);
            poke(string, -1, 4);
            free(string);
            vec![]
        },
        || {
            let mut slot = ready();
            assert_eq!(resize(&mut slot, 50), TRUE);
            free(slot);
        },
    ),
    row(
        7,
        "the length made smaller",
        Kind::Underrun,
        || {
            let string = ready();
            for (offset, byte) in (-4..).zip(4_u32.to_ne_bytes()) {
                poke(string, offset, byte);
            }
            assert_eq!(len(string), 2);
            free(string);
            vec![]
        },
        || {
            let mut slot = ready();
            assert_eq!(resize(&mut slot, 2), TRUE);
            free(slot);
        },
    ),
    row(
        8,
        "freed by the callee",
        Kind::InputFreed,
        || {
            let string = ready();
            call_in("put_StatusText", string, || free(string));
            vec![]
        },
        // What the callee frees is its own copy.
        || {
            let string = ready();
            call_in("put_StatusText", string, || free(copy(string)));
            free(string);
        },
    ),
    row(
        9,
        "written to by the callee",
        Kind::InputChanged,
        || {
            let string = ready();
            call_in("put_StatusText", string, || poke(string, 0, 0x52));
            free(string);
            vec![]
        },
        || {
            let string = ready();
            poke(string, 0, 0x52); // by its owner, before the call
            call_in("put_StatusText", string, || {
                let own = copy(string);
                poke(own, 0, 0x72);
                free(own);
            });
            free(string);
        },
    ),
    row(
        9,
        "shortened by the callee",
        Kind::InputChanged,
        || {
            let string = ready();
            call_in("put_StatusText", string, || {
                let mut slot = string;
                assert_eq!(resize(&mut slot, 3), TRUE);
            });
            free(string);
            vec![]
        },
        || {
            let string = call_inout("put_StatusText", ready(), |text| {
                assert_eq!(resize(text, 3), TRUE);
            });
            free(string);
        },
    ),
    row(
        9,
        "moved by the callee",
        Kind::InputChanged,
        || {
            let string = ready();
            let mut slot = string;
            call_in("put_StatusText", string, || {
                assert_eq!(resize(&mut slot, 500), TRUE);
            });
            free(slot);
            vec![]
        },
        || {
            let string = call_inout("put_StatusText", ready(), |text| {
                assert_eq!(resize(text, 500), TRUE);
            });
            free(string);
        },
    ),
    row(
        9,
        "reallocated by the callee as it was",
        Kind::InputChanged,
        || {
            let string = ready();
            call_in("put_StatusText", string, || {
                let mut slot = string;
                assert_eq!(resize(&mut slot, 5), TRUE);
            });
            free(string);
            vec![]
        },
        // By its owner, between two calls.
        || {
            let mut string = ready();
            call_in("put_StatusText", string, || {});
            assert_eq!(resize(&mut string, 5), TRUE);
            call_in("put_StatusText", string, || {});
            free(string);
        },
    ),
    row(
        10,
        "kept and read later",
        Kind::InputKept,
        || {
            let kept = Cell::new(null());
            let string = ready();
            call_in("put_StatusText", string, || kept.set(string));
            free(string);
            call_in("Refresh", null(), || {
                assert_eq!(len(kept.get()), 5);
            });
            vec![]
        },
        || {
            let kept = Cell::new(null());
            let string = ready();
            call_in("put_StatusText", string, || kept.set(copy(string)));
            free(string);
            call_in("Refresh", null(), || {
                assert_eq!(len(kept.get()), 5);
            });
            free(kept.get());
        },
    ),
    row(
        10,
        "kept and freed later",
        Kind::InputKept,
        || {
            let kept = Cell::new(null());
            let string = ready();
            call_in("put_StatusText", string, || kept.set(string));
            free(string);
            call_in("Release", null(), || free(kept.get()));
            vec![]
        },
        // Used again by the callee while its owner lends it again.
        || {
            let kept = Cell::new(null());
            let string = ready();
            call_in("put_StatusText", string, || kept.set(string));
            call_in("Compare", string, || assert_eq!(len(kept.get()), 5));
            free(string);
        },
    ),
    row(
        11,
        "the stored string itself",
        Kind::OutputStillOwned,
        || {
            let stored = ready();
            let answer = call_out("get_StatusText", |out| *out = stored);
            assert_eq!(answer, stored);
            free(stored);
            vec![]
        },
        || {
            let stored = ready();
            free(call_out("get_StatusText", |out| *out = copy(stored)));
            free(stored);
        },
    ),
    row(
        11,
        "an argument",
        Kind::OutputStillOwned,
        || {
            let string = ready();
            let mut slot = null();
            let place = &raw mut slot;
            // SAFETY: the variable outlives the call, and is used through the pointer alone.
            unsafe {
                let call = Call::new("Trim").input(string).out(place);
                call.run(|| *place = string);
            }
            free(slot);
            vec![]
        },
        || {
            let string = ready();
            let mut slot = null();
            let place = &raw mut slot;
            // SAFETY: the variable outlives the call, and is used through the pointer alone.
            unsafe {
                let call = Call::new("Trim").input(string).out(place);
                call.run(|| *place = copy(string));
            }
            free(slot);
            free(string);
        },
    ),
    row(
        12,
        "a literal answered",
        Kind::OutputForeign,
        || {
            call_out("get_StatusText", |out| *out = bstr!("ready").as_raw());
            vec![]
        },
        || free(call_out("get_StatusText", |out| *out = ready())),
    ),
    row(
        12,
        "a pointer into a string answered",
        Kind::OutputForeign,
        || {
            let line = string(u16cstr!("status: ready"));
            call_out("get_StatusText", |out| *out = line.wrapping_add(8));
            free(line);
            vec![]
        },
        // A string from a thread that nobody watches is one all the same.
        || {
            let answer = thread::spawn(|| Parcel(ready())).join().unwrap().open();
            free(call_out("get_StatusText", |out| *out = answer));
        },
    ),
    row(
        13,
        "the variable held a string",
        Kind::OutputOverwritten,
        || {
            let old = ready();
            let mut slot = old;
            let place = &raw mut slot;
            // SAFETY: the variable outlives the call, and is used through the pointer alone.
            unsafe {
                let call = Call::new("get_StatusText").out(place);
                call.run(|| *place = ready());
            }
            free(slot);
            free(old);
            vec![]
        },
        // It was freed, and the variable still says so.
        || {
            let mut slot = ready();
            free(slot);
            let place = &raw mut slot;
            // SAFETY: the variable outlives the call, and is used through the pointer alone.
            unsafe {
                let call = Call::new("get_StatusText").out(place);
                call.run(|| *place = ready());
            }
            free(slot);
        },
    ),
    row(
        14,
        "replaced and not freed",
        Kind::InOutNotFreed,
        || {
            let old = ready();
            let new = call_inout("Translate", old, |text| *text = ready());
            free(new);
            free(old);
            vec![]
        },
        || {
            let new = call_inout("Translate", ready(), |text| {
                free(*text);
                *text = ready();
            });
            free(new);
        },
    ),
    row(
        14,
        "set to NULL and not freed",
        Kind::InOutNotFreed,
        || {
            let old = ready();
            assert!(call_inout("Clear", old, |text| *text = null()).is_null());
            free(old);
            vec![]
        },
        || {
            let new = call_inout("Clear", ready(), |text| free(replace(text, null())));
            assert!(new.is_null());
        },
    ),
    row(
        15,
        "freed and left there",
        Kind::InOutNotReplaced,
        || {
            call_inout("Clear", ready(), |text| free(*text));
            vec![]
        },
        // A callee that fails leaves it as it is.
        || free(call_inout("Clear", ready(), |_| E_FAIL)),
    ),
    row(
        16,
        "an HRESULT that failed",
        Kind::OutputAfterFailure,
        || {
            let answer = call_out("get_StatusText", |out| {
                *out = ready();
                E_FAIL
            });
            free(answer);
            vec![]
        },
        || {
            let answer = call_out("get_StatusText", |out| {
                *out = null();
                E_FAIL
            });
            assert!(answer.is_null());
        },
    ),
    row(
        16,
        "a Result that failed",
        Kind::OutputAfterFailure,
        || {
            let answer = call_out("get_StatusText", |out| {
                *out = ready();
                Err::<(), _>("no status")
            });
            free(answer);
            vec![]
        },
        || {
            let answer = call_out("get_StatusText", |out| {
                *out = ready();
                Ok::<_, &str>(())
            });
            free(answer);
        },
    ),
    row(
        17,
        "never set",
        Kind::OutputNotSet,
        || {
            assert!(call_out("get_StatusText", |_| S_OK).is_null(), "as before");
            vec![]
        },
        || assert!(call_out("get_StatusText", |out| *out = null()).is_null()),
    ),
    row(
        18,
        "in two parameters",
        Kind::OutputTwice,
        || {
            free(answers(|| [ready(); 2])[0]);
            vec![]
        },
        || answers(|| [ready(), ready()]).into_iter().for_each(free),
    ),
    row(
        18,
        "by two calls",
        Kind::OutputTwice,
        || {
            let shared = Cell::new(null());
            let first = call_out("get_StatusText", |out| {
                shared.set(ready());
                *out = shared.get();
            });
            let second = call_out("get_StatusText", |out| *out = shared.get());
            assert_eq!(first, second);
            free(first);
            vec![]
        },
        || {
            let first = call_out("get_StatusText", |out| *out = ready());
            let second = call_out("get_StatusText", |out| *out = copy(first));
            free(first);
            free(second);
        },
    ),
    row(
        19,
        "from its middle",
        Kind::AliasedSource,
        || {
            let mut slot = string(u16cstr!("status: ready"));
            let source = slot.wrapping_add(8);
            // SAFETY: the source ends with a NUL. That it lies in the string is what this is about.
            assert_eq!(unsafe { SysReAllocString(&mut slot, source) }, TRUE);
            assert_eq!(len(slot), 5, "all the same");
            free(slot);
            vec![]
        },
        || {
            let mut slot = string(u16cstr!("status: ready"));
            let source = slot.wrapping_add(8);
            // SAFETY: five units can be read there.
            assert_eq!(unsafe { SysReAllocStringLen(&mut slot, source, 5) }, TRUE);
            assert_eq!(len(slot), 5);
            free(slot);
        },
    ),
    row(
        19,
        "from its start",
        Kind::AliasedSource,
        || {
            let mut slot = ready();
            let source = slot;
            // SAFETY: as above.
            assert_eq!(unsafe { SysReAllocString(&mut slot, source) }, TRUE);
            free(slot);
            vec![]
        },
        || {
            let mut slot = ready();
            let source = ready();
            // SAFETY: the source is a string of its own.
            assert_eq!(unsafe { SysReAllocString(&mut slot, source) }, TRUE);
            free(slot);
            free(source);
        },
    ),
    row(
        20,
        "`SysReAllocString`",
        Kind::NullSlot,
        || {
            // SAFETY: without a place for the string nothing happens.
            let result = unsafe { SysReAllocString(null_mut(), u16cstr!("ready").as_ptr()) };
            assert_eq!(result, FALSE);
            vec![]
        },
        || {
            let mut slot = ready();
            // SAFETY: the string is live; a NULL source frees it.
            assert_eq!(unsafe { SysReAllocString(&mut slot, null()) }, TRUE);
            assert!(slot.is_null());
        },
    ),
    row(
        20,
        "`SysReAllocStringLen`",
        Kind::NullSlot,
        || {
            // SAFETY: without a place for the string nothing happens.
            assert_eq!(unsafe { SysReAllocStringLen(null_mut(), null(), 5) }, FALSE);
            vec![]
        },
        || {
            let mut slot = null();
            assert_eq!(resize(&mut slot, 5), TRUE);
            free(slot);
        },
    ),
    row(
        20,
        "to more than a string can have",
        Kind::NullSlot,
        || {
            // SAFETY: without a place for the string nothing happens.
            let result = unsafe { SysReAllocStringLen(null_mut(), null(), u32::MAX) };
            assert_eq!(result, FALSE);
            vec![]
        },
        || {
            let mut slot = null();
            assert_eq!(resize(&mut slot, u32::MAX), FALSE);
        },
    ),
    row(
        21,
        "bytes taken for units",
        Kind::SourceTooShort,
        || {
            let source = ready();
            // SAFETY: under audit no more is read than there is.
            let copy = unsafe { SysAllocStringLen(source, SysStringByteLen(source)) };
            assert_eq!(len(copy), 10);
            free(copy);
            free(source);
            vec![]
        },
        // The NUL behind it is its own.
        || {
            let source = ready();
            // SAFETY: a NUL stands behind the string.
            let copy = unsafe { SysAllocStringLen(source, len(source) + 1) };
            free(copy);
            free(source);
        },
    ),
    row(
        21,
        "reallocated from a shorter one",
        Kind::SourceTooShort,
        || {
            let source = ready();
            let mut slot = string(u16cstr!("a long text"));
            // SAFETY: under audit no more is read than there is.
            assert_eq!(unsafe { SysReAllocStringLen(&mut slot, source, 7) }, TRUE);
            free(slot);
            free(source);
            vec![]
        },
        || {
            let source = string(u16cstr!("a long text"));
            let mut slot = ready();
            // SAFETY: seven units can be read there.
            assert_eq!(unsafe { SysReAllocStringLen(&mut slot, source, 7) }, TRUE);
            free(slot);
            free(source);
        },
    ),
    row(
        22,
        "cut off at a NUL",
        Kind::EmbeddedNul,
        || {
            let list = list();
            // SAFETY: the string ends with a NUL, but not with its first one.
            let cut = unsafe { SysAllocString(list) };
            assert_eq!(len(cut), 3);
            free(cut);
            free(list);
            vec![]
        },
        || {
            let list = list();
            let copy = copy(list);
            assert_eq!(len(copy), 7);
            // SAFETY: behind its first NUL the string has no other but the last.
            free(unsafe { SysAllocString(copy.add(4)) });
            free(copy);
            free(list);
            let plain = ready();
            // SAFETY: the string ends with a NUL.
            free(unsafe { SysAllocString(plain) });
            free(plain);
        },
    ),
    row(
        23,
        "released without a pin",
        Kind::UnbalancedPin,
        || {
            let string = ready();
            // SAFETY: the string is live, and no pin is what this is about.
            unsafe { SysReleaseString(string) };
            free(string);
            vec![]
        },
        || {
            let string = ready();
            // SAFETY: the string is live, and its pins are released.
            unsafe {
                assert_eq!(SysAddRefString(string), S_OK);
                assert_eq!(SysAddRefString(string), S_OK);
                SysReleaseString(string);
                SysReleaseString(string);
            }
            free(string);
        },
    ),
    whole(
        23,
        "pinned for good",
        Kind::UnbalancedPin,
        Planted::Whole(|| {
            let (string, report) = audit::run(|| {
                let string = ready();
                // SAFETY: the string is live.
                assert_eq!(unsafe { SysAddRefString(string) }, S_OK);
                free(string);
                string
            });
            // SAFETY: the pin still keeps it, and with this the last one goes.
            unsafe { SysReleaseString(string) };
            Some(Found::new(&report, vec![]))
        }),
        || {
            let string = ready();
            // SAFETY: the pin keeps the string until it is released.
            unsafe {
                assert_eq!(SysAddRefString(string), S_OK);
                free(string);
                SysReleaseString(string);
            }
        },
    ),
    row(
        24,
        "the result over an operand",
        Kind::LiveResult,
        || {
            let operand = ready();
            let mut result = operand;
            double(operand, &mut result);
            free(result);
            free(operand);
            vec![]
        },
        || {
            let operand = ready();
            let mut result = null();
            double(operand, &mut result);
            free(result);
            // It was freed, and the variable still says so.
            double(operand, &mut result);
            free(result);
            free(operand);
        },
    ),
    whole(
        25,
        "released by the C library",
        Kind::WrongDeallocator,
        Planted::Whole(|| {
            if !wrong_free::can_be_seen() {
                return None;
            }
            let session = Session::builder().start();
            // Of a size that nothing else here has.
            // SAFETY: a NULL source has nothing to read.
            let string = unsafe { SysAllocStringByteLen(null(), 900) };
            // SAFETY: the string is live, and not used again.
            let Some(again) = (unsafe { wrong_free::free_until_it_comes_back(string, 900) }) else {
                // At its end the session would look at memory that is gone.
                session.detach();
                return None;
            };
            free(again);
            Some(Found::new(&session.finish(), vec![]))
        }),
        // Its memory comes back as well, by the right way.
        || {
            let session = Session::builder().quarantine(0).start();
            for _ in 0..100 {
                // SAFETY: a NULL source has nothing to read.
                free(unsafe { SysAllocStringByteLen(null(), 900) });
            }
            session.finish().assert_clean();
        },
    ),
    row(
        26,
        "lent unwritten",
        Kind::Uninitialized,
        || {
            let string = unwritten(5);
            call_in("put_StatusText", string, || {});
            free(string);
            vec![]
        },
        || {
            let string = unwritten(5);
            poke(string, 9, 0x41); // one byte, the last
            call_in("put_StatusText", string, || {});
            free(string);
            let empty = unwritten(0);
            call_in("put_StatusText", empty, || {});
            free(empty);
        },
    ),
    row(
        26,
        "answered unwritten",
        Kind::Uninitialized,
        || {
            free(call_out("get_StatusText", |out| *out = unwritten(5)));
            vec![]
        },
        || {
            let answer = call_out("get_StatusText", |out| {
                *out = unwritten(5);
                poke(*out, 0, 0x41);
            });
            free(answer);
        },
    ),
    whole(
        27,
        "taken for granted",
        Kind::AllocationFailure,
        Planted::Whole(|| {
            let sweep = audit::sweep(|| {
                // SAFETY: a NULL source has nothing to read.
                let string = unsafe { SysAllocStringLen(null(), 5) };
                if string.is_null() {
                    resume_unwind(Box::new("no string")); // a panic, without a message
                }
                free(string);
            });
            Some(Found::of_sweep(&sweep))
        }),
        || {
            let sweep = audit::sweep(|| {
                // SAFETY: a NULL source has nothing to read.
                let string = unsafe { SysAllocStringLen(null(), 5) };
                if string.is_null() {
                    return E_OUTOFMEMORY;
                }
                free(string);
                S_OK
            });
            sweep.assert_clean();
            assert_eq!(sweep.runs().len(), 2);
        },
    ),
];

/// Runs code that breaks a rule, frees what is left, and returns what was found.
fn found_in(row: &Row) -> Option<Found> {
    let mut found = match row.planted {
        Planted::Code(code) => {
            let (left, report) = audit::run(code);
            Found::new(&report, left)
        }
        Planted::Whole(code) => code()?,
    };
    found.left.drain(..).for_each(free);
    Some(found)
}

#[test]
fn every_planted_violation_is_found_and_nothing_else() {
    for row in TABLE {
        match found_in(row) {
            Some(found) => {
                assert_eq!(found.kinds, [row.kind], "{}:\n{}", row.name, found.report);
                assert!(
                    !found.report.contains(" times)"),
                    "{}:\n{}",
                    row.name,
                    found.report
                );
            }
            None => println!("skipped, for it cannot be seen here: {}", row.name),
        }
    }
}

#[test]
fn every_near_miss_is_clean() {
    for row in TABLE {
        let ((), report) = audit::run(row.near_miss);
        assert!(report.is_clean(), "{}:\n{report}", row.name);
    }
}

/// The rows below its head of a Markdown table in comments that begin with `prefix`.
fn rows_of<'a>(source: &'a str, prefix: &str) -> Vec<Vec<&'a str>> {
    let lines = source.lines().map(str::trim_start);
    let rows = lines.filter_map(|line| line.strip_prefix(prefix)?.strip_prefix(" | "));
    let cells = |row: &'a str| {
        row.trim_end_matches('|')
            .split(" | ")
            .map(str::trim)
            .collect()
    };
    rows.skip(1).map(cells).collect()
}

#[test]
fn the_list_above_is_what_is_tested() {
    let listed = rows_of(include_str!("audit_kinds.rs"), "//!");
    let tested = TABLE.iter().map(|row| {
        let kind = format!("`{:?}`", row.kind);
        [row.number.to_string(), kind, row.name.to_string()]
    });
    assert_eq!(listed, tested.collect::<Vec<_>>());
}

#[test]
fn every_kind_is_tested() {
    let source = include_str!("../src/audit/kind.rs");
    let (_, body) = source.split_once("pub enum Kind {").unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let lines = body.lines().map(str::trim);
    let variants: Vec<_> = lines.filter_map(|line| line.strip_suffix(',')).collect();
    let variants: Vec<_> = variants
        .into_iter()
        .filter(|line| !line.starts_with("//"))
        .collect();
    assert!(variants.len() >= 27, "{variants:?}");
    let mut tested: Vec<_> = TABLE.iter().map(|row| format!("{:?}", row.kind)).collect();
    tested.dedup();
    assert_eq!(tested, variants);
    // The numbers are those of the documentation's table.
    let documented = rows_of(source, "///");
    let numbers = documented
        .iter()
        .map(|cells| (cells[0].to_string(), cells[1]));
    for (number, kind) in numbers {
        let name = kind.trim_start_matches("[`").split('`').next().unwrap();
        let mut rows = TABLE.iter().filter(|row| format!("{:?}", row.kind) == name);
        assert!(rows.all(|row| row.number.to_string() == number), "{kind}");
    }
    assert_eq!(documented.len(), variants.len());
}

#[test]
fn names_are_names_and_pages_are_addresses() {
    let mut names: Vec<_> = TABLE.iter().map(|row| row.kind.name()).collect();
    names.dedup();
    let many = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), many, "no two kinds have one name");
    for row in TABLE {
        let kind = row.kind;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        assert!(kind.name().bytes().all(is_plain), "{kind}");
        assert_eq!(kind.to_string(), kind.name());
        for sentence in [kind.summary(), kind.help()] {
            assert!(
                !sentence.ends_with('.') && !sentence.contains("  "),
                "{kind}: {sentence}"
            );
        }
        assert!(
            kind.link().starts_with("https://learn.microsoft.com/"),
            "{kind}"
        );
    }
}

/// What happened to the string of a violation, and in which call.
fn story(violation: &audit::Violation) -> Vec<(Action, Option<&str>)> {
    let events = violation.history().iter();
    events.map(|event| (event.action(), event.call())).collect()
}

/// What a call frees again without ever having been lent it, it did not keep from an earlier one.
#[test]
fn what_was_never_lent_was_not_kept() {
    let ((), report) = audit::run(|| {
        let string = ready();
        free(string);
        call_in("Release", null(), || free(string));
    });
    assert_eq!(kinds(&report), [Kind::DoubleFree]);
}

#[test]
fn a_second_free_tells_of_the_call_that_freed_first() {
    let ((), report) = audit::run(|| {
        let string = ready();
        call_in("put_StatusText", string, || free(string));
        free(string);
    });
    assert_eq!(kinds(&report), [Kind::InputFreed, Kind::DoubleFree]);
    let call = Some("put_StatusText");
    let begin = [
        (Action::Allocated, None),
        (Action::Lent, call),
        (Action::Freed, call),
    ];
    assert_eq!(story(&report.violations()[0]), begin);
    let again = [(Action::Freed, None)];
    assert_eq!(
        story(&report.violations()[1]),
        [&begin[..], &again].concat()
    );
    let text = report.to_string();
    assert!(text.contains("lent to `put_StatusText` here"), "{text}");
    assert!(text.contains("freed here, in `put_StatusText`"), "{text}");
}

#[test]
fn a_callee_that_frees_its_argument_twice_has_not_kept_it() {
    let ((), report) = audit::run(|| {
        let string = ready();
        call_in("put_StatusText", string, || {
            free(string);
            free(string);
        });
    });
    assert_eq!(kinds(&report), [Kind::DoubleFree, Kind::InputFreed]);
}

#[test]
fn a_string_may_break_two_rules_with_one_story() {
    let (string, report) = audit::run(|| {
        let string = ready();
        poke(string, 10, 0x41);
        string
    });
    assert_eq!(kinds(&report), [Kind::Overrun, Kind::Leak]);
    for violation in report.violations() {
        assert_eq!(story(violation), [(Action::Allocated, None)]);
    }
    free(string);
}

#[test]
fn a_leak_tells_of_the_call_that_handed_it_over() {
    let (string, report) = audit::run(|| {
        let answer = call_out("get_StatusText", |out| *out = ready());
        call_in("put_StatusText", answer, || {});
        answer
    });
    assert_eq!(kinds(&report), [Kind::Leak]);
    let expected = [
        (Action::Allocated, Some("get_StatusText")),
        (Action::HandedOver, Some("get_StatusText")),
        (Action::Lent, Some("put_StatusText")),
    ];
    assert_eq!(story(&report.violations()[0]), expected);
    free(string);
}

#[test]
fn calls_in_calls_are_told_apart() {
    // put_Status hands its argument on to Log, and Log answers with a string of its own.
    audit::check(|| {
        let string = ready();
        call_in("put_Status", string, || {
            let logged = call_out("Log", |out| *out = copy(string));
            call_in("Show", string, || assert_eq!(len(logged), 5));
            free(logged);
        });
        free(string);
    });
    // The inner one frees what was lent to the outer one: both lent it, both see it gone.
    let ((), report) = audit::run(|| {
        let string = ready();
        call_in("put_Status", string, || {
            call_in("Log", string, || free(string));
        });
    });
    assert_eq!(kinds(&report), [Kind::InputFreed]);
    let expected = [
        (Action::Allocated, None),
        (Action::Lent, Some("put_Status")),
        (Action::Lent, Some("Log")),
        (Action::Freed, Some("Log")),
    ];
    assert_eq!(story(&report.violations()[0]), expected);
    assert_eq!(report.violations()[0].count(), 2);
}

#[test]
fn what_an_inner_call_answers_the_outer_one_may_hand_on() {
    audit::check(|| {
        let answer = call_out("get_Status", |out| {
            *out = call_out("get_Text", |inner| *inner = ready());
        });
        free(answer);
    });
}

/// Without a quarantine a heap may well give a new string the address of the one just freed.
#[test]
fn an_address_used_again_is_another_string() {
    let session = Session::builder().quarantine(0).start();
    // Freed, and another one put in its place.
    let text = call_inout("Translate", ready(), |text| {
        free(*text);
        *text = ready();
    });
    // Freed and replaced, and another one where it was.
    let other = Cell::new(null());
    let text = call_inout("Translate", text, |text| {
        free(*text);
        other.set(ready());
        *text = ready();
    });
    // The answer is where an older answer was.
    free(text);
    let answer = call_out("get_StatusText", |out| *out = ready());
    free(answer);
    free(call_out("get_StatusText", |out| *out = ready()));
    free(other.get());
    session.finish().assert_clean();

    // Freed by the callee, whoever has its address now.
    let session = Session::builder().quarantine(0).start();
    let string = ready();
    call_in("put_StatusText", string, || {
        free(string);
        other.set(ready());
    });
    free(other.get());
    let report = session.finish();
    assert_eq!(kinds(&report), [Kind::InputFreed], "{report}");
    assert_eq!(report.violations()[0].text(), Some(r#""ready""#));
}

#[test]
fn what_has_left_the_quarantine_is_forgotten() {
    // Of a size that a heap does not put in another's place.
    let session = Session::builder().quarantine(0).start();
    let string = unwritten(5000);
    free(string);
    let other = unwritten(50_000);
    free(string.wrapping_add(1));
    free(other);
    assert_eq!(kinds(&session.finish()), [Kind::NotABstr]);
}

#[test]
fn text_that_looks_unwritten_is_text() {
    const UNITS: &[u16; 200] = &[0xDCDC; 200];
    audit::check(|| {
        // SAFETY: the units can be read; the string is live.
        unsafe {
            let mut string = SysAllocStringLen(UNITS.as_ptr(), 5);
            call_in("put_StatusText", string, || {});
            // It moves.
            assert_eq!(SysReAllocStringLen(&mut string, UNITS.as_ptr(), 200), TRUE);
            call_in("put_StatusText", string, || {});
            free(string);
        }
    });
}

#[test]
fn calls_may_be_re_entered() {
    fn depth(left: u32, string: BSTR) -> BSTR {
        let mut slot = null();
        let place = &raw mut slot;
        // SAFETY: the variable outlives the call, and is used through the pointer alone.
        let call = unsafe { Call::new("Walk").input(string).out(place) };
        call.run(|| {
            let answer = if left == 0 {
                copy(string)
            } else {
                depth(left - 1, string)
            };
            // SAFETY: as above.
            unsafe { *place = answer };
            S_OK
        });
        slot
    }
    audit::check(|| {
        let string = ready();
        let answer = depth(5, string);
        assert_eq!(len(answer), 5);
        free(answer);
        free(string);
    });
}

#[test]
fn calls_on_several_threads_at_once() {
    const THREADS: usize = 4;
    const CALLS: usize = 50;
    let session = Session::builder().start();
    let lent_to_all = Parcel(ready());
    thread::scope(|scope| {
        for number in 0..THREADS {
            let handle = session.handle();
            let parcel = Parcel(lent_to_all.0);
            scope.spawn(move || {
                let _entered = handle.enter();
                let shared = parcel.open();
                for round in 0..CALLS {
                    call_in("Read", shared, || assert_eq!(len(shared), 5));
                    let mut own = call_out("get_Text", |out| *out = copy(shared));
                    own = call_inout("Update", own, |text| assert_eq!(resize(text, 50), TRUE));
                    // One of them breaks a rule, once.
                    let breaks = (number, round) == (2, 7);
                    call_in("put_Text", own, || {
                        if breaks {
                            free(own);
                        }
                    });
                    if !breaks {
                        free(own);
                    }
                }
            });
        }
    });
    free(lent_to_all.open());
    let report = session.finish();
    assert_eq!(kinds(&report), [Kind::InputFreed], "{report}");
    let expected = [
        (Action::Allocated, Some("Update")),
        (Action::HandedOver, Some("Update")),
        (Action::Lent, Some("put_Text")),
        (Action::Freed, Some("put_Text")),
    ];
    assert_eq!(story(&report.violations()[0]), expected);
    assert_eq!(report.stats().allocated(), (1 + 2 * THREADS * CALLS) as u64);
}

#[test]
fn a_panic_in_a_call_leaves_the_slots_as_they_were() {
    let ((), report) = audit::run(|| {
        let before = ready();
        let mut untouched = before;
        let mut set = null();
        let (first, second) = (&raw mut untouched, &raw mut set);
        let result = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the variables outlive the call, and are used through the pointers alone.
            unsafe {
                let call = Call::new("get_Names").out(first).out(second);
                call.run(|| {
                    assert_eq!(len(*first), 0, "the audit's, until it is set");
                    assert_ne!(*first, before);
                    *second = ready();
                    if !(*second).is_null() {
                        resume_unwind(Box::new("a panic, without a message"));
                    }
                });
            }
        }));
        assert!(result.is_err());
        assert_eq!(untouched, before);
        assert_eq!(len(set), 5, "what the callee set stays");
        free(before);
        free(set);
        // The call is over: what follows is in none.
        free(before);
    });
    assert_eq!(kinds(&report), [Kind::DoubleFree]);
    let expected = [
        (Action::Allocated, None),
        (Action::Freed, None),
        (Action::Freed, None),
    ];
    assert_eq!(story(&report.violations()[0]), expected);
}

#[test]
fn outcomes() {
    assert!(().is_success());
    for success in [S_OK, 1, i32::MAX] {
        assert!(success.is_success(), "S_FALSE is a success too: {success}");
    }
    for failure in [E_FAIL, E_POINTER, E_OUTOFMEMORY, -1] {
        assert!(!failure.is_success(), "{failure}");
    }
    assert!(Ok::<(), ()>(()).is_success() && !Err::<(), ()>(()).is_success());
    // What the code returns comes through, watched or not.
    let call = |outcome: Result<u8, u8>| Call::new("Count").run(|| outcome);
    assert_eq!((call(Ok(1)), call(Err(2))), (Ok(1), Err(2)));
    audit::check(|| {
        assert_eq!((call(Ok(1)), call(Err(2))), (Ok(1), Err(2)));
        assert_eq!(Call::new("Count").run(|| E_FAIL), E_FAIL);
    });
}

#[test]
fn a_failing_call_need_not_set_its_outputs() {
    audit::check(|| {
        assert!(call_out("get_StatusText", |_| E_FAIL).is_null());
        assert!(call_out("get_StatusText", |_| Err::<(), _>("no status")).is_null());
        // What was there before is there after, and is whose it was.
        let mut slot = ready();
        let place = &raw mut slot;
        // SAFETY: the variable outlives the call, and is used through the pointer alone.
        unsafe { Call::new("get_StatusText").out(place) }.run(|| E_FAIL);
        assert_eq!(len(slot), 5);
        free(slot);
    });
}

#[test]
fn without_a_session_a_call_is_just_a_call() {
    let answer = call_out("get_StatusText", |out| {
        assert!(out.is_null(), "nobody touched it");
        *out = ready();
    });
    call_in("put_StatusText", answer, || {});
    free(answer);
}

#[test]
fn parameters_may_be_null() {
    audit::check(|| {
        // SAFETY: NULL is no place.
        let call = unsafe {
            Call::new("Nothing")
                .input(null())
                .out(null_mut())
                .inout(null_mut())
        };
        assert_eq!(call.run(|| S_OK), S_OK);
        let answer = call_inout("Fill", null(), |text| *text = ready());
        free(answer);
    });
}

/// Calls `code` as a function with two \[in, out\] parameters and an \[out\], and returns what is in all
/// three then.
#[track_caller]
fn call_with_two(texts: [BSTR; 2], code: impl FnOnce(&mut [BSTR; 3])) -> [BSTR; 3] {
    let mut slots = [texts[0], texts[1], null()];
    let first = (&raw mut slots).cast::<BSTR>();
    // SAFETY: the variables outlive the call, and are used through the pointers alone.
    unsafe {
        let (second, third) = (first.add(1), first.add(2));
        let call = Call::new("Exchange").inout(first).inout(second).out(third);
        call.run(|| {
            let mut now = [*first, *second, null()];
            code(&mut now);
            [*first, *second, *third] = now;
        });
    }
    slots
}

#[test]
fn strings_may_move_from_one_parameter_to_another() {
    audit::check(|| {
        let texts = [ready(), string(u16cstr!("done"))];
        let swapped = call_with_two(texts, |slots| slots.swap(0, 1));
        assert_eq!(swapped, [texts[1], texts[0], null()]);
        // The first is replaced, and what it was is answered.
        let moved = call_with_two(texts, |slots| slots[2] = replace(&mut slots[0], ready()));
        assert_eq!(moved[1..], [texts[1], texts[0]]);
        // The first takes the second's, having freed its own.
        let taken = call_with_two([moved[0], moved[1]], |slots| {
            free(slots[0]);
            slots[0] = replace(&mut slots[1], null());
        });
        assert_eq!(taken, [texts[1], null(), null()]);
        free(moved[2]);
        free(taken[0]);
    });
    let found = |code: fn(&mut [BSTR; 3])| {
        let (left, report) = audit::run(|| {
            let texts = [ready(), string(u16cstr!("done"))];
            call_with_two(texts, code);
            texts
        });
        let of_texts = kinds(&report)
            .into_iter()
            .filter(|&kind| kind != Kind::Leak);
        left.into_iter().for_each(free);
        of_texts.collect::<Vec<_>>()
    };
    // What is still in its parameter is not in another one as well.
    assert_eq!(found(|slots| slots[2] = slots[0]), [Kind::OutputStillOwned]);
    // And what moves, moves to one.
    assert_eq!(
        found(|slots| *slots = [slots[1], slots[0], slots[0]]),
        [Kind::OutputTwice]
    );
    assert_eq!(found(|slots| slots[0] = null()), [Kind::InOutNotFreed]);
    assert_eq!(
        found(|slots| slots[0] = slots[1]),
        [Kind::OutputStillOwned, Kind::InOutNotFreed]
    );
}

#[test]
fn a_change_is_told_with_what_was_there_before() {
    let ((), report) = audit::run(|| {
        let string = ready();
        call_in("put_StatusText", string, || {
            let mut slot = string;
            assert_eq!(resize(&mut slot, 3), TRUE);
        });
        free(string);
    });
    assert_eq!(kinds(&report), [Kind::InputChanged]);
    let violation = &report.violations()[0];
    assert_eq!(violation.text(), Some(r#""rea""#));
    assert_eq!(
        violation.notes(),
        [r#"before the call it was "ready", 10 bytes"#]
    );
}

#[test]
fn a_call_may_have_parameters_of_every_direction() {
    audit::check(|| {
        let inputs = [ready(), ready()];
        let (mut answer, mut text) = (null(), ready());
        let (out, inout) = (&raw mut answer, &raw mut text);
        // SAFETY: the variables outlive the call, and are used through the pointers alone.
        unsafe {
            let call = Call::new("Join").input(inputs[0]).input(inputs[1]);
            call.out(out).inout(inout).run(|| {
                *out = copy(inputs[0]);
                assert_eq!(SysReAllocString(inout, inputs[1]), TRUE);
                S_OK
            });
        }
        for string in [inputs[0], inputs[1], answer, text] {
            free(string);
        }
    });
}

#[test]
fn a_sweep_finds_what_leaks_where_an_allocation_fails() {
    let leaked = Cell::new(null());
    let sweep = audit::sweep(|| {
        let first = ready();
        let second = ready();
        if second.is_null() {
            leaked.set(first);
            return E_OUTOFMEMORY;
        }
        free(second);
        free(first);
        S_OK
    });
    free(leaked.get());
    let found: Vec<_> = sweep.runs().iter().map(|run| kinds(run.report())).collect();
    assert_eq!(found, [vec![], vec![Kind::Leak], vec![]], "{sweep}");
    let faults = sweep.runs().iter().map(|run| run.fault().is_some());
    assert_eq!(faults.collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_sweep_says_which_allocation_the_code_could_not_do_without() {
    let allocation = line!() + 4;
    let sweep = audit::sweep(|| {
        let first = ready();
        free(first);
        let second = ready();
        if second.is_null() {
            resume_unwind(Box::new("no second string")); // a panic, without a message
        }
        free(second);
    });
    let [first, second, last] = sweep.runs() else {
        panic!("{sweep}");
    };
    assert!(first.report().is_clean() && last.report().is_clean());
    assert!(!sweep.is_clean());
    let [violation] = second.report().violations() else {
        panic!("{sweep}");
    };
    assert_eq!(violation.kind(), Kind::AllocationFailure);
    assert_eq!(violation.notes(), ["it panicked: no second string"]);
    assert_eq!(second.fault().unwrap().location().line(), allocation);
    assert_eq!(violation.history()[0].location().line(), allocation);
    assert!(
        sweep.to_string().ends_with("1 of 3 runs broke a rule"),
        "{sweep}"
    );
}

#[test]
fn a_panic_without_a_failed_allocation_is_the_callers() {
    let result = catch_unwind(|| {
        let _ = audit::sweep(|| resume_unwind(Box::new("for another reason")));
    });
    assert_eq!(
        result.unwrap_err().downcast_ref(),
        Some(&"for another reason")
    );
}

#[test]
fn allocations_over_a_size_fail_where_they_are_told_to() {
    let session = Session::builder().fail_over(10).start();
    let string = ready();
    assert_eq!(len(string), 5, "ten bytes");
    assert!(unwritten(6).is_null());
    let mut slot = string;
    assert_eq!(resize(&mut slot, 6), FALSE);
    assert_eq!((slot, len(slot)), (string, 5), "untouched");
    free(string);
    session.finish().assert_clean();
}
