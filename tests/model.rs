//! Random sequences of OLEAUT32's functions against a naive model of what memory holds.
//!
//! Four slots hold strings or NULL. Lengths may be hostile, sources may lie inside the very string
//! that is replaced, prefixes are rewritten and strings pinned. Behind every step everything is
//! compared: what was returned, both lengths, every byte and the terminators.

mod common;

use common::{
    HOSTILE_BYTES, HOSTILE_UNITS, Oleaut32, Owned, Process, Strict, block_size, bytes_of,
    expect_stated, is_oleaut32,
};
use portable_bstr::backend::Portable;
use portable_bstr::heap::Global;
use portable_bstr::sys::{BSTR, FALSE, OleAut, S_OK, TRUE};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::ptr::{null, null_mut};

/// How many strings there are at a time, NULLs included.
const SLOTS: usize = 4;

/// Where a string's contents come from.
#[derive(Clone, Debug)]
enum Source {
    Null,
    /// Memory that is no string's.
    Units(Vec<u16>),
    /// Inside the string of a slot, which may be the one that is replaced; NULL where that is.
    Inside(usize, Index),
}

#[derive(Clone, Debug)]
enum Op {
    AllocString(usize, Source),
    AllocStringLen(usize, Source, Index),
    AllocZeros(usize, u32),
    AllocBytes(usize, Vec<u8>),
    AllocZeroBytes(usize, u32),
    AllocHostile(usize),
    ReAllocString(usize, Source),
    ReAllocStringLen(usize, Source, u32),
    ReAllocHostile(usize, Source, u32),
    Free(usize),
    RewritePrefix(usize, u32),
    RestorePrefix(usize),
    Poke(usize, Index, u8),
    AddRef(Index),
    Release(Index),
    Nulls,
}

fn slot() -> impl Strategy<Value = usize> {
    0..SLOTS
}

/// Units, some of them NUL. Mostly of lengths around the granules of small blocks.
fn units() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![1 => Just(0), 6 => 1..0x80_u16, 2 => any::<u16>()];
    prop_oneof![6 => vec(unit.clone(), 0..40), 1 => vec(unit, 100..300)]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        1 => Just(Source::Null),
        3 => units().prop_map(Source::Units),
        4 => (slot(), any::<Index>()).prop_map(|(slot, at)| Source::Inside(slot, at)),
    ]
}

fn len() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0..50_u32, 1 => 100..400_u32]
}

fn stated() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 0..80_u32, 1 => select(&[4000, 0x8000_0000, u32::MAX - 1, u32::MAX])]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (slot(), source()).prop_map(|(s, source)| Op::AllocString(s, source)),
        3 => (slot(), source(), any::<Index>()).prop_map(|(s, source, n)| Op::AllocStringLen(s, source, n)),
        1 => (slot(), len()).prop_map(|(s, n)| Op::AllocZeros(s, n)),
        3 => (slot(), vec(any::<u8>(), 0..80)).prop_map(|(s, bytes)| Op::AllocBytes(s, bytes)),
        1 => (slot(), len()).prop_map(|(s, n)| Op::AllocZeroBytes(s, n)),
        1 => slot().prop_map(Op::AllocHostile),
        3 => (slot(), source()).prop_map(|(s, source)| Op::ReAllocString(s, source)),
        8 => (slot(), source(), len()).prop_map(|(s, source, n)| Op::ReAllocStringLen(s, source, n)),
        2 => (slot(), source(), select(&HOSTILE_UNITS)).prop_map(|(s, source, n)| Op::ReAllocHostile(s, source, n)),
        2 => slot().prop_map(Op::Free),
        2 => (slot(), stated()).prop_map(|(s, bytes)| Op::RewritePrefix(s, bytes)),
        1 => slot().prop_map(Op::RestorePrefix),
        2 => (slot(), any::<Index>(), any::<u8>()).prop_map(|(s, at, byte)| Op::Poke(s, at, byte)),
        2 => any::<Index>().prop_map(Op::AddRef),
        2 => any::<Index>().prop_map(Op::Release),
        1 => Just(Op::Nulls),
    ]
}

/// What a string's memory holds.
#[derive(Clone, Debug, Default)]
struct Contents {
    data: Vec<u8>,
    /// What the prefix says, where it was rewritten.
    stated: Option<u32>,
}

impl Contents {
    fn new(data: Vec<u8>) -> Self {
        Self { data, stated: None }
    }

    fn stated(&self) -> u32 {
        self.stated
            .unwrap_or(u32::try_from(self.data.len()).unwrap())
    }

    /// The string's units as a reader of memory sees them, its terminator included.
    fn memory(&self) -> Vec<u16> {
        let mut bytes = self.data.clone();
        bytes.resize(bytes.len().next_multiple_of(2) + 2, 0);
        bytes
            .chunks_exact(2)
            .map(|unit| u16::from_ne_bytes([unit[0], unit[1]]))
            .collect()
    }

    /// How much of the contents counts as the string: the prefix is believed where it says less.
    fn old_len(&self) -> usize {
        self.data.len().min(self.stated().try_into().unwrap())
    }
}

/// One slot: a string and what it should hold, or NULL.
struct Slot<'a> {
    string: Owned<'a>,
    contents: Option<Contents>,
    pins: usize,
}

/// A string that its owner freed or replaced and whose memory a pin holds.
struct Ghost {
    raw: BSTR,
    contents: Contents,
    pins: usize,
}

struct Model<'a> {
    ole: &'a dyn Oleaut32,
    slots: [Slot<'a>; SLOTS],
    ghosts: Vec<Ghost>,
}

/// A source, resolved: what to pass, and what is there to be read.
struct Resolved {
    pointer: *const u16,
    /// The units that can be read, a NUL among them. Empty where the pointer is NULL.
    units: Vec<u16>,
}

impl Resolved {
    /// What `wcslen` would count; `None` for NULL.
    fn before_nul(&self) -> Option<&[u16]> {
        let nul = self.units.iter().position(|&unit| unit == 0)?;
        Some(&self.units[..nul])
    }
}

impl<'a> Model<'a> {
    fn new(ole: &'a dyn Oleaut32) -> Self {
        let slots = std::array::from_fn(|_| Slot {
            string: Owned::null(ole),
            contents: None,
            pins: 0,
        });
        Self {
            ole,
            slots,
            ghosts: Vec::new(),
        }
    }

    /// How many blocks should be out.
    fn live(&self) -> usize {
        let strings = self.slots.iter().filter(|slot| slot.contents.is_some());
        strings.count() + self.ghosts.len()
    }

    /// Every foreign source ends with a NUL that is not counted, so that it serves as a PCWSTR.
    fn resolve(&self, source: &mut Source) -> Resolved {
        match source {
            Source::Null => Resolved {
                pointer: null(),
                units: Vec::new(),
            },
            Source::Units(units) => {
                if units.last() != Some(&0) {
                    units.push(0);
                }
                Resolved {
                    pointer: units.as_ptr(),
                    units: units.clone(),
                }
            }
            Source::Inside(slot, at) => match &self.slots[*slot].contents {
                None => self.resolve(&mut Source::Null),
                Some(contents) => {
                    let memory = contents.memory();
                    let at = at.index(memory.len());
                    Resolved {
                        pointer: self.slots[*slot].string.raw().wrapping_add(at),
                        units: memory[at..].to_vec(),
                    }
                }
            },
        }
    }

    /// Puts a new string into a slot and frees the one that was there.
    fn put(&mut self, slot: usize, string: Owned<'a>, contents: Option<Vec<u8>>) {
        let contents = contents.map(Contents::new);
        assert_eq!(string.raw().is_null(), contents.is_none());
        let new = Slot {
            string,
            contents,
            pins: 0,
        };
        let old = std::mem::replace(&mut self.slots[slot], new);
        self.haunt(old.contents, old.pins, old.string.raw());
    }

    /// Notes what is left, at `raw`, of a string that its owner frees or has replaced.
    fn haunt(&mut self, contents: Option<Contents>, pins: usize, raw: BSTR) {
        if let (Some(contents), 1..) = (contents, pins) {
            self.ghosts.push(Ghost {
                raw,
                contents,
                pins,
            });
        }
    }

    /// A successful reallocation of a slot to `len` bytes, `known` of them given and the rest
    /// zero, or unspecified where `vague`.
    fn replaced(&mut self, slot: usize, before: BSTR, mut known: Vec<u8>, len: usize, vague: bool) {
        known.truncate(len);
        let at = &mut self.slots[slot];
        let old = at.contents.take();
        let pins = std::mem::take(&mut at.pins);
        if pins > 0 {
            assert_ne!(at.string.raw(), before, "a pinned string moves");
        } else if old.as_ref().is_some_and(|old| len <= old.data.len()) && !is_oleaut32() {
            assert_eq!(at.string.raw(), before, "a shrinking string stays");
        }
        if vague {
            // From here on it is known.
            for offset in known.len()..len {
                at.string.poke(offset, 0x55);
            }
        }
        known.resize(len, if vague { 0x55 } else { 0 });
        at.contents = Some(Contents::new(known));
        self.haunt(old, pins, before);
    }

    /// What a reallocation to `len` bytes makes of a slot, from `at` bytes inside it on.
    fn replaced_from_own(&mut self, slot: usize, before: BSTR, at: usize, len: usize) {
        let old = self.slots[slot].contents.clone().unwrap();
        let kept = old.data[..old.old_len()].get(at..).unwrap_or(&[]).to_vec();
        // Behind what was written, a prefix that says more shows what happens to be there.
        let vague = old.stated() > u32::try_from(old.data.len()).unwrap();
        self.replaced(slot, before, kept, len, vague);
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::AllocString(slot, mut source) => {
                let source = self.resolve(&mut source);
                // SAFETY: NULL, or a NUL is among the units that can be read.
                let raw = unsafe { self.ole.SysAllocString(source.pointer) };
                // SAFETY: the string is new.
                let string = unsafe { Owned::from_raw(self.ole, raw) };
                let contents = source.before_nul().map(bytes_of);
                self.put(slot, string, contents);
            }
            Op::AllocStringLen(slot, mut source, len) => {
                let source = self.resolve(&mut source);
                let len = len.index(source.units.len() + 1);
                let contents = bytes_of(&source.units[..len]);
                let len = u32::try_from(len).unwrap();
                // SAFETY: that many units can be read.
                let raw = unsafe { self.ole.SysAllocStringLen(source.pointer, len) };
                // SAFETY: the string is new.
                let string = unsafe { Owned::from_raw(self.ole, raw) };
                self.put(slot, string, Some(contents));
            }
            Op::AllocZeros(slot, len) => {
                let string = Owned::zeros(self.ole, len);
                self.put(slot, string, Some(vec![0; len as usize * 2]));
            }
            Op::AllocBytes(slot, bytes) => {
                let string = Owned::bytes(self.ole, &bytes);
                self.put(slot, string, Some(bytes));
            }
            Op::AllocZeroBytes(slot, len) => {
                let string = Owned::zero_bytes(self.ole, len);
                self.put(slot, string, Some(vec![0; len as usize]));
            }
            Op::AllocHostile(slot) => {
                let units = HOSTILE_UNITS.map(|len| Owned::zeros(self.ole, len));
                let bytes = HOSTILE_BYTES.map(|len| Owned::zero_bytes(self.ole, len));
                for string in units.into_iter().chain(bytes) {
                    self.put(slot, string, None);
                }
            }
            Op::ReAllocString(slot, mut source) => self.realloc_string(slot, &mut source),
            Op::ReAllocStringLen(slot, mut source, len) => {
                self.realloc_string_len(slot, &mut source, len);
            }
            Op::ReAllocHostile(slot, source, len) => {
                let at = &mut self.slots[slot];
                let before = at.string.raw();
                // A source of that length there is none, so it is NULL or inside.
                let answer = match source {
                    Source::Inside(_, offset) if at.contents.is_some() => {
                        let inside = at.contents.as_ref().unwrap().memory().len();
                        at.string.assign_own(offset.index(inside), len)
                    }
                    _ => at.string.resize(len),
                };
                assert_eq!(answer, FALSE);
                assert_eq!(at.string.raw(), before);
            }
            Op::Free(slot) => self.put(slot, Owned::null(self.ole), None),
            // It tells nobody how large a block is, so its prefixes have to be believed.
            Op::RewritePrefix(..) if is_oleaut32() => {}
            Op::RewritePrefix(slot, stated) => {
                let at = &mut self.slots[slot];
                if let Some(contents) = &mut at.contents {
                    at.string.rewrite_prefix(stated);
                    contents.stated = Some(stated);
                }
            }
            Op::RestorePrefix(slot) => {
                let at = &mut self.slots[slot];
                if let Some(contents) = &mut at.contents {
                    contents.stated = None;
                    at.string.rewrite_prefix(contents.stated());
                }
            }
            Op::Poke(slot, offset, byte) => {
                let at = &mut self.slots[slot];
                if let Some(contents) = at.contents.as_mut().filter(|c| !c.data.is_empty()) {
                    let offset = offset.index(contents.data.len());
                    at.string.poke(offset, byte);
                    contents.data[offset] = byte;
                }
            }
            Op::AddRef(at) => self.add_ref(at.index(SLOTS + self.ghosts.len())),
            Op::Release(at) => self.release(at.index(SLOTS + self.ghosts.len())),
            Op::Nulls => self.nulls(),
        }
    }

    fn realloc_string(&mut self, slot: usize, source: &mut Source) {
        let resolved = self.resolve(source);
        let at = &mut self.slots[slot];
        let before = at.string.raw();
        let pbstr = at.string.slot();
        // SAFETY: a string or NULL; the source is NULL, or a NUL is among what can be read.
        let answer = unsafe { self.ole.SysReAllocString(pbstr, resolved.pointer) };
        assert_eq!(answer, TRUE);
        match (source, resolved.before_nul()) {
            (_, None) => {
                assert!(at.string.raw().is_null());
                let contents = at.contents.take();
                let pins = std::mem::take(&mut at.pins);
                self.haunt(contents, pins, before);
            }
            (Source::Inside(own, _), Some(text)) if *own == slot => {
                let offset = resolved.pointer.addr() - before.addr();
                self.replaced_from_own(slot, before, offset, text.len() * 2);
            }
            (_, Some(text)) => {
                self.replaced(slot, before, bytes_of(text), text.len() * 2, false);
            }
        }
    }

    fn realloc_string_len(&mut self, slot: usize, source: &mut Source, len: u32) {
        let resolved = self.resolve(source);
        let pointer = resolved.pointer;
        let at = &mut self.slots[slot];
        let before = at.string.raw();
        let own = matches!(source, Source::Inside(own, _) if *own == slot);
        // No more than can be read, where anything is.
        let readable = u32::try_from(resolved.units.len()).unwrap();
        let len = if own || pointer.is_null() {
            len
        } else {
            len.min(readable)
        };
        let pbstr = at.string.slot();
        // SAFETY: a string or NULL; the source is NULL, inside, or readable for that many units.
        let answer = unsafe { self.ole.SysReAllocStringLen(pbstr, pointer, len) };
        assert_eq!(answer, TRUE);

        let bytes = len as usize * 2;
        if !pointer.is_null() && !own {
            let known = bytes_of(&resolved.units[..len as usize]);
            self.replaced(slot, before, known, bytes, false);
        } else if at.contents.is_none() {
            self.replaced(slot, before, Vec::new(), bytes, false);
        } else {
            let offset = pointer.addr().saturating_sub(before.addr());
            self.replaced_from_own(slot, before, offset, bytes);
        }
    }

    fn add_ref(&mut self, at: usize) {
        let raw = if at < SLOTS {
            let slot = &mut self.slots[at];
            slot.pins += usize::from(slot.contents.is_some());
            slot.string.raw()
        } else {
            let ghost = &mut self.ghosts[at - SLOTS];
            ghost.pins += 1;
            ghost.raw
        };
        // SAFETY: NULL, a live string, or pinned.
        assert_eq!(unsafe { self.ole.SysAddRefString(raw) }, S_OK);
    }

    /// Takes a pin off, or off a string without one.
    fn release(&mut self, at: usize) {
        let raw = if at < SLOTS {
            let slot = &mut self.slots[at];
            slot.pins = slot.pins.saturating_sub(1);
            slot.string.raw()
        } else {
            let ghost = &mut self.ghosts[at - SLOTS];
            ghost.pins -= 1;
            let raw = ghost.raw;
            self.ghosts.retain(|ghost| ghost.pins > 0);
            raw
        };
        // SAFETY: NULL, a live string, or pinned and, with the last pin, not looked at again.
        unsafe { self.ole.SysReleaseString(raw) };
    }

    fn nulls(&self) {
        let mut string = Owned::null(self.ole);
        string.unpin();
        string.pin();
        string.unpin();
        assert_eq!((string.len(), string.byte_len()), (0, 0));
        assert_eq!(string.clear(), TRUE);
        assert!(string.raw().is_null());
        // SAFETY: NULL is allowed, twice.
        let answer = unsafe { self.ole.SysReAllocString(null_mut(), null()) };
        assert_eq!(answer, FALSE);
        // SAFETY: NULL is allowed, twice.
        let answer = unsafe { self.ole.SysReAllocStringLen(null_mut(), null(), 5) };
        assert_eq!(answer, FALSE);
    }

    /// Compares everything.
    fn check(&self) {
        let mut blocks = Vec::new();
        for Slot {
            string, contents, ..
        } in &self.slots
        {
            let stated = contents.as_ref().map_or(0, Contents::stated);
            assert_eq!(string.byte_len(), stated, "SysStringByteLen");
            assert_eq!(string.len(), stated / 2, "SysStringLen");
            assert_eq!(string.raw().is_null(), contents.is_none());
            if let Some(contents) = contents {
                // SAFETY: the string is live.
                unsafe { expect_stated(string.raw(), stated, &contents.data) };
                blocks.push((string.raw().addr(), block_size(contents.data.len())));
            }
        }
        for Ghost { raw, contents, .. } in &self.ghosts {
            // SAFETY: it is pinned.
            unsafe { expect_stated(*raw, contents.stated(), &contents.data) };
            blocks.push((raw.addr(), block_size(contents.data.len())));
        }
        blocks.sort_unstable();
        for pair in blocks.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "two strings overlap");
        }
    }

    /// Takes the last pins off, so that all memory comes back.
    fn finish(mut self) {
        while !self.ghosts.is_empty() {
            self.release(SLOTS);
        }
        for slot in 0..SLOTS {
            while self.slots[slot].pins > 0 {
                self.release(slot);
            }
        }
        self.check();
    }
}

proptest! {
    #![proptest_config(common::config())]

    #[test]
    fn the_process_functions(ops in vec(op(), 1..60)) {
        let mut model = Model::new(&Process);
        for op in ops {
            model.step(op);
            model.check();
        }
        model.finish();
    }

    #[test]
    fn over_a_strict_heap(ops in vec(op(), 1..60)) {
        let ole = OleAut::new(Portable::new(Strict::new(Global)));
        let heap = ole.backend().heap();
        let mut model = Model::new(&ole);
        for op in ops {
            model.step(op);
            model.check();
            prop_assert_eq!(heap.live(), model.live(), "blocks out");
        }
        model.finish();
        prop_assert_eq!(heap.live(), 0, "blocks leaked");
        heap.check();
    }

    #[test]
    fn over_the_global_allocator(ops in vec(op(), 1..60)) {
        let ole = OleAut::new(Portable::new(Global));
        let mut model = Model::new(&ole);
        for op in ops {
            model.step(op);
            model.check();
        }
        model.finish();
    }
}
