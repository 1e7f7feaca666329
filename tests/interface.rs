//! Programs of calls: what they say, how they are run, and what is found in functions that go wrong.

#![allow(clippy::multiple_unsafe_ops_per_block)] // Misuse reads best in one piece.

mod common;

use portable_bstr::audit::{Interface, Kind, Program, Report, Violation};
use portable_bstr::integrations::proptest::programs;
use portable_bstr::sys::*;
use portable_bstr::{BSTR, BstrRef, bstr, sys};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::cell::RefCell;
use std::ptr::null;
use std::rc::Rc;

/// The HRESULT of an unspecified failure.
const E_FAIL: HRESULT = 0x8000_4005_u32.cast_signed();

const E_OUTOFMEMORY: HRESULT = 0x8007_000E_u32.cast_signed();

/// How a [`Server`] goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    PutFrees,
    PutKeeps,
    PutChanges,
    PutCutsAtNul,
    PutLosesTheOld,
    PutLeavesTheFreed,
    PutTrustsMemory,
    GetAnswersItsOwn,
    GetAnswersALiteral,
    GetSetsNothing,
    GetAnswersAndFails,
    ExchangeLosesTheOld,
    ExchangeOnlyFrees,
}

/// An object that keeps a text, by raw functions.
struct Server {
    text: sys::BSTR,
    mistake: Mistake,
}

/// A copy, and a string for NULL too.
unsafe fn copy(string: sys::BSTR) -> sys::BSTR {
    // SAFETY: NULL or live, and as long as it says.
    unsafe { SysAllocStringByteLen(string.cast(), SysStringByteLen(string)) }
}

impl Server {
    unsafe fn put(&mut self, text: sys::BSTR) -> HRESULT {
        // SAFETY: a caller's parameters, and what the mistakes break the audit forgives.
        unsafe {
            let new = match self.mistake {
                Mistake::PutKeeps => text,
                Mistake::PutCutsAtNul if SysStringLen(text) > 0 => SysAllocString(text),
                _ => copy(text),
            };
            if new.is_null() && self.mistake == Mistake::PutTrustsMemory {
                panic!("there is always memory");
            }
            if new.is_null() && self.mistake != Mistake::PutKeeps {
                return E_OUTOFMEMORY;
            }
            match self.mistake {
                Mistake::PutFrees => SysFreeString(text),
                Mistake::PutChanges if SysStringLen(text) > 0 => text.cast_mut().write(0x21),
                _ => {}
            }
            if self.mistake != Mistake::PutLosesTheOld {
                SysFreeString(self.text);
            }
            if self.mistake == Mistake::PutLeavesTheFreed && SysStringLen(new) == 0 {
                SysFreeString(new);
                return S_OK;
            }
            self.text = new;
            S_OK
        }
    }

    unsafe fn get(&mut self, text: *mut sys::BSTR) -> HRESULT {
        // SAFETY: a caller's parameters, and what the mistakes break the audit forgives.
        unsafe {
            match self.mistake {
                Mistake::GetAnswersItsOwn => text.write(self.text),
                Mistake::GetAnswersALiteral => text.write(bstr!("none").as_raw()),
                Mistake::GetSetsNothing => {}
                _ => text.write(copy(self.text)),
            }
            match self.mistake {
                Mistake::GetAnswersAndFails => E_FAIL,
                Mistake::GetSetsNothing => S_OK,
                _ if (*text).is_null() => E_OUTOFMEMORY,
                _ => S_OK,
            }
        }
    }

    /// The two texts change places.
    unsafe fn exchange(&mut self, text: *mut sys::BSTR) -> HRESULT {
        // SAFETY: a caller's parameters, and what the mistakes break the audit forgives.
        unsafe {
            let (theirs, mine) = (copy(*text), copy(self.text));
            if theirs.is_null() || mine.is_null() {
                SysFreeString(theirs);
                SysFreeString(mine);
                return E_OUTOFMEMORY;
            }
            SysFreeString(self.text);
            self.text = theirs;
            if self.mistake != Mistake::ExchangeLosesTheOld {
                SysFreeString(*text);
            }
            if self.mistake == Mistake::ExchangeOnlyFrees {
                SysFreeString(mine);
            } else {
                text.write(mine);
            }
            S_OK
        }
    }

    /// Both texts, one behind the other, which it keeps and answers.
    unsafe fn join(
        &mut self,
        [left, right]: [sys::BSTR; 2],
        joined: *mut sys::BSTR,
        log: *mut sys::BSTR,
    ) -> HRESULT {
        // SAFETY: a caller's parameters, and what the mistakes break the audit forgives.
        unsafe {
            joined.write(null());
            let result = VarBstrCat(left, right, joined);
            if result < 0 {
                return result;
            }
            if SysReAllocStringLen(log, *joined, SysStringLen(*joined)) == 0 {
                SysFreeString(joined.replace(null()));
                return E_OUTOFMEMORY;
            }
            S_OK
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SAFETY: its own string, or the audit forgives it.
        unsafe { SysFreeString(self.text) };
    }
}

fn interface(mistake: Mistake) -> Interface<Server> {
    let server = move || Server {
        text: null(),
        mistake,
    };
    Interface::new(server)
        .method("put_Text", |server, [text], [], []| {
            // SAFETY: the parameters are a call's.
            unsafe { server.put(text) }
        })
        .method("get_Text", |server, [], [text], []| {
            // SAFETY: the parameters are a call's.
            unsafe { server.get(text) }
        })
        .method("Exchange", |server, [], [], [text]| {
            // SAFETY: the parameters are a call's.
            unsafe { server.exchange(text) }
        })
        .method("Join", |server, texts: [_; 2], [joined], [log]| {
            // SAFETY: the parameters are a call's.
            unsafe { server.join(texts, joined, log) }
        })
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.violations().iter().map(Violation::kind).collect()
}

/// A runner that makes the same of the same seed.
fn runner(seed: u8) -> TestRunner {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    // As many as it takes, whatever the environment says.
    let cases = 1000;
    let config = Config {
        cases,
        ..common::config()
    };
    TestRunner::new_with_rng(config, rng)
}

/// What the programs find in a server, shrunk.
fn found(seed: u8, mistake: Mistake) -> Option<Program> {
    let test = |program| {
        let report = interface(mistake).run(&program);
        prop_assert!(report.is_clean(), "{report}");
        Ok(())
    };
    match runner(seed).run(&programs(interface(mistake)), test) {
        Ok(()) => None,
        Err(TestError::Fail(_, minimal)) => Some(minimal),
        Err(other) => panic!("{other}"),
    }
}

/// What there is to say about a call.
#[test]
fn a_program_says_its_calls() {
    let interface = interface(Mistake::None);
    let odd = || BSTR::from_bytes(b"abc");
    let program = interface.program([
        (0, vec![BSTR::new()], true),
        (1, vec![], true),
        (
            3,
            vec![bstr!("a\0").clone(), bstr!("").clone(), odd()],
            false,
        ),
        (2, vec![BSTR::from_wide(&[0xDC00])], true),
    ]);
    let calls = [
        r"put_Text([in] NULL)",
        r"keep get_Text([out])",
        r#"Join([in] "a\0", [in] "", [out], [in, out] "\u{6261}" + 0x63)"#,
        r#"keep Exchange([in, out] "\<DC00>")"#,
    ];
    // The first two bytes of an odd string are a unit of the machine's.
    let unit = format!("{:#?}", BSTR::from_bytes(b"ab"));
    let calls = calls.map(|call| call.replace(r#""\u{6261}""#, &unit));
    assert_eq!(format!("{program:?}"), format!("[{}]", calls.join(", ")));
    let lines: String = calls.iter().map(|call| format!("    {call},\n")).collect();
    assert_eq!(format!("{program:#?}"), format!("[\n{lines}]"));
    let names = r#"["put_Text", "get_Text", "Exchange", "Join"]"#;
    assert_eq!(format!("{interface:?}"), names);
}

#[test]
fn anything_makes_a_program() {
    let interface = interface(Mistake::None);
    let program = interface.program([
        (4, vec![], false),
        (usize::MAX, vec![BSTR::from("a")], false),
        (2, vec![BSTR::from("b"), BSTR::from("c")], false),
    ]);
    let join = r#"Join([in] "a", [in] NULL, [out], [in, out] NULL)"#;
    let calls = format!(r#"[put_Text([in] NULL), {join}, Exchange([in, out] "b")]"#);
    assert_eq!(format!("{program:?}"), calls);
    interface.run(&program).assert_clean();

    let without = Interface::new(|| ());
    let nothing = without.program([(0, vec![], false), (7, vec![], true)]);
    assert_eq!(format!("{nothing:?}"), "[]");
    without.run(&nothing).assert_clean();
}

/// A function gets what the program says, and each string is freed.
#[test]
fn functions_get_their_arguments() {
    type Log = Rc<RefCell<Vec<String>>>;
    struct Object(Log);
    impl Drop for Object {
        fn drop(&mut self) {
            self.0.borrow_mut().push("dropped".to_owned());
        }
    }
    fn text(string: sys::BSTR) -> String {
        // SAFETY: it is live, and stays its owner's.
        let string = unsafe { BstrRef::from_raw(string) };
        format!("{:#?}", *string)
    }

    let log = Log::default();
    let object = {
        let log = Rc::clone(&log);
        move || Object(Rc::clone(&log))
    };
    let interface = Interface::new(object)
        .method("All", |object, [a, b], [c], [d, e]| {
            // SAFETY: the slots may be read and written, and the callee frees what it replaces.
            unsafe {
                let arguments = [a, b, *d, *e].map(text);
                object.0.borrow_mut().push(arguments.join(" "));
                c.write(bstr!("c").clone().into_raw());
                SysFreeString(e.replace(bstr!("e2").clone().into_raw()));
            }
        })
        .method("Nothing", |object, [], [], []| {
            object.0.borrow_mut().push("nothing".to_owned());
            Err::<(), ()>(())
        });
    let strings = ["a", "b", "d", "e"].map(BSTR::from).to_vec();
    let program = interface.program([(0, strings, false), (1, vec![], false)]);
    let report = interface.run(&program);
    report.assert_clean();
    // Four of the caller's, and two answers.
    assert_eq!((report.stats().allocated(), report.stats().freed()), (6, 6));
    let expected = [r#""a" "b" "d" "e""#, "nothing", "dropped"];
    assert_eq!(*log.borrow(), expected);
}

/// What the caller gets it frees at once, or keeps until the end.
#[test]
fn answers_are_freed_at_once_or_kept() {
    // Answers the same string again and again.
    let interface = Interface::new(null::<u16>).method("get_Text", |text, [], [out], []| {
        if text.is_null() {
            *text = bstr!("a").clone().into_raw();
        }
        // SAFETY: the slot may be written.
        unsafe { out.write(*text) };
    });
    let run = |keeps| interface.run(&interface.program([(0, vec![], keeps), (0, vec![], false)]));
    assert_eq!(kinds(&run(false)), [Kind::UseAfterFree, Kind::DoubleFree]);
    assert_eq!(kinds(&run(true)), [Kind::OutputTwice, Kind::DoubleFree]);
}

#[test]
fn nothing_is_found_in_a_server_that_keeps_the_rules() {
    let test = |program| {
        let report = interface(Mistake::None).run(&program);
        prop_assert!(report.is_clean(), "{report}");
        Ok(())
    };
    let mut runner = TestRunner::new(common::config());
    runner
        .run(&programs(interface(Mistake::None)), test)
        .unwrap();
}

/// Each in every run of the programs, in as few calls as it takes.
#[test]
fn every_mistake_is_found_and_shrinks_to_the_calls_that_it_takes() {
    use Kind::*;
    let table: &[(Mistake, &str, &[Kind])] = &[
        (
            Mistake::PutFrees,
            r#"[put_Text([in] "")]"#,
            &[InputFreed, DoubleFree],
        ),
        (
            Mistake::PutKeeps,
            r#"[put_Text([in] "")]"#,
            // It frees the string when it is gone, which is in no call.
            &[DoubleFree],
        ),
        (
            Mistake::PutChanges,
            r#"[put_Text([in] "a")]"#,
            &[InputChanged],
        ),
        (
            Mistake::PutCutsAtNul,
            r#"[put_Text([in] "\0")]"#,
            &[EmbeddedNul],
        ),
        (
            Mistake::PutLosesTheOld,
            r#"[put_Text([in] NULL), put_Text([in] NULL)] or [Exchange([in, out] NULL), put_Text([in] NULL)]"#,
            &[Leak],
        ),
        (
            Mistake::PutLeavesTheFreed,
            r#"[put_Text([in] "a"), put_Text([in] NULL)] or [Exchange([in, out] NULL), put_Text([in] NULL)]"#,
            &[DoubleFree],
        ),
        (
            Mistake::GetAnswersItsOwn,
            r#"[put_Text([in] NULL), get_Text([out])] or [Exchange([in, out] NULL), get_Text([out])]"#,
            &[OutputStillOwned, DoubleFree],
        ),
        (
            Mistake::GetAnswersALiteral,
            r#"[get_Text([out])]"#,
            &[OutputForeign, NotABstr],
        ),
        (
            Mistake::GetSetsNothing,
            r#"[get_Text([out])]"#,
            &[OutputNotSet],
        ),
        (
            Mistake::GetAnswersAndFails,
            r#"[get_Text([out])]"#,
            &[OutputAfterFailure, Leak],
        ),
        (
            Mistake::ExchangeLosesTheOld,
            r#"[Exchange([in, out] "")]"#,
            &[InOutNotFreed, Leak],
        ),
        (
            Mistake::ExchangeOnlyFrees,
            r#"[Exchange([in, out] "")]"#,
            &[InOutNotReplaced, DoubleFree],
        ),
    ];
    for (mistake, calls, expected) in table {
        for seed in 0..3 {
            let program = found(seed, *mistake).unwrap_or_else(|| panic!("{mistake:?}"));
            let found = format!("{program:?}");
            let is_least = calls.split(" or ").any(|least| least == found);
            assert!(is_least, "{mistake:?}, seed {seed}: {found}");
            let report = interface(*mistake).run(&program);
            assert_eq!(kinds(&report), *expected, "{mistake:?}\n{report}");
            // What the caller does, it does where the program is run, and not somewhere in the library.
            let history = report.violations().iter().flat_map(Violation::history);
            for event in history {
                assert_eq!(event.location().file(), file!(), "{mistake:?}\n{report}");
            }
        }
    }
}

/// Where one allocation after the other fails, the caller's own included.
#[test]
fn a_sweep_lets_every_allocation_fail() {
    let strings = || vec![BSTR::from("a"), BSTR::from("b"), BSTR::from("c")];
    let calls = |interface: &Interface<Server>| {
        let calls = [0, 1, 2, 3].map(|method| (method, strings(), method == 2));
        interface.program(calls)
    };
    let careful = interface(Mistake::None);
    let sweep = careful.sweep(&calls(&careful));
    sweep.assert_clean();
    // The caller makes 5 strings, put_Text 1, get_Text 1, Exchange 2 and Join 2. In the last run none
    // fails.
    assert_eq!(sweep.runs().len(), 12);

    let careless = interface(Mistake::PutTrustsMemory);
    let sweep = careless.sweep(&calls(&careless));
    let broken: Vec<_> = sweep.runs().iter().map(|run| kinds(run.report())).collect();
    let mut expected = vec![vec![]; 12];
    expected[1] = vec![Kind::AllocationFailure];
    assert_eq!(broken, expected);
}

#[test]
#[should_panic(expected = "the program was made for this interface")]
fn a_program_of_another_interface_is_refused() {
    let other = Interface::new(|| ()).method("put_Text", |(), [_], [], []| ());
    let program = other.program([(0, vec![], false)]);
    let interface = Interface::new(|| ()).method("get_Text", |(), [], [_], []| ());
    drop(interface.run(&program));
}
