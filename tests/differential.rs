//! The portable functions and the real OLEAUT32, side by side in one process.
//!
//! Random calls are made on both sides. Whatever can be seen of the outcome, answers, NULLs,
//! lengths, contents, terminators, and whether a string stayed where it was, must be the same.
//! [`DIFFERENCES`] has all there may be otherwise, with the reasons.

#![cfg(windows)]

mod common;

use common::{
    HOSTILE_BYTES, HOSTILE_UNITS, MAX_BYTES, MAX_UNITS, Oleaut32, Owned, Process, Real, is_wine,
};
use portable_bstr::backend::Portable;
use portable_bstr::heap::Global;
use portable_bstr::sys::{BSTR, FALSE, OleAut, PCWSTR, TRUE};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::ptr::{null, null_mut};
use std::slice;

/// What may be seen of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Aspect {
    /// Whether it can be made at all.
    Call,
    Answer,
    /// NULL, both lengths, and the prefix.
    Lengths,
    /// The data, as far as the string's own old data reaches where that is the source.
    Data,
    /// The data behind that.
    Rest,
    Terminator,
    /// Whether the string is where it was.
    Place,
}

/// An intended difference.
struct Difference {
    aspect: Aspect,
    /// Whether this call, on a string that had so many bytes, may differ.
    applies: fn(&Op, usize) -> bool,
    why: &'static str,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        aspect: Aspect::Data,
        applies: |op, _| {
            matches!(
                op,
                Op::AllocStringLen(_, Source::Null, _) | Op::AllocZeroBytes(..)
            )
        },
        why: "a new string without a source has unspecified contents; here it has zeros, since \
              safe code can see them",
    },
    Difference {
        aspect: Aspect::Data,
        applies: |op, _| matches!(op, Op::ReAllocStringLen(_, Source::Null, _)),
        why: "a string that is reallocated without a source has unspecified contents; here the \
              old ones stay, and the rest is zero",
    },
    Difference {
        aspect: Aspect::Rest,
        applies: |op, _| op.is_from_itself(),
        why: "a string that grows from itself has nothing to copy behind its end; here that is zero",
    },
    Difference {
        aspect: Aspect::Place,
        applies: |op, _| matches!(op, Op::ReAllocString(..)),
        why: "only SysReAllocStringLen is known to leave a string in its place",
    },
    Difference {
        aspect: Aspect::Place,
        applies: |op, old| matches!(op, Op::ReAllocStringLen(_, _, units) if *units as usize * 2 > old),
        why: "whether a string that grows has to move depends on the heap",
    },
    Difference {
        aspect: Aspect::Call,
        applies: |op, _| matches!(op, Op::ReAllocString(slot, Source::Slot(own)) if own == slot),
        why: "the documentation forbids SysReAllocString a source inside the string; here it works",
    },
    Difference {
        aspect: Aspect::Call,
        applies: |op, _| {
            let overflows = match op {
                Op::AllocTooLong(_, len) => *len == MAX_UNITS + 1,
                Op::AllocBytesTooLong(_, len) => *len == MAX_BYTES + 1,
                Op::ReAllocTooLong(..) => true,
                _ => false,
            };
            overflows && is_wine()
        },
        why: "Wine computes the size of such a string with an overflow, and writes past its block; \
              Windows refuses",
    },
    Difference {
        aspect: Aspect::Call,
        applies: |op, _| matches!(op, Op::ReAllocNowhere(_)),
        why: "a NULL pbstr is an access violation on Windows; here the answer is FALSE",
    },
];

/// How often each row of [`DIFFERENCES`] was needed.
type Needed = [Cell<usize>; DIFFERENCES.len()];

/// How many strings there are at a time, NULLs included.
const SLOTS: usize = 4;

#[derive(Clone, Debug)]
enum Source {
    Null,
    /// Units with a NUL behind them that does not count.
    Units(Vec<u16>),
    /// The string in a slot, which may be the one that is replaced.
    Slot(usize),
}

#[derive(Clone, Debug)]
enum Op {
    AllocString(usize, Source),
    /// Of no more units than there are.
    AllocStringLen(usize, Source, u32),
    AllocBytes(usize, Vec<u8>),
    AllocZeroBytes(usize, u32),
    AllocTooLong(usize, u32),
    AllocBytesTooLong(usize, u32),
    ReAllocString(usize, Source),
    /// Of no more units than there are, unless the source is NULL or the string itself.
    ReAllocStringLen(usize, Source, u32),
    ReAllocTooLong(usize, u32),
    ReAllocNowhere(u32),
    Free(usize),
    /// A length in the prefix that is not the string's, as long as somebody looks.
    Restate(usize, u32),
    Poke(usize, Index, u8),
}

impl Op {
    fn slot(&self) -> usize {
        match self {
            Op::AllocString(slot, _)
            | Op::AllocStringLen(slot, ..)
            | Op::AllocBytes(slot, _)
            | Op::AllocZeroBytes(slot, _)
            | Op::AllocTooLong(slot, _)
            | Op::AllocBytesTooLong(slot, _)
            | Op::ReAllocString(slot, _)
            | Op::ReAllocStringLen(slot, ..)
            | Op::ReAllocTooLong(slot, _)
            | Op::Free(slot)
            | Op::Restate(slot, _)
            | Op::Poke(slot, ..) => *slot,
            Op::ReAllocNowhere(_) => 0,
        }
    }

    fn is_from_itself(&self) -> bool {
        matches!(self, Op::ReAllocStringLen(slot, Source::Slot(own), _) if own == slot)
    }

    /// Whether this puts a string that was not there before in the place of the old one.
    fn allocates(&self) -> bool {
        matches!(
            self,
            Op::AllocString(..)
                | Op::AllocStringLen(..)
                | Op::AllocBytes(..)
                | Op::AllocZeroBytes(..)
                | Op::AllocTooLong(..)
                | Op::AllocBytesTooLong(..)
        )
    }
}

/// Units, some of them NUL. Of lengths around the granules of small blocks, and on both sides of
/// what the cache keeps.
fn units() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![1 => Just(0), 8 => 1..0x80_u16, 2 => any::<u16>()];
    prop_oneof![
        12 => vec(unit.clone(), 0..40),
        2 => vec(unit, 100..300),
        1 => (any::<u16>(), 16_000..17_000_usize).prop_map(|(unit, len)| vec![unit; len]),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        1 => Just(Source::Null),
        3 => units().prop_map(Source::Units),
        2 => (0..SLOTS).prop_map(Source::Slot),
    ]
}

fn len() -> impl Strategy<Value = u32> {
    prop_oneof![12 => 0..50_u32, 3 => 100..400_u32, 1 => 16_000..17_000_u32]
}

fn op() -> impl Strategy<Value = Op> {
    let slot = 0..SLOTS;
    let bytes = vec(any::<u8>(), 0..80);
    prop_oneof![
        3 => (slot.clone(), source()).prop_map(|(s, source)| Op::AllocString(s, source)),
        4 => (slot.clone(), source(), len()).prop_map(|(s, source, n)| Op::AllocStringLen(s, source, n)),
        4 => (slot.clone(), bytes).prop_map(|(s, bytes)| Op::AllocBytes(s, bytes)),
        1 => (slot.clone(), len()).prop_map(|(s, n)| Op::AllocZeroBytes(s, n)),
        1 => (slot.clone(), select(&HOSTILE_UNITS)).prop_map(|(s, n)| Op::AllocTooLong(s, n)),
        1 => (slot.clone(), select(&HOSTILE_BYTES)).prop_map(|(s, n)| Op::AllocBytesTooLong(s, n)),
        4 => (slot.clone(), source()).prop_map(|(s, source)| Op::ReAllocString(s, source)),
        9 => (slot.clone(), source(), len()).prop_map(|(s, source, n)| Op::ReAllocStringLen(s, source, n)),
        1 => (slot.clone(), select(&HOSTILE_UNITS)).prop_map(|(s, n)| Op::ReAllocTooLong(s, n)),
        1 => len().prop_map(Op::ReAllocNowhere),
        2 => slot.clone().prop_map(Op::Free),
        1 => (slot.clone(), any::<u32>()).prop_map(|(s, bytes)| Op::Restate(s, bytes)),
        2 => (slot, any::<Index>(), any::<u8>()).prop_map(|(s, at, byte)| Op::Poke(s, at, byte)),
    ]
}

/// What is there to be seen of a string.
#[derive(Debug, Default)]
struct Seen {
    address: BSTR,
    lengths: Option<(u32, u32, u32)>,
    data: Vec<u8>,
    terminator: Vec<u8>,
}

/// Looks at a string that is NULL or live.
fn look(string: &Owned<'_>) -> Seen {
    let raw = string.raw();
    if raw.is_null() {
        assert_eq!((string.byte_len(), string.len()), (0, 0), "NULL is empty");
        return Seen::default();
    }
    let prefix = raw.wrapping_byte_sub(4).cast::<[u8; 4]>();
    // SAFETY: the four bytes before a string are its prefix.
    let bytes = u32::from_ne_bytes(unsafe { prefix.read() });
    let framed = bytes.next_multiple_of(2) as usize + 2;
    // SAFETY: data and terminator may be read.
    let memory = unsafe { slice::from_raw_parts(raw.cast::<u8>(), framed) };
    let (data, terminator) = memory.split_at(bytes as usize);
    Seen {
        address: raw,
        lengths: Some((bytes, string.byte_len(), string.len())),
        data: data.to_vec(),
        terminator: terminator.to_vec(),
    }
}

/// Both sides: strings are kept in pairs that hold the same.
struct Sides<'a> {
    ole: [&'a dyn Oleaut32; 2],
    slots: [[Owned<'a>; 2]; SLOTS],
    needed: &'a Needed,
}

impl<'a> Sides<'a> {
    fn new(ole: [&'a dyn Oleaut32; 2], needed: &'a Needed) -> Self {
        Self {
            ole,
            needed,
            slots: std::array::from_fn(|_| ole.map(Owned::null)),
        }
    }

    /// Makes a call that can be made, on both sides, and compares all there is to be seen.
    fn step(&mut self, mut op: Op) {
        self.make_possible(&mut op);
        let slot = op.slot();
        let before = self.slots[slot].each_ref().map(look);
        let old = before[0].data.len();
        let needed = self.needed;
        let may_differ = |aspect| {
            let mut rows = DIFFERENCES.iter().zip(needed);
            let row = rows.find(|(row, _)| row.aspect == aspect && (row.applies)(&op, old));
            row.map(|(_, needed)| needed.update(|count| count + 1))
                .is_some()
        };
        if may_differ(Aspect::Call) {
            return;
        }
        let answers = [0, 1].map(|side| self.call(side, &op));
        let after = self.slots[slot].each_ref().map(look);
        let [ours, real] = &after;
        let known = if op.is_from_itself() {
            old.min(ours.data.len())
        } else {
            ours.data.len()
        };
        let stayed = |side: usize| after[side].address == before[side].address;
        let place = if op.allocates() {
            [true; 2]
        } else {
            [0, 1].map(stayed)
        };

        let mut unknown = ours.data.len();
        let mut agree = |aspect, same: bool, from: usize| {
            assert!(
                same || may_differ(aspect),
                "{aspect:?} of {op:?}, where there were {old} bytes:\n\
                 ours answered {}, {ours:?}\nreal answered {}, {real:?}",
                answers[0],
                answers[1]
            );
            if !same && aspect != Aspect::Place {
                unknown = unknown.min(from);
            }
        };
        agree(Aspect::Answer, answers[0] == answers[1], 0);
        agree(Aspect::Lengths, ours.lengths == real.lengths, 0);
        agree(Aspect::Data, ours.data[..known] == real.data[..known], 0);
        agree(
            Aspect::Rest,
            ours.data[known..] == real.data[known..],
            known,
        );
        agree(Aspect::Terminator, ours.terminator == real.terminator, 0);
        agree(Aspect::Place, place[0] == place[1], 0);

        // From here on it is known.
        for offset in unknown..ours.data.len() {
            for string in &self.slots[slot] {
                string.poke(offset, 0x55);
            }
        }
    }

    /// Makes lengths and sources fit each other, and puts NULs where they have to be.
    fn make_possible(&self, op: &mut Op) {
        let from_itself = op.is_from_itself();
        match op {
            Op::AllocString(_, source) | Op::ReAllocString(_, source) => {
                if let Source::Units(units) = source {
                    units.push(0);
                }
            }
            Op::AllocStringLen(_, source, len) | Op::ReAllocStringLen(_, source, len) => {
                let available = match source {
                    Source::Null => u32::MAX,
                    Source::Slot(_) if from_itself => u32::MAX,
                    Source::Units(units) => u32::try_from(units.len()).unwrap(),
                    Source::Slot(slot) if self.slots[*slot][0].raw().is_null() => {
                        *source = Source::Null;
                        u32::MAX
                    }
                    Source::Slot(slot) => self.slots[*slot][0].len(),
                };
                *len = available.min(*len);
            }
            _ => {}
        }
    }

    fn pointer(&self, side: usize, source: &Source) -> PCWSTR {
        match source {
            Source::Null => null(),
            Source::Units(units) => units.as_ptr(),
            Source::Slot(slot) => self.slots[*slot][side].raw(),
        }
    }

    /// Makes a call on one side, and returns what it answered; where that is a string, in a slot.
    fn call(&mut self, side: usize, op: &Op) -> i32 {
        let ole = self.ole[side];
        let put = |strings: &mut [Owned<'a>; 2], raw| {
            // SAFETY: the string is new.
            strings[side] = unsafe { Owned::from_raw(ole, raw) };
            TRUE
        };
        match op {
            Op::AllocString(slot, source) => {
                // SAFETY: NULL, or there is a NUL, at a string's end if not before.
                let raw = unsafe { ole.SysAllocString(self.pointer(side, source)) };
                put(&mut self.slots[*slot], raw)
            }
            Op::AllocStringLen(slot, source, len) => {
                // SAFETY: NULL, or there are so many units.
                let raw = unsafe { ole.SysAllocStringLen(self.pointer(side, source), *len) };
                put(&mut self.slots[*slot], raw)
            }
            Op::AllocBytes(slot, bytes) => {
                let raw = Owned::bytes(ole, bytes).into_raw();
                put(&mut self.slots[*slot], raw)
            }
            Op::AllocZeroBytes(slot, len) => {
                let raw = Owned::zero_bytes(ole, *len).into_raw();
                put(&mut self.slots[*slot], raw)
            }
            Op::AllocTooLong(slot, len) => {
                put(&mut self.slots[*slot], Owned::zeros(ole, *len).into_raw())
            }
            Op::AllocBytesTooLong(slot, len) => {
                let raw = Owned::zero_bytes(ole, *len).into_raw();
                put(&mut self.slots[*slot], raw)
            }
            Op::ReAllocString(slot, source) => {
                let psz = self.pointer(side, source);
                let pbstr = self.slots[*slot][side].slot();
                // SAFETY: a string of this side or NULL; NULL, or there is a NUL.
                unsafe { ole.SysReAllocString(pbstr, psz) }
            }
            Op::ReAllocStringLen(slot, source, len) => {
                let psz = self.pointer(side, source);
                let pbstr = self.slots[*slot][side].slot();
                // SAFETY: a string of this side or NULL; NULL, the string, or so many units.
                unsafe { ole.SysReAllocStringLen(pbstr, psz, *len) }
            }
            Op::ReAllocTooLong(slot, len) => self.slots[*slot][side].resize(*len),
            Op::ReAllocNowhere(len) => {
                // SAFETY: NULL twice, which only our side is ever asked.
                unsafe { ole.SysReAllocStringLen(null_mut(), null(), *len) }
            }
            Op::Free(slot) => put(&mut self.slots[*slot], null()),
            Op::Restate(slot, bytes) => {
                let string = &self.slots[*slot][side];
                if string.raw().is_null() {
                    return FALSE;
                }
                let stated = string.byte_len();
                string.rewrite_prefix(*bytes);
                let lengths = (string.byte_len(), string.len());
                string.rewrite_prefix(stated);
                assert_eq!(lengths, (*bytes, bytes / 2), "lengths are the prefix's");
                TRUE
            }
            Op::Poke(slot, at, byte) => {
                let string = &self.slots[*slot][side];
                match string.byte_len() as usize {
                    0 => FALSE,
                    len => {
                        string.poke(at.index(len), *byte);
                        TRUE
                    }
                }
            }
        }
    }

    /// Nothing has happened to a string that no call was about.
    fn compare_all(&self) {
        for [ours, real] in &self.slots {
            let (ours, real) = (look(ours), look(real));
            assert_eq!(ours.lengths, real.lengths);
            assert_eq!(ours.data, real.data);
            assert_eq!(ours.terminator, real.terminator);
        }
    }
}

/// Runs random calls on `ours` and on the real functions, `PROPTEST_CASES` sequences of them.
fn compare(ours: &dyn Oleaut32) {
    let config = common::config();
    let calls = Cell::new(0);
    let needed = Needed::default();
    let outcome = TestRunner::new(config).run(&vec(op(), 100..500), |ops| {
        let mut sides = Sides::new([ours, &Real], &needed);
        calls.set(calls.get() + ops.len());
        for op in ops {
            sides.step(op);
            sides.compare_all();
        }
        Ok(())
    });
    println!(
        "{} calls on each side, and of the differences:",
        calls.get()
    );
    for (Difference { aspect, why, .. }, count) in DIFFERENCES.iter().zip(&needed) {
        println!("{:>8} {aspect:?}: {why}", count.get());
    }
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Portable, or where that is the backend, OLEAUT32 behind the crate's own contract.
#[test]
fn the_process_functions() {
    compare(&Process);
}

#[test]
fn over_the_global_allocator() {
    compare(&OleAut::new(Portable::new(Global)));
}
