//! Does what a program says, and tells the model.

use super::forgetful::release_behind_its_back;
use super::model::{Model, Started, State, Text, UNWRITTEN};
use super::raw::{
    Parcel, allocated, bytes_of, flip, free, len_of, misuse, near, on_a_thread, to_nul,
};
use super::{How, Id, Manner, Op, Place};
use portable_bstr::audit::{Handle, Kind};
use portable_bstr::bstr;
use portable_bstr::sys::*;
use portable_bstr::widestring::u16cstr;
use std::ptr::{null, null_mut};

/// Calls within calls.
const DEEPEST: usize = 4;

/// The bytes behind a string's data that an audit looks at: the terminator and guard bytes.
const TAIL: usize = 16;

/// Runs a program.
pub(super) struct Actor {
    pub(super) manner: Manner,
    pub(super) model: Model,
    pub(super) handle: Handle,
    /// The calls that run.
    pub(super) calls: Vec<Running>,
}

/// A call that runs, and where its parameters are.
pub(super) struct Running {
    pub(super) started: Started,
    pub(super) inouts: *mut BSTR,
    pub(super) outputs: *mut BSTR,
    /// The strings that are lent.
    pub(super) lent: Vec<BSTR>,
    pub(super) first_id: usize,
}
impl Actor {
    pub(super) fn new(manner: Manner, model: Model, handle: Handle) -> Self {
        Self {
            manner,
            model,
            handle,
            calls: Vec::new(),
        }
    }

    pub(super) fn is_correct(&self) -> bool {
        matches!(self.manner, Manner::Correct { .. } | Manner::CorrectOnPages)
    }

    pub(super) fn is_wild(&self) -> bool {
        matches!(self.manner, Manner::Wild)
    }

    pub(super) fn is_paged(&self) -> bool {
        cfg!(unix) && matches!(self.manner, Manner::CorrectOnPages)
    }

    /// Frees all there is.
    pub(super) fn tidy(&mut self) {
        for id in 0..self.model.texts.len() {
            let raw = self.model.texts[id].raw;
            while self.model.texts[id].pins > 0 && self.model.texts[id].state != State::Freed {
                // SAFETY: the string is pinned.
                unsafe { SysReleaseString(raw) };
                self.model.unpin(id);
            }
            if self.model.texts[id].state == State::Live {
                free(raw);
                self.model.free(id, true);
            }
        }
    }

    /// Frees what the session left, once it is over.
    pub(super) fn clean_up(&self) {
        for text in &self.model.texts {
            if text.state != State::Freed {
                for _ in 0..text.pins {
                    // SAFETY: the string is pinned.
                    unsafe { SysReleaseString(text.raw) };
                }
            }
            if text.state == State::Live {
                free(text.raw);
            }
        }
    }

    pub(super) fn all(&mut self, ops: &[Op]) {
        let mut ops = ops.iter();
        // A program may return more often than it calls.
        while ops.len() > 0 {
            self.block(&mut ops);
        }
    }

    /// As far as the call that runs returns.
    pub(super) fn block<'a>(&mut self, ops: &mut impl Iterator<Item = &'a Op>) {
        while let Some(op) = ops.next() {
            match op {
                Op::Return => return,
                Op::Call(arguments) if self.calls.len() < DEEPEST => self.call(arguments, ops),
                op => self.step(op),
            }
        }
    }

    pub(super) fn id(&self, id: Id) -> Option<usize> {
        usize::from(id.0).checked_rem(self.model.texts.len())
    }

    /// A string that this program may read: one that is there.
    pub(super) fn readable(&self, id: Id) -> Option<usize> {
        let id = self.id(id)?;
        (self.model.texts[id].state != State::Freed).then_some(id)
    }

    /// A string that this program may do anything with that it may do with any: a freed one only where
    /// anything goes.
    pub(super) fn any(&self, id: Id) -> Option<usize> {
        let id = self.id(id)?;
        let text = &self.model.texts[id];
        let is_live = text.state == State::Live;
        (is_live || (self.is_wild() && text.is_ours)).then_some(id)
    }

    /// A string that this program may free or change.
    pub(super) fn mine(&self, id: Id) -> Option<usize> {
        self.any(id).filter(|id| self.is_mine(*id))
    }

    /// Whether a string is not lent, or that does not matter.
    fn is_mine(&self, id: usize) -> bool {
        let raw = self.model.texts[id].raw;
        self.is_wild() || !self.calls.iter().any(|call| call.lent.contains(&raw))
    }

    pub(super) fn text(&self, id: usize) -> &Text {
        &self.model.texts[id]
    }

    /// Notes a new string, or that there was no memory for one.
    pub(super) fn add(&mut self, raw: BSTR, bytes: Vec<u8>, is_without_source: bool) {
        if self.model.asks() {
            self.model.add(raw, bytes, is_without_source);
        } else {
            assert!(raw.is_null(), "there was no memory");
        }
    }

    pub(super) fn step(&mut self, op: &Op) {
        match op {
            Op::Alloc(how, bytes) => self.alloc(*how, bytes),
            Op::Crowd(count) => {
                for nth in 0..count % 64 {
                    self.alloc(How::Bytes, &vec![nth; (nth % 40).into()]);
                }
            }
            Op::Churn(len) if !self.is_wild() => {
                // As many as it takes until some of them have met in a part of the ledger.
                let times = if *len < 0x80 { 100 } else { 4000 };
                for nth in 0..times {
                    let id = self.model.texts.len();
                    self.alloc(How::Bytes, &vec![*len; usize::from(len % 64) + nth % 16]);
                    if let Some(text) = self.model.texts.get(id) {
                        free(text.raw);
                        self.model.free(id, true);
                    }
                }
            }
            Op::Disperse(every) => {
                for id in (0..self.model.texts.len()).step_by(1 + usize::from(every % 8)) {
                    if self.text(id).state == State::Live && self.is_mine(id) {
                        free(self.text(id).raw);
                        self.model.free(id, true);
                    }
                }
            }
            Op::CopyText(id) => {
                let Some(id) = self.readable(*id).filter(|id| !self.text(*id).is_damaged()) else {
                    return;
                };
                let text = self.text(id);
                let (raw, copy) = (text.raw, to_nul(&text.bytes));
                let is_cut = copy.len() < text.bytes.len();
                let is_wrong = text.is_ours && text.state == State::Live && is_cut;
                if is_wrong && self.is_correct() {
                    return;
                }
                self.model.accuse_if(is_wrong, Kind::EmbeddedNul);
                // SAFETY: the string is there, and ends with a NUL.
                let new = unsafe { SysAllocString(raw) };
                self.add(new, copy, false);
            }
            Op::CopyBytes(id, bytes) => {
                let Some(id) = self.readable(*id).filter(|id| !self.text(*id).is_damaged()) else {
                    return;
                };
                let text = self.text(id);
                let (raw, mut copy) = (text.raw, text.bytes.clone());
                let bytes = near(text.end(), *bytes);
                let is_too_short = bytes > text.end();
                if is_too_short && (self.is_correct() || !text.is_ours) {
                    return;
                }
                copy.resize(bytes, 0);
                let is_seen = is_too_short && self.model.fails != Some(self.model.asked + 1);
                self.model.accuse_if(is_seen, Kind::SourceTooShort);
                let bytes = len_of(&copy);
                // SAFETY: under audit no more is read than there is.
                let new = unsafe { SysAllocStringByteLen(raw.cast(), bytes) };
                self.add(new, copy, false);
            }
            Op::Free(id, place) => {
                let Some(id) = self.mine(*id) else { return };
                let parcel = Parcel(self.text(id).raw);
                match place {
                    Place::Here => free(parcel.open()),
                    Place::Elsewhere => on_a_thread(Some(&self.handle), || free(parcel.open())),
                    Place::AtStrangers => on_a_thread(None, || free(parcel.open())),
                }
                self.model.free(id, matches!(place, Place::Here));
            }
            Op::ReAlloc(id, change) => self.realloc(*id, change),
            Op::Moved(id, by, is_free) => {
                let Some(id) = self.any(*id).filter(|_| !self.is_correct()) else {
                    return;
                };
                let text = self.text(id);
                if !text.is_ours {
                    return;
                }
                let by = 1 + usize::from(*by) % (text.bytes.len() + TAIL - 1);
                misuse(text.raw.wrapping_byte_add(by), *is_free);
                self.model.accuse(Kind::MovedPointer);
            }
            Op::Foreign(which, is_free) if !self.is_correct() => {
                let memory = [7_u64; 8];
                let foreign = match which % 3 {
                    0 => u16cstr!("a literal").as_ptr(),
                    1 => bstr!("a BSTR in static memory").as_raw(),
                    _ => memory[usize::from(which % 4) + 2..].as_ptr().cast(),
                };
                misuse(foreign, *is_free);
                self.model.accuse(Kind::NotABstr);
                assert_eq!(memory, [7; 8]);
            }
            Op::NoSlot(units, has_len) if !self.is_correct() => {
                let text = if units % 2 == 0 {
                    null()
                } else {
                    u16cstr!("text").as_ptr()
                };
                let answer = if *has_len {
                    // SAFETY: without a place for the string nothing happens.
                    unsafe { SysReAllocStringLen(null_mut(), null(), *units) }
                } else {
                    // SAFETY: as above.
                    unsafe { SysReAllocString(null_mut(), text) }
                };
                assert_eq!(answer, FALSE);
                self.model.accuse(Kind::NullSlot);
            }
            Op::Write(id, offset) => {
                let Some(id) = self.mine(*id) else { return };
                let text = &mut self.model.texts[id];
                if text.state != State::Freed && !text.bytes.is_empty() {
                    let offset = usize::from(*offset) % text.bytes.len();
                    flip(text.raw, offset.cast_signed());
                    text.bytes[offset] ^= 0x55;
                }
            }
            Op::Damage(id, offset) => {
                let Some(id) = self.any(*id).filter(|_| !self.is_correct()) else {
                    return;
                };
                let text = &mut self.model.texts[id];
                let from = match text.state {
                    State::Freed => 0,
                    _ => text.bytes.len(),
                };
                if !text.is_ours {
                    return;
                }
                let offset = from + usize::from(*offset) % (text.bytes.len() + TAIL - from);
                flip(text.raw, offset.cast_signed());
                if !text.flipped.remove(&offset) {
                    text.flipped.insert(offset);
                }
            }
            Op::DamagePrefix(id, byte) => {
                let Some(id) = self.any(*id).filter(|_| !self.is_correct()) else {
                    return;
                };
                let byte = usize::from(byte % 4);
                let text = &mut self.model.texts[id];
                if text.is_ours {
                    flip(text.raw, byte.cast_signed() - 4);
                    text.prefix[byte] ^= true;
                }
            }
            Op::Pin(id) => {
                let Some(id) = self.mine(*id).filter(|id| self.text(*id).is_ours) else {
                    return;
                };
                // SAFETY: under audit any string will do.
                assert_eq!(unsafe { SysAddRefString(self.text(id).raw) }, S_OK);
                self.model.pin(id);
            }
            Op::Unpin(id) => {
                let Some(id) = self.id(*id).filter(|id| self.text(*id).is_ours) else {
                    return;
                };
                let text = self.text(id);
                if (text.state == State::Freed && !self.is_wild())
                    || (text.pins == 0 && self.is_correct())
                {
                    return;
                }
                // SAFETY: under audit any string will do.
                unsafe { SysReleaseString(text.raw) };
                self.model.unpin(id);
            }
            Op::Measure(id) => {
                let Some(id) = self.any(*id) else { return };
                let text = self.text(id);
                let mut len = len_of(&text.bytes).to_ne_bytes();
                if text.state != State::Freed {
                    for (byte, is_flipped) in len.iter_mut().zip(text.prefix) {
                        *byte ^= if is_flipped { 0x55 } else { 0 };
                    }
                }
                let len = u32::from_ne_bytes(len);
                // SAFETY: its memory is there, in quarantine at the last.
                assert_eq!(unsafe { SysStringByteLen(text.raw) }, len);
                if text.state == State::Freed {
                    self.model.after_free(id, Kind::UseAfterFree);
                }
            }
            Op::Cat(left, right, into) => self.cat(*left, *right, *into),
            Op::WrongDeallocator(bytes) if !self.is_correct() && self.model.fails.is_none() => {
                release_behind_its_back(*bytes);
                self.model.accuse(Kind::WrongDeallocator);
                self.model.asked += 2;
                self.model.allocated += 2;
                self.model.freed += 1;
            }
            Op::SetOut(slot, value) => self.set(*slot, *value, true),
            Op::SetInOut(slot, value) => self.set(*slot, *value, false),
            _ => {}
        }
    }

    pub(super) fn alloc(&mut self, how: How, bytes: &[u8]) {
        let (units, _) = bytes.as_chunks();
        let units: Vec<u16> = units.iter().map(|unit| u16::from_ne_bytes(*unit)).collect();
        match how {
            How::Bytes => self.add(allocated(bytes), bytes.to_vec(), false),
            How::Units => {
                // SAFETY: the units can be read.
                let raw = unsafe { SysAllocStringLen(units.as_ptr(), len_of(&units)) };
                self.add(raw, bytes_of(&units), false);
            }
            How::Text => {
                let text = [&*units, &[0]].concat();
                // SAFETY: the text ends with a NUL.
                let raw = unsafe { SysAllocString(text.as_ptr()) };
                self.add(raw, to_nul(&bytes_of(&units)), false);
            }
            How::Unwritten if self.is_correct() => {}
            How::Unwritten => {
                // SAFETY: NULL has nothing to read.
                let raw = unsafe { SysAllocStringByteLen(null(), len_of(bytes)) };
                self.add(raw, vec![UNWRITTEN; bytes.len()], true);
            }
            How::ByStranger => {
                let parcel = on_a_thread(None, || Parcel(allocated(bytes)));
                self.model.add_stranger(parcel.open(), bytes.to_vec());
            }
        }
    }

    pub(super) fn cat(&mut self, left: Id, right: Id, into: Option<Id>) {
        let (Some(left), Some(right)) = (self.any(left), self.any(right)) else {
            return;
        };
        let into = into.and_then(|into| self.any(into));
        let mut bytes = Vec::new();
        for id in [left, right] {
            let text = self.text(id);
            if text.is_damaged() {
                return;
            }
            match text.state {
                State::Freed => bytes.extend(vec![0xDD; text.bytes.len()]),
                _ => bytes.extend(&text.bytes),
            }
        }
        let is_live = |id: &usize| self.text(*id).is_ours && self.text(*id).state == State::Live;
        let is_wrong = into.as_ref().is_some_and(is_live);
        if is_wrong && self.is_correct() {
            return;
        }
        self.model.accuse_if(is_wrong, Kind::LiveResult);
        for id in [left, right] {
            if self.text(id).state == State::Freed {
                self.model.after_free(id, Kind::UseAfterFree);
            }
        }
        let mut result = into.map_or(null(), |into| self.text(into).raw);
        // SAFETY: the strings are there, in quarantine at the last.
        let outcome = unsafe { VarBstrCat(self.text(left).raw, self.text(right).raw, &mut result) };
        assert_eq!(outcome == S_OK, !result.is_null());
        self.add(result, bytes, true);
    }
}
