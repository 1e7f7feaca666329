//! Random programs under audit: correct ones, in which nothing may be found, and the same with one
//! mistake planted, which has to be found and called by its name.
//!
//! A program has one to three threads at work at a time, its *actors*. Each has a few variables that
//! own strings, two servers that each keep a string, and pins. It allocates, frees, reallocates, copies
//! and pins strings, here and on other threads, and passes them to functions as \[in\], \[out\] and
//! \[in, out\], in calls within calls, some of which fail. In some programs an allocation fails.
//!
//! Behind every step each string has to say what it should.
//!
//! Some mistakes are followed by another one that nobody could avoid. Then that has to be found as
//! well, and nothing else:
//!
//! | planted | follows |
//! |---|---|
//! | a callee frees an \[in\], and the caller frees its string | the caller's is a double free |
//! | a callee moves an \[in\], and the caller frees its string | the caller's is a double free |
//! | an \[out\] overwrites a live string, nobody has the old one | a leak |
//! | an \[in, out\] is replaced, nobody has the old one | a leak |
//! | a failing call answers, and the caller does not look | a leak |
//! | a stored string is answered, and both free it | a double free |

#![allow(clippy::multiple_unsafe_ops_per_block)] // Misuse reads best in one piece.

mod common;

use common::{HEADER, bytes_of, free, kinds};
use portable_bstr::audit::{self, Audited, Call, Handle, Kind, Report, Session};
use portable_bstr::backend::Portable;
use portable_bstr::bstr;
use portable_bstr::heap::{Global, Heap};
use portable_bstr::sys::*;
use portable_bstr::widestring::u16cstr;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::mem::{replace, take};
use std::panic::resume_unwind;
use std::ptr::{NonNull, null, null_mut};
use std::sync::Mutex;
use std::thread;

/// The variables of an actor.
const OWNERS: usize = 4;

/// The servers of an actor.
const SERVERS: usize = 2;

/// The HRESULT of an unspecified failure.
const E_FAIL: HRESULT = 0x8000_4005_u32.cast_signed();

/// One step of a program. Variables and servers are named by number.
#[derive(Clone, Debug)]
enum Op {
    Alloc {
        to: usize,
        how: How,
        units: Vec<u16>,
    },
    Free {
        of: usize,
        place: Place,
    },
    ReAlloc {
        of: usize,
        how: Change,
    },
    Copy {
        from: usize,
        to: usize,
    },
    Move {
        from: usize,
        to: usize,
    },
    Pin {
        of: usize,
    },
    Unpin {
        which: Index,
    },
    /// `put_Text`: the server keeps a copy.
    Put {
        text: usize,
        server: usize,
        fails: bool,
    },
    /// `get_Text`: the server answers.
    Get {
        to: usize,
        server: usize,
        is_stale: bool,
        answer: Answer,
    },
    /// `Update`: the callee does something to an \[in, out\] string.
    Update {
        of: usize,
        how: Update,
    },
    /// `Exchange`: two \[in, out\] strings change places.
    Exchange {
        texts: [usize; 2],
    },
    /// `Join`: two \[in\] strings, one \[out\], and an \[in, out\] that grows.
    Join {
        from: [usize; 2],
        to: usize,
        log: usize,
        fails: bool,
    },
    /// A function with \[in\] strings that does more of the program.
    Within {
        texts: [usize; 2],
        body: Vec<Op>,
        fails: bool,
    },
    /// More of the program, on another thread.
    Elsewhere {
        body: Vec<Op>,
    },
}

#[derive(Clone, Copy, Debug)]
enum How {
    ToNul,
    Units,
    /// With an odd byte behind the units.
    Bytes,
    /// Without contents, and written at once.
    Unwritten,
    /// On a thread that nobody watches.
    ByStranger,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Here,
    /// On another thread of the session.
    Elsewhere,
    /// On a thread that nobody watches.
    AtStrangers,
}

#[derive(Clone, Debug)]
enum Change {
    /// To these.
    Units(Vec<u16>),
    /// To these, as far as the first NUL.
    Text(Vec<u16>),
    /// To a length, keeping what fits.
    Len(u32),
    /// To what it is from some unit on.
    OwnEnd(Index),
    Null,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Kept,
    New,
    Null,
    Failure,
    /// And the parameter as it was.
    SilentFailure,
}

#[derive(Clone, Debug)]
enum Update {
    Nothing,
    ReAlloc(Vec<u16>),
    Replace(Vec<u16>),
    Write(u8),
    Clear,
    Failure,
    FailureAfterReplace(Vec<u16>),
}

fn owner() -> impl Strategy<Value = usize> {
    0..OWNERS
}

/// Units, some of them NUL.
fn units() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![1 => Just(0), 6 => 1..0x80_u16, 2 => any::<u16>()];
    prop_oneof![12 => vec(unit.clone(), 0..24), 1 => vec(unit, 100..300)]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Units),
        2 => Just(How::ToNul),
        2 => Just(How::Bytes),
        2 => Just(How::Unwritten),
        1 => Just(How::ByStranger),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        12 => Just(Place::Here),
        1 => Just(Place::Elsewhere),
        1 => Just(Place::AtStrangers),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => units().prop_map(Change::Units),
        2 => units().prop_map(Change::Text),
        3 => (0..60_u32).prop_map(Change::Len),
        1 => any::<Index>().prop_map(Change::OwnEnd),
        1 => Just(Change::Null),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(Answer::Kept),
        2 => Just(Answer::New),
        1 => Just(Answer::Null),
        1 => Just(Answer::Failure),
        1 => Just(Answer::SilentFailure),
    ]
}

fn update() -> impl Strategy<Value = Update> {
    prop_oneof![
        Just(Update::Nothing),
        units().prop_map(Update::ReAlloc),
        units().prop_map(Update::Replace),
        any::<u8>().prop_map(Update::Write),
        Just(Update::Clear),
        Just(Update::Failure),
        units().prop_map(Update::FailureAfterReplace),
    ]
}

/// A step that has no others in it.
fn leaf() -> impl Strategy<Value = Op> {
    let alloc = |(to, how, units)| Op::Alloc { to, how, units };
    let get = |(to, server, is_stale, answer)| Op::Get {
        to,
        server,
        is_stale,
        answer,
    };
    let put = |(text, server, fails)| Op::Put {
        text,
        server,
        fails,
    };
    let join = |(from, to, log, fails)| Op::Join {
        from,
        to,
        log,
        fails,
    };
    prop_oneof![
        6 => (owner(), how(), units()).prop_map(alloc),
        2 => (owner(), place()).prop_map(|(of, place)| Op::Free { of, place }),
        3 => (owner(), change()).prop_map(|(of, how)| Op::ReAlloc { of, how }),
        2 => (owner(), owner()).prop_map(|(from, to)| Op::Copy { from, to }),
        1 => (owner(), owner()).prop_map(|(from, to)| Op::Move { from, to }),
        1 => owner().prop_map(|of| Op::Pin { of }),
        1 => any::<Index>().prop_map(|which| Op::Unpin { which }),
        3 => (owner(), 0..SERVERS, any::<bool>()).prop_map(put),
        3 => (owner(), 0..SERVERS, any::<bool>(), answer()).prop_map(get),
        3 => (owner(), update()).prop_map(|(of, how)| Op::Update { of, how }),
        2 => ([owner(), owner()], owner(), owner(), any::<bool>()).prop_map(join),
        1 => [owner(), owner()].prop_map(|texts| Op::Exchange { texts }),
    ]
}

/// A step, which may have others in it.
fn op() -> impl Strategy<Value = Op> {
    leaf().prop_recursive(3, 12, 4, |op| {
        let body = vec(op, 0..4);
        let within = ([owner(), owner()], body.clone(), any::<bool>());
        prop_oneof![
            4 => within.prop_map(|(texts, body, fails)| Op::Within { texts, body, fails }),
            1 => body.prop_map(|body| Op::Elsewhere { body }),
        ]
    })
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Op>> {
    vec(prop_oneof![6 => leaf().boxed(), 1 => op().boxed()], 1..most)
}

/// Mostly one actor, sometimes more.
fn actors() -> impl Strategy<Value = Vec<Vec<Op>>> {
    prop_oneof![6 => vec(steps(20), 1), 1 => vec(steps(12), 2..4)]
}

/// How many steps there are, those in others included.
fn count(ops: &[Op]) -> usize {
    let inner = |op: &Op| match op {
        Op::Within { body, .. } | Op::Elsewhere { body } => count(body),
        _ => 0,
    };
    ops.iter().map(|op| 1 + inner(op)).sum()
}

/// A string, and what it should say.
#[derive(Debug)]
struct Text {
    raw: BSTR,
    bytes: Vec<u8>,
    /// Whether the session knows it.
    is_ours: bool,
}

impl Text {
    /// A string of this thread's, or `None` where it could not be allocated.
    fn new(raw: BSTR, bytes: Vec<u8>) -> Option<Self> {
        (!raw.is_null()).then_some(Self {
            raw,
            bytes,
            is_ours: true,
        })
    }

    #[track_caller]
    fn of_units(units: &[u16]) -> Option<Self> {
        // SAFETY: the units can be read.
        let raw = unsafe { SysAllocStringLen(units.as_ptr(), len_of(units)) };
        Self::new(raw, bytes_of(units))
    }

    #[track_caller]
    fn copy(&self) -> Option<Self> {
        // SAFETY: the string is live, and has as many bytes as it says.
        let raw = unsafe { SysAllocStringByteLen(self.raw.cast(), SysStringByteLen(self.raw)) };
        Self::new(raw, self.bytes.clone())
    }

    /// Says what it should.
    fn check(&self) {
        // SAFETY: the string is live, and has as many bytes as it says.
        unsafe {
            let len = SysStringByteLen(self.raw) as usize;
            let bytes = std::slice::from_raw_parts(self.raw.cast::<u8>(), len);
            assert_eq!(bytes, self.bytes);
        }
    }
}

fn len_of<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap()
}

fn raw(text: Option<&Text>) -> BSTR {
    text.map_or(null(), |text| text.raw)
}

/// The units before the first NUL, and one behind them.
fn to_nul(units: &[u16]) -> Vec<u16> {
    let text = units.iter().copied().take_while(|&unit| unit != 0);
    text.chain([0]).collect()
}

/// What an actor has.
struct Actor {
    /// Without one, what other threads of the session are to do is done here.
    handle: Option<Handle>,
    owners: [Option<Text>; OWNERS],
    kept: [Option<Text>; SERVERS],
    pins: Vec<BSTR>,
    /// The variables whose strings are lent at the moment.
    lent: Vec<usize>,
    /// How many steps there were.
    steps: usize,
    fault: Option<Fault>,
    planted: Option<Planted>,
}

// SAFETY: strings may be used and freed on any thread.
unsafe impl Send for Actor {}

/// A raw pointer that may change threads.
struct Parcel(BSTR);
// SAFETY: strings may be used and freed on any thread.
unsafe impl Send for Parcel {}

impl Parcel {
    fn open(self) -> BSTR {
        self.0
    }
}

/// Runs `code` on another thread, to its end. A thread that enters a session is watched.
fn on_a_thread<R: Send>(handle: Option<&Handle>, code: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _entered = handle.map(Handle::enter);
            code()
        });
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Runs `code` on another thread of the session, to its end.
fn elsewhere<R: Send>(handle: Option<&Handle>, code: impl FnOnce() -> R + Send) -> R {
    match handle {
        Some(_) => on_a_thread(handle, code),
        None => code(),
    }
}

impl Actor {
    fn new(handle: Option<Handle>, fault: Option<Fault>) -> Self {
        Self {
            handle,
            owners: Default::default(),
            kept: Default::default(),
            pins: Vec::new(),
            lent: Vec::new(),
            steps: 0,
            fault,
            planted: None,
        }
    }

    /// Runs the program, and frees what there is at its end.
    fn run(mut self, ops: &[Op]) -> Option<Planted> {
        self.all(ops);
        self.plant_at(self.steps);
        self.tidy();
        self.planted.take()
    }

    fn tidy(&mut self) {
        for pin in take(&mut self.pins) {
            // SAFETY: the pin is this program's.
            unsafe { SysReleaseString(pin) };
        }
        let texts = self.owners.iter_mut().chain(&mut self.kept);
        texts.for_each(|text| {
            if let Some(text) = text.take() {
                free(text.raw);
            }
        });
    }

    fn all(&mut self, ops: &[Op]) {
        for op in ops {
            self.plant_at(self.steps);
            self.steps += 1;
            self.step(op);
            let texts = self.owners.iter().chain(&self.kept);
            texts.flatten().for_each(Text::check);
        }
    }

    /// Whether a variable's string may be changed, or is only lent.
    fn may_change(&self, owner: usize) -> bool {
        !self.lent.contains(&owner)
    }

    /// Frees a variable's string, and puts another one there.
    fn set(&mut self, owner: usize, new: Option<Text>) {
        if let Some(old) = replace(&mut self.owners[owner], new) {
            free(old.raw);
        }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Alloc { to, how, ref units } if self.may_change(to) => {
                let new = alloc(how, units);
                self.set(to, new);
            }
            Op::Free { of, place } if self.may_change(of) => {
                let Some(text) = self.owners[of].take() else {
                    return;
                };
                let parcel = Parcel(text.raw);
                match place {
                    Place::Here => free(parcel.open()),
                    Place::Elsewhere => elsewhere(self.handle.as_ref(), || free(parcel.open())),
                    Place::AtStrangers => on_a_thread(None, || free(parcel.open())),
                }
            }
            Op::ReAlloc { of, ref how } if self.may_change(of) => {
                change_text(&mut self.owners[of], how);
            }
            Op::Copy { from, to } if self.may_change(to) => {
                let copy = self.owners[from].as_ref().and_then(Text::copy);
                self.set(to, copy);
            }
            Op::Move { from, to } if self.may_change(from) && self.may_change(to) => {
                let text = self.owners[from].take();
                self.set(to, text);
            }
            Op::Pin { of } => {
                let string = raw(self.owners[of].as_ref());
                // SAFETY: the string is live, and the pin is released at the end at the latest.
                if unsafe { SysAddRefString(string) } == S_OK && !string.is_null() {
                    self.pins.push(string);
                }
            }
            Op::Unpin { which } if !self.pins.is_empty() => {
                let pin = self.pins.swap_remove(which.index(self.pins.len()));
                // SAFETY: the pin is this program's, and the string is not used through it again.
                unsafe { SysReleaseString(pin) };
            }
            Op::Put {
                text,
                server,
                fails,
            } => self.put(text, server, fails),
            Op::Get {
                to,
                server,
                is_stale,
                answer,
            } if self.may_change(to) => self.get(to, server, is_stale, answer),
            Op::Update { of, ref how } if self.may_change(of) => self.update(of, how),
            Op::Exchange { texts: [a, b] }
                if a != b && self.may_change(a) && self.may_change(b) =>
            {
                let mut slots = [a, b].map(|owner| raw(self.owners[owner].as_ref()));
                let first = (&raw mut slots).cast::<BSTR>();
                // SAFETY: the variables outlive the call, and are used through the pointers alone.
                unsafe {
                    let second = first.add(1);
                    let call = Call::new("Exchange").inout(first).inout(second);
                    call.run(|| first.swap(second));
                }
                self.owners.swap(a, b);
            }
            Op::Join {
                from,
                to,
                log,
                fails,
            } => {
                let is_apart = to != log && !from.contains(&to) && !from.contains(&log);
                if is_apart && self.may_change(to) && self.may_change(log) {
                    self.join(from, to, log, fails);
                }
            }
            Op::Within {
                texts,
                ref body,
                fails,
            } => {
                let call = Call::new("Within")
                    .input(raw(self.owners[texts[0]].as_ref()))
                    .input(raw(self.owners[texts[1]].as_ref()));
                self.lent.extend(texts);
                call.run(|| {
                    self.all(body);
                    if fails { E_FAIL } else { S_OK }
                });
                self.lent.truncate(self.lent.len() - texts.len());
            }
            Op::Elsewhere { ref body } => {
                let handle = self.handle.clone();
                elsewhere(handle.as_ref(), || self.all(body));
            }
            _ => {}
        }
    }

    fn put(&mut self, text: usize, server: usize, fails: bool) {
        let text = self.owners[text].as_ref();
        let kept = &mut self.kept[server];
        Call::new("put_Text")
            .input(raw(text))
            .run(|| {
                if fails {
                    return Err(E_FAIL);
                }
                let copy = text.and_then(Text::copy);
                if let Some(old) = replace(kept, copy) {
                    free(old.raw);
                }
                Ok(())
            })
            .ok();
    }

    fn get(&mut self, to: usize, server: usize, is_stale: bool, answer: Answer) {
        let old = raw(self.owners[to].take().as_ref());
        free(old);
        // What the variable still says is the address of a string that was freed.
        let mut slot = if is_stale { old } else { null() };
        let place = &raw mut slot;
        let kept = self.kept[server].as_ref();
        let mut bytes = Vec::new();
        // SAFETY: the variable outlives the call, and is used through the pointer alone.
        let result = unsafe { Call::new("get_Text").out(place) }.run(|| {
            let text = match answer {
                Answer::Kept => kept.and_then(Text::copy),
                Answer::New => Text::of_units(&[0x6e, 0x65, 0x77]),
                Answer::Null | Answer::Failure => None,
                Answer::SilentFailure => return E_FAIL,
            };
            // SAFETY: as above.
            unsafe { *place = raw(text.as_ref()) };
            if let Some(text) = text {
                bytes = text.bytes;
            }
            if matches!(answer, Answer::Failure) {
                E_FAIL
            } else {
                S_OK
            }
        });
        // After a failure nobody looks.
        if result >= 0 {
            self.owners[to] = Text::new(slot, bytes);
        }
    }

    fn update(&mut self, of: usize, how: &Update) {
        let text = &mut self.owners[of];
        let mut slot = raw(text.as_ref());
        let place = &raw mut slot;
        // SAFETY: the variable outlives the call, and is used through the pointer alone.
        let call = unsafe { Call::new("Update").inout(place) };
        call.run(|| {
            let is_failure = match how {
                Update::Nothing => false,
                Update::ReAlloc(units) => {
                    change_text(text, &Change::Units(units.clone()));
                    false
                }
                Update::Replace(units) | Update::FailureAfterReplace(units) => {
                    if let Some(old) = text.take() {
                        free(old.raw);
                    }
                    *text = Text::of_units(units);
                    matches!(how, Update::FailureAfterReplace(_))
                }
                Update::Write(byte) => {
                    if let Some(text) = text.as_mut().filter(|text| !text.bytes.is_empty()) {
                        text.bytes[0] = *byte;
                        // SAFETY: the string is live, and \[in, out\] is to be written to.
                        unsafe { text.raw.cast_mut().cast::<u8>().write(*byte) };
                    }
                    false
                }
                Update::Clear => {
                    if let Some(old) = text.take() {
                        free(old.raw);
                    }
                    false
                }
                Update::Failure => true,
            };
            // SAFETY: as above.
            unsafe { *place = raw(text.as_ref()) };
            if is_failure { E_FAIL } else { S_OK }
        });
        assert_eq!(slot, raw(text.as_ref()));
    }

    fn join(&mut self, from: [usize; 2], to: usize, log: usize, fails: bool) {
        self.set(to, None);
        let [first, second] = from.map(|from| self.owners[from].as_ref());
        let mut bytes = Vec::new();
        for text in [first, second].into_iter().flatten() {
            bytes.extend_from_slice(&text.bytes);
        }
        let mut answer = null();
        let mut line = raw(self.owners[log].as_ref());
        let (out, inout) = (&raw mut answer, &raw mut line);
        // SAFETY: the variables outlive the call, and are used through the pointers alone.
        let call = unsafe {
            let call = Call::new("Join").input(raw(first)).input(raw(second));
            call.out(out).inout(inout)
        };
        let mut logged = None;
        let result = call.run(|| {
            // SAFETY: as above; the bytes can be read.
            unsafe {
                let joined = SysAllocStringByteLen(bytes.as_ptr(), len_of(&bytes));
                if fails || joined.is_null() {
                    free(joined);
                    *out = null();
                    return E_FAIL;
                }
                *out = joined;
                let units = [0x6a; 30];
                if SysReAllocStringLen(inout, units.as_ptr(), 30) == TRUE {
                    logged = Some(bytes_of(&units));
                }
            }
            S_OK
        });
        if result >= 0 {
            self.owners[to] = Text::new(answer, bytes);
        } else {
            assert!(answer.is_null());
        }
        if let Some(bytes) = logged {
            let is_ours = self.owners[log].as_ref().is_none_or(|text| text.is_ours);
            self.owners[log] = Text::new(line, bytes).map(|text| Text { is_ours, ..text });
        }
    }
}

/// Where a panic ends a program, it frees what it has.
impl Drop for Actor {
    fn drop(&mut self) {
        self.tidy();
    }
}

fn alloc(how: How, units: &[u16]) -> Option<Text> {
    match how {
        How::Units => Text::of_units(units),
        How::ToNul => {
            let units = to_nul(units);
            // SAFETY: the units end with a NUL.
            let raw = unsafe { SysAllocString(units.as_ptr()) };
            Text::new(raw, bytes_of(&units[..units.len() - 1]))
        }
        How::Bytes => {
            let mut bytes = bytes_of(units);
            bytes.push(7);
            // SAFETY: the bytes can be read.
            let raw = unsafe { SysAllocStringByteLen(bytes.as_ptr(), len_of(&bytes)) };
            Text::new(raw, bytes)
        }
        How::Unwritten => {
            // SAFETY: a NULL source has nothing to read; the string has room for the units.
            unsafe {
                let raw = SysAllocStringLen(null(), len_of(units));
                if !raw.is_null() {
                    raw.cast_mut().copy_from(units.as_ptr(), units.len());
                }
                Text::new(raw, bytes_of(units))
            }
        }
        How::ByStranger => on_a_thread(None, || {
            let text = Text::of_units(units);
            text.map(|text| (Parcel(text.raw), text.bytes))
        })
        .map(|(parcel, bytes)| Text {
            raw: parcel.open(),
            bytes,
            is_ours: false,
        }),
    }
}

/// Reallocates a string. Where that fails it is as it was.
fn change_text(text: &mut Option<Text>, how: &Change) {
    let is_ours = text.as_ref().is_none_or(|text| text.is_ours);
    let old = text.as_ref().map_or(&[][..], |text| &text.bytes);
    let mut slot = raw(text.as_ref());
    // SAFETY: the string is live or NULL, and the sources can be read; those that end with a NUL are
    // not the string's own.
    let (result, bytes) = unsafe {
        match how {
            Change::Units(units) => (
                SysReAllocStringLen(&mut slot, units.as_ptr(), len_of(units)),
                bytes_of(units),
            ),
            Change::Text(units) => {
                let units = to_nul(units);
                let bytes = bytes_of(&units[..units.len() - 1]);
                (SysReAllocString(&mut slot, units.as_ptr()), bytes)
            }
            Change::Len(units) => {
                // What fits of the old contents stays. A new string is unwritten: it is written.
                let mut bytes = old.to_vec();
                bytes.resize(*units as usize * 2, 0);
                let is_new = slot.is_null();
                let result = SysReAllocStringLen(&mut slot, null(), *units);
                if is_new && result == TRUE {
                    slot.cast_mut()
                        .cast::<u8>()
                        .copy_from(bytes.as_ptr(), bytes.len());
                }
                (result, bytes)
            }
            Change::OwnEnd(at) => {
                let units = old.len() / 2;
                let from = at.index(units + 1);
                let source = if slot.is_null() { slot } else { slot.add(from) };
                let len = u32::try_from(units - from).unwrap();
                let bytes = old[from * 2..units * 2].to_vec();
                (SysReAllocStringLen(&mut slot, source, len), bytes)
            }
            Change::Null => {
                let result = SysReAllocString(&mut slot, null());
                assert_eq!(result, TRUE);
                *text = None;
                return;
            }
        }
    };
    if result == TRUE {
        *text = Text::new(slot, bytes).map(|text| Text { is_ours, ..text });
    }
}

/// A mistake that is to be made.
#[derive(Clone, Debug)]
struct Fault {
    kind: Kind,
    /// Before which step.
    at: usize,
    /// Which of the ways to make it.
    way: Index,
    /// Which string it concerns.
    string: Index,
}

/// A mistake that was made.
#[derive(Debug, Default)]
struct Planted {
    /// What has to be found, in order.
    expected: Vec<Kind>,
    /// What is left to free when the session is over.
    left: Vec<BSTR>,
    /// What is left to release then.
    left_pins: Vec<BSTR>,
}

// SAFETY: strings may be used and freed on any thread.
unsafe impl Send for Planted {}

impl Planted {
    fn of(expected: impl IntoIterator<Item = Kind>) -> Self {
        Self {
            expected: expected.into_iter().collect(),
            ..Self::default()
        }
    }

    fn leaving(self, string: BSTR) -> Self {
        Self {
            left: vec![string],
            ..self
        }
    }
}

/// The kinds of mistakes that are planted in programs; the last one is for sweeps.
const KINDS: &[Kind] = &[
    Kind::Leak,
    Kind::DoubleFree,
    Kind::UseAfterFree,
    Kind::NotABstr,
    Kind::MovedPointer,
    Kind::Overrun,
    Kind::Underrun,
    Kind::InputFreed,
    Kind::InputChanged,
    Kind::InputKept,
    Kind::OutputStillOwned,
    Kind::OutputForeign,
    Kind::OutputOverwritten,
    Kind::InOutNotFreed,
    Kind::InOutNotReplaced,
    Kind::OutputAfterFailure,
    Kind::OutputNotSet,
    Kind::OutputTwice,
    Kind::AliasedSource,
    Kind::NullSlot,
    Kind::SourceTooShort,
    Kind::EmbeddedNul,
    Kind::UnbalancedPin,
    Kind::LiveResult,
    Kind::WrongDeallocator,
    Kind::Uninitialized,
];

/// A heap with a `free` of its own beside that of its strings, as the C library is. What was released by
/// that is what is allocated next.
struct Forgetful {
    released: Mutex<Option<Block>>,
}

struct Block(NonNull<u8>);
// SAFETY: blocks may be used on any thread.
unsafe impl Send for Block {}

// SAFETY: every block comes from `Global` and goes back to it; one that was released is nobody's.
unsafe impl Heap for Forgetful {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        let released = self.released.lock().unwrap().take();
        released.map_or_else(|| Global.allocate(size), |block| Some(block.0))
    }
    unsafe fn deallocate(&self, block: NonNull<u8>) {
        // SAFETY: the caller's block is `Global`'s.
        unsafe { Global.deallocate(block) };
    }
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: the caller's block is `Global`'s.
        unsafe { Global.usable_size(block) }
    }
}

impl Forgetful {
    const fn new() -> Self {
        Self {
            released: Mutex::new(None),
        }
    }

    /// Releases the memory of a string behind its allocator's back, for the next string, which has to be
    /// of its length.
    ///
    /// # Safety
    ///
    /// It is a live string of this heap's, and is not used afterwards.
    unsafe fn release(&self, string: BSTR) {
        // SAFETY: a string's block begins a header before its data.
        let block = unsafe { string.cast_mut().byte_sub(HEADER) };
        *self.released.lock().unwrap() = NonNull::new(block.cast()).map(Block);
    }
}

/// Calls `code` as a function with an \[in\] string.
#[track_caller]
fn call_in<R: audit::Outcome>(name: &str, string: BSTR, code: impl FnOnce() -> R) -> R {
    Call::new(name).input(string).run(code)
}

/// Calls a function that sets its \[out\] parameter, which holds `before`, to `answer`.
#[track_caller]
fn call_out(name: &str, before: BSTR, answer: impl FnOnce() -> (BSTR, HRESULT)) -> BSTR {
    let mut slot = before;
    let place = &raw mut slot;
    // SAFETY: the variable outlives the call, and is used through the pointer alone.
    let call = unsafe { Call::new(name).out(place) };
    call.run(|| {
        let (answer, result) = answer();
        // SAFETY: as above.
        unsafe { *place = answer };
        result
    });
    slot
}

/// Calls a function that sets its \[in, out\] parameter, which holds `before`, to `after`.
#[track_caller]
fn call_inout(name: &str, before: BSTR, after: impl FnOnce() -> BSTR) -> BSTR {
    let mut slot = before;
    let place = &raw mut slot;
    // SAFETY: the variable outlives the call, and is used through the pointer alone.
    let call = unsafe { Call::new(name).inout(place) };
    // SAFETY: as above.
    call.run(|| unsafe { *place = after() });
    slot
}

/// A new string, with a NUL inside it.
#[track_caller]
fn fresh() -> BSTR {
    raw(Text::of_units(&[0x66, 0x72, 0, 0x73, 0x68]).as_ref())
}

#[track_caller]
fn copy(string: BSTR) -> BSTR {
    // SAFETY: the string is live, and has as many bytes as it says.
    unsafe { SysAllocStringByteLen(string.cast(), SysStringByteLen(string)) }
}

/// A string's byte `offset` bytes from its data, changed.
fn damage(string: BSTR, offset: isize) {
    // SAFETY: mistakes stay within what the audit has put around its strings.
    unsafe {
        let byte = string.cast_mut().byte_offset(offset).cast::<u8>();
        byte.write(byte.read() ^ 0x55);
    }
}

impl Actor {
    /// Makes the mistake, if it is time to.
    fn plant_at(&mut self, step: usize) {
        if let Some(fault) = self.fault.take_if(|fault| fault.at == step) {
            let planted = self.plant(&fault);
            self.planted = Some(planted);
        }
    }

    /// A string for a mistake, which is the variable's no more: one of the program's, of at least that
    /// many bytes, or a new one.
    ///
    /// In a call, what happens to strings that were lent before is told apart by whom they were lent to,
    /// so there it is always a new one.
    fn victim(&mut self, fault: &Fault, bytes: usize) -> Text {
        let is_apart = |text: &Text| {
            text.is_ours && text.bytes.len() >= bytes && !self.pins.contains(&text.raw)
        };
        let candidates: Vec<_> = (0..OWNERS)
            .filter(|&owner| {
                self.lent.is_empty() && self.owners[owner].as_ref().is_some_and(is_apart)
            })
            .collect();
        if candidates.is_empty() {
            let bytes = bytes_of(&[0x66, 0x72, 0, 0x73, 0x68]);
            return Text::new(fresh(), bytes).unwrap();
        }
        let owner = candidates[fault.string.index(candidates.len())];
        self.owners[owner].take().unwrap()
    }

    /// Puts a string that mistakes were made with back into a variable, or frees it.
    fn give_back(&mut self, text: Text) {
        let empty =
            (0..OWNERS).find(|&owner| self.owners[owner].is_none() && self.may_change(owner));
        match empty {
            Some(owner) => self.owners[owner] = Some(text),
            None => free(text.raw),
        }
    }

    fn plant(&mut self, fault: &Fault) -> Planted {
        let kind = fault.kind;
        let way = |ways: usize| fault.way.index(ways);
        // In a call the second free of a string that was lent looks as if the callee had kept it.
        let is_outside = self.lent.is_empty();
        let planted = Planted::of([kind]);
        match kind {
            Kind::Leak => planted.leaving(self.victim(fault, 0).raw),
            Kind::DoubleFree => {
                let string = self.victim(fault, 0).raw;
                let handle = self.handle.clone();
                let parcel = Parcel(string);
                match way(4) {
                    0 => elsewhere(handle.as_ref(), || free(parcel.open())),
                    1 => on_a_thread(None, || free(parcel.open())),
                    _ => free(string),
                }
                free(string);
                planted
            }
            Kind::UseAfterFree => self.use_after_free(fault, planted),
            Kind::NotABstr => {
                let memory = [7_u64; 16];
                match way(4) {
                    0 => free(u16cstr!("a literal").as_ptr()),
                    1 => free(bstr!("a BSTR in static memory").as_raw()),
                    2 => free(memory[4..].as_ptr().cast()),
                    _ => {
                        let mut slot = memory[4..].as_ptr().cast();
                        // SAFETY: under audit nothing foreign is touched.
                        unsafe { SysReAllocStringLen(&mut slot, null(), 3) };
                    }
                }
                assert_eq!(memory, [7; 16]);
                planted
            }
            Kind::MovedPointer => {
                let text = self.victim(fault, 2);
                let inside = text
                    .raw
                    .wrapping_byte_add(1 + fault.string.index(text.bytes.len()));
                if way(2) == 0 {
                    free(inside);
                } else {
                    let mut slot = inside;
                    // SAFETY: under audit only the string's owner changes it.
                    assert_eq!(unsafe { SysReAllocStringLen(&mut slot, null(), 1) }, FALSE);
                }
                self.give_back(text);
                planted
            }
            Kind::Overrun => {
                let text = self.victim(fault, 0);
                // Behind the data come the terminator and guard bytes, 16 in all.
                let offset = text.bytes.len() + way(16);
                damage(text.raw, offset.cast_signed());
                self.give_back(text);
                planted
            }
            Kind::Underrun => {
                let mut text = self.victim(fault, 0);
                damage(text.raw, way(4).cast_signed() - 4);
                if fault.string.index(2) == 0 {
                    free(text.raw);
                } else {
                    // Which makes all well again.
                    // SAFETY: the string is live.
                    let result = unsafe { SysReAllocStringLen(&mut text.raw, null(), 0) };
                    assert_eq!(result, TRUE);
                    text.bytes.clear();
                    self.give_back(text);
                }
                planted
            }
            Kind::InputFreed => {
                let string = self.victim(fault, 0).raw;
                let result = if way(2) == 0 { S_OK } else { E_FAIL };
                call_in("Free", string, || {
                    free(string);
                    result
                });
                if is_outside && fault.string.index(2) == 0 {
                    free(string);
                    return Planted::of([kind, Kind::DoubleFree]);
                }
                planted
            }
            Kind::InputChanged => self.input_changed(fault, planted),
            Kind::InputKept => {
                let string = self.victim(fault, 0).raw;
                call_in("Keep", string, || {});
                free(string);
                call_in("Later", null(), || match way(4) {
                    0 => free(string),
                    1 => {
                        // SAFETY: its memory is in quarantine.
                        let _ = unsafe { SysStringLen(string) };
                    }
                    2 => {
                        let mut slot = string;
                        // SAFETY: as above.
                        assert_eq!(unsafe { SysReAllocStringLen(&mut slot, null(), 3) }, FALSE);
                    }
                    _ => call_in("Pass", string, || {}),
                });
                planted
            }
            Kind::OutputStillOwned => {
                let server = fault.string.index(SERVERS);
                let is_kept = |text: &Text| text.is_ours && !self.pins.contains(&text.raw);
                let stored = self.kept[server].as_ref().filter(|text| is_kept(text));
                let stored = raw(stored);
                if stored.is_null() || !is_outside {
                    let string = fresh();
                    call_out("get_Stored", null(), || (string, S_OK));
                    free(string);
                } else {
                    let answer = call_out("get_Stored", null(), || (stored, S_OK));
                    if way(2) == 0 {
                        free(answer);
                        let text = self.kept[server].take();
                        free(raw(text.as_ref()));
                        return Planted::of([kind, Kind::DoubleFree]);
                    }
                }
                planted
            }
            Kind::OutputForeign => {
                let line = fresh();
                call_out("get_Foreign", null(), || {
                    let answer = match way(3) {
                        0 => bstr!("a literal").as_raw(),
                        1 => u16cstr!("another literal").as_ptr(),
                        _ => line.wrapping_add(2),
                    };
                    (answer, S_OK)
                });
                free(line);
                planted
            }
            Kind::OutputOverwritten => {
                let old = self.victim(fault, 0).raw;
                let answer = call_out("get_Text", old, || {
                    let answer = if way(3) == 0 { null() } else { fresh() };
                    (answer, S_OK)
                });
                free(answer);
                self.lost_or_not(fault, old, planted)
            }
            Kind::InOutNotFreed => {
                let old = self.victim(fault, 0).raw;
                let answer =
                    call_inout("Update", old, || if way(3) == 0 { null() } else { fresh() });
                free(answer);
                self.lost_or_not(fault, old, planted)
            }
            Kind::InOutNotReplaced => {
                let string = self.victim(fault, 0).raw;
                call_inout("Update", string, || {
                    free(string);
                    string
                });
                if is_outside && way(2) == 0 {
                    free(string);
                    return Planted::of([kind, Kind::DoubleFree]);
                }
                planted
            }
            Kind::OutputAfterFailure => {
                let answer = call_out("get_Text", null(), || (fresh(), E_FAIL));
                self.lost_or_not(fault, answer, planted)
            }
            Kind::OutputNotSet => {
                let stale = self.victim(fault, 0).raw;
                free(stale);
                let mut slot = if way(2) == 0 { null() } else { stale };
                // SAFETY: the variable outlives the call.
                unsafe { Call::new("get_Text").out(&raw mut slot) }.run(|| S_OK);
                planted
            }
            Kind::OutputTwice => {
                let mut shared = null();
                let first = call_out("get_Shared", null(), || {
                    shared = fresh();
                    (shared, S_OK)
                });
                if way(2) == 0 {
                    call_in("Between", first, || {});
                }
                call_out("get_Shared", null(), || (shared, S_OK));
                free(first);
                planted
            }
            Kind::AliasedSource => {
                let text = self.victim(fault, 2);
                let mut slot = text.raw;
                let source = slot.wrapping_add(fault.string.index(text.bytes.len() / 2));
                // SAFETY: a string ends with a NUL. That the source lies in it is what this is about.
                assert_eq!(unsafe { SysReAllocString(&mut slot, source) }, TRUE);
                free(slot);
                planted
            }
            Kind::NullSlot => {
                // SAFETY: without a place for the string nothing happens.
                let result = unsafe {
                    match way(3) {
                        0 => SysReAllocString(null_mut(), null()),
                        1 => SysReAllocString(null_mut(), u16cstr!("text").as_ptr()),
                        _ => SysReAllocStringLen(null_mut(), null(), 5),
                    }
                };
                assert_eq!(result, FALSE);
                planted
            }
            Kind::SourceTooShort => {
                let text = self.victim(fault, 0);
                let bytes = len_of(&text.bytes);
                // Behind the data the terminator may be read, as data of its own.
                let more = bytes.next_multiple_of(2) + 3 + u32::try_from(way(500)).unwrap();
                // SAFETY: under audit no more is read than there is.
                unsafe {
                    let mut other = fresh();
                    match fault.string.index(3) {
                        0 => free(SysAllocStringByteLen(text.raw.cast(), more)),
                        1 => free(SysAllocStringLen(text.raw, more.div_ceil(2))),
                        _ => {
                            let units = more.div_ceil(2);
                            assert_eq!(SysReAllocStringLen(&mut other, text.raw, units), TRUE);
                        }
                    }
                    free(other);
                }
                self.give_back(text);
                planted
            }
            Kind::EmbeddedNul => {
                let mut text = self.victim(fault, 4);
                text.bytes[..2].fill(0);
                // SAFETY: the string has two bytes at least, and ends with a NUL.
                unsafe {
                    text.raw.cast_mut().write(0);
                    free(SysAllocString(text.raw));
                }
                self.give_back(text);
                planted
            }
            Kind::UnbalancedPin => {
                let text = self.victim(fault, 0);
                if way(2) == 0 {
                    // SAFETY: without a pin nothing happens.
                    unsafe { SysReleaseString(text.raw) };
                    self.give_back(text);
                    return planted;
                }
                // SAFETY: the string is live.
                assert_eq!(unsafe { SysAddRefString(text.raw) }, S_OK);
                free(text.raw);
                Planted {
                    left_pins: vec![text.raw],
                    ..planted
                }
            }
            Kind::LiveResult => {
                let text = self.victim(fault, 0);
                let mut result = text.raw;
                let left = if way(2) == 0 { text.raw } else { null() };
                // SAFETY: the strings are live.
                let outcome = unsafe { VarBstrCat(left, text.raw, &mut result) };
                assert_eq!(outcome, S_OK);
                free(result);
                self.give_back(text);
                planted
            }
            Kind::WrongDeallocator => {
                static BACKEND: Portable<Forgetful> = Portable::new(Forgetful::new());
                let ole = OleAut::new(Audited::new(&BACKEND));
                let bytes = u32::try_from(fault.string.index(500)).unwrap();
                // SAFETY: a NULL source has nothing to read; each string is freed once, by the one or the
                // other way.
                unsafe {
                    let string = ole.SysAllocStringByteLen(null(), bytes);
                    BACKEND.heap().release(string);
                    let again = ole.SysAllocStringByteLen(null(), bytes);
                    assert_eq!(again, string);
                    ole.SysFreeString(again);
                }
                planted
            }
            Kind::Uninitialized => {
                let units = 1 + u32::try_from(fault.string.index(40)).unwrap();
                // SAFETY: a NULL source has nothing to read.
                let unwritten = || unsafe { SysAllocStringLen(null(), units) };
                let string = match way(3) {
                    0 => {
                        let string = unwritten();
                        call_in("put_Text", string, || {});
                        string
                    }
                    1 => call_out("get_Text", null(), || (unwritten(), S_OK)),
                    _ => call_inout("Update", null(), unwritten),
                };
                free(string);
                planted
            }
            _ => {
                // No memory, which nobody thought of.
                let string = fresh();
                if string.is_null() {
                    resume_unwind(Box::new("no string")); // a panic, without a message
                }
                free(string);
                planted
            }
        }
    }

    /// The string that a call has put another one in the place of: somebody has it still and frees it,
    /// or nobody does, and it is a leak as well.
    fn lost_or_not(&self, fault: &Fault, string: BSTR, planted: Planted) -> Planted {
        if fault.string.index(2) == 0 {
            let expected = [fault.kind, Kind::Leak];
            return Planted::of(expected).leaving(string);
        }
        free(string);
        planted
    }

    fn use_after_free(&mut self, fault: &Fault, planted: Planted) -> Planted {
        let text = self.victim(fault, 1);
        let string = text.raw;
        // SAFETY: what is freed is in quarantine, where nothing is done to it.
        unsafe {
            match fault.way.index(8) {
                0 => {
                    free(string);
                    assert_eq!(SysStringByteLen(string), len_of(&text.bytes), "what it was");
                }
                1 => {
                    free(string);
                    let mut slot = string;
                    assert_eq!(SysReAllocStringLen(&mut slot, null(), 3), FALSE);
                }
                2 => {
                    free(string);
                    SysAddRefString(string);
                }
                3 => {
                    free(string);
                    SysReleaseString(string);
                }
                4 => {
                    free(string);
                    call_in("put_Text", string, || {});
                }
                5 => {
                    free(string);
                    damage(string, fault.string.index(text.bytes.len()).cast_signed());
                }
                6 => {
                    let mut moved = string;
                    assert_eq!(SysReAllocStringLen(&mut moved, null(), 600), TRUE);
                    let _ = SysStringLen(string);
                    free(moved);
                }
                _ => {
                    call_out("get_Text", null(), || {
                        let answer = fresh();
                        free(answer);
                        (answer, S_OK)
                    });
                    free(string);
                }
            }
        }
        planted
    }

    fn input_changed(&mut self, fault: &Fault, planted: Planted) -> Planted {
        let mut text = self.victim(fault, 2);
        let at = fault.string.index(text.bytes.len());
        match fault.way.index(4) {
            0 => {
                call_in("Change", text.raw, || damage(text.raw, at.cast_signed()));
                text.bytes[at] ^= 0x55;
            }
            1 => {
                let mut slot = text.raw;
                call_in("Shorten", text.raw, || {
                    // SAFETY: the string is live.
                    assert_eq!(unsafe { SysReAllocStringLen(&mut slot, null(), 1) }, TRUE);
                });
                text.bytes.truncate(2);
            }
            2 => {
                let mut slot = text.raw;
                call_in("Move", text.raw, || {
                    // SAFETY: the string is live.
                    assert_eq!(unsafe { SysReAllocStringLen(&mut slot, null(), 600) }, TRUE);
                    free(slot);
                });
                if self.lent.is_empty() {
                    free(text.raw);
                    return Planted::of([fault.kind, Kind::DoubleFree]);
                }
                return planted;
            }
            // By a callee of the callee.
            _ => {
                call_in("Outer", text.raw, || {
                    let copied = copy(text.raw);
                    call_inout("Inner", copied, || {
                        damage(text.raw, at.cast_signed());
                        copied
                    });
                    free(copied);
                });
                text.bytes[at] ^= 0x55;
            }
        }
        self.give_back(text);
        planted
    }
}

/// Runs a program under audit, its actors side by side.
fn run(session: Session, actors: &[Vec<Op>], fault: Option<(usize, &Fault)>) -> (Report, Planted) {
    let of = |number: usize| {
        fault
            .filter(|(actor, _)| *actor == number)
            .map(|(_, fault)| fault.clone())
    };
    let planted = thread::scope(|scope| {
        let others: Vec<_> = (1..actors.len())
            .map(|number| {
                let (handle, fault, ops) = (session.handle(), of(number), &actors[number]);
                scope.spawn(move || {
                    let _entered = handle.enter();
                    Actor::new(Some(handle), fault).run(ops)
                })
            })
            .collect();
        let mut planted = Actor::new(Some(session.handle()), of(0)).run(&actors[0]);
        for other in others {
            let theirs = other.join().unwrap_or_else(|panic| resume_unwind(panic));
            planted = planted.or(theirs);
        }
        planted.unwrap_or_default()
    });
    let report = session.finish();
    planted.left.iter().copied().for_each(free);
    for &pin in &planted.left_pins {
        // SAFETY: the pin is this program's, and the session has freed the string.
        unsafe { SysReleaseString(pin) };
    }
    (report, planted)
}

fn config() -> ProptestConfig {
    let config = common::config();
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config.cases,
        None => 1200,
    };
    ProptestConfig { cases, ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_is_found_in_correct_programs(
        actors in actors(),
        fails in 0..120_u64,
        quarantine in select(vec![1 << 20, 1 << 20, 2000, 0]),
        guard_pages in 0..8,
    ) {
        let mut settings = Session::builder().quarantine(quarantine);
        if fails < 60 {
            // Correct programs bear that an allocation fails.
            settings = settings.fail_nth(fails + 1);
        }
        #[cfg(unix)]
        if guard_pages == 0 {
            settings = settings.guard_pages();
        }
        let _ = guard_pages;
        let (report, _) = run(settings.start(), &actors, None);
        prop_assert!(report.is_clean(), "{report}");
        prop_assert_eq!(report.stats().allocated(), report.stats().freed());
    }

    #[test]
    fn the_one_mistake_in_a_program_is_found(
        actors in actors(),
        actor in any::<Index>(),
        kind in 0..KINDS.len(),
        (at, way, string) in any::<(Index, Index, Index)>(),
    ) {
        let kind = KINDS[kind];
        let actor = actor.index(actors.len());
        let at = at.index(count(&actors[actor]) + 1);
        let fault = Fault { kind, at, way, string };
        let session = Session::builder().start();
        let (report, planted) = run(session, &actors, Some((actor, &fault)));
        prop_assert!(!planted.expected.is_empty(), "it was planted");
        prop_assert_eq!(kinds(&report), planted.expected, "{}", report);
        let mut violations = report.violations().iter();
        prop_assert!(violations.all(|violation| violation.count() == 1), "{}", report);
    }
}

/// Each program runs once for each of its allocations.
fn config_of_sweeps() -> ProptestConfig {
    let config = config();
    ProptestConfig {
        cases: config.cases.div_ceil(8),
        ..config
    }
}

proptest! {
    #![proptest_config(config_of_sweeps())]

    #[test]
    fn the_one_allocation_that_has_to_succeed_is_found(
        ops in steps(10),
        (at, way, string) in any::<(Index, Index, Index)>(),
    ) {
        let at = at.index(count(&ops) + 1);
        let fault = Fault { kind: Kind::AllocationFailure, at, way, string };
        let correct = audit::sweep(|| Actor::new(None, None).run(&ops));
        prop_assert!(correct.is_clean(), "{}", correct);
        let sweep = audit::sweep(|| Actor::new(None, Some(fault.clone())).run(&ops));
        let dirty: Vec<_> = sweep.runs().iter().filter(|run| !run.report().is_clean()).collect();
        prop_assert_eq!(dirty.len(), 1, "{}", sweep);
        prop_assert_eq!(kinds(dirty[0].report()), [Kind::AllocationFailure], "{}", sweep);
        let notes = dirty[0].report().violations()[0].notes();
        prop_assert_eq!(notes, ["it panicked: no string"]);
        prop_assert_eq!(sweep.runs().len(), correct.runs().len() + 1);
    }
}
