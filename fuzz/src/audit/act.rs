//! Does what a program says, and tells the model.

use super::forgetful::release_behind_its_back;
use super::model::{Model, Slot, Started, State, Text, UNWRITTEN};
use super::{Arguments, Change, How, Id, Manner, Op, Place, Value};
use portable_bstr::audit::{Call, Handle, Kind};
use portable_bstr::bstr;
use portable_bstr::sys::*;
use portable_bstr::widestring::u16cstr;
use std::ptr::{null, null_mut};
use std::thread;

/// Calls within calls.
const DEEPEST: usize = 4;

/// The HRESULT of an unspecified failure.
const E_FAIL: HRESULT = 0x8000_4005_u32.cast_signed();

/// Runs a program.
pub(super) struct Actor {
    manner: Manner,
    pub(super) model: Model,
    handle: Handle,
    /// The calls that run.
    calls: Vec<Running>,
}

/// A call that runs, and where its parameters are.
struct Running {
    started: Started,
    inouts: *mut BSTR,
    outputs: *mut BSTR,
    /// The strings that are lent.
    lent: Vec<BSTR>,
    first_id: usize,
}

/// What reallocates the string in a variable.
type Reallocation = Box<dyn FnOnce(&mut BSTR) -> BOOL>;

/// A raw pointer that may change threads.
struct Parcel(BSTR);
// SAFETY: strings may be used on any thread.
unsafe impl Send for Parcel {}

impl Parcel {
    fn open(self) -> BSTR {
        self.0
    }
}

fn len_of<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("short")
}

fn bytes_of(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_ne_bytes()).collect()
}

/// The bytes before the first unit that is NUL; behind them stand NULs.
fn to_nul(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(2) + 2, 0);
    let nul = bytes.chunks_exact(2).position(|unit| unit == [0, 0]);
    bytes.truncate(nul.expect("one stands at the end") * 2);
    bytes
}

fn allocated(bytes: &[u8]) -> BSTR {
    // SAFETY: the bytes can be read.
    unsafe { SysAllocStringByteLen(bytes.as_ptr(), len_of(bytes)) }
}

/// Frees a string, whichever it is.
fn free(raw: BSTR) {
    // SAFETY: under audit a wrong free does nothing.
    unsafe { SysFreeString(raw) };
}

fn flip(raw: BSTR, offset: isize) {
    let byte = raw.cast_mut().wrapping_byte_offset(offset).cast::<u8>();
    // SAFETY: mistakes stay within what the audit puts around its strings.
    let old = unsafe { byte.read() };
    // SAFETY: as above.
    unsafe { byte.write(old ^ 0x55) };
}

/// Runs `code` on another thread, to its end.
fn on_a_thread<R: Send>(handle: Option<&Handle>, code: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _entered = handle.map(Handle::enter);
            code()
        });
        thread.join().expect("it does not panic")
    })
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

    fn is_wild(&self) -> bool {
        matches!(self.manner, Manner::Wild)
    }

    fn is_paged(&self) -> bool {
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
    fn block<'a>(&mut self, ops: &mut impl Iterator<Item = &'a Op>) {
        while let Some(op) = ops.next() {
            match op {
                Op::Return => return,
                Op::Call(arguments) if self.calls.len() < DEEPEST => self.call(arguments, ops),
                op => self.step(op),
            }
        }
    }

    fn id(&self, id: Id) -> Option<usize> {
        usize::from(id.0).checked_rem(self.model.texts.len())
    }

    /// A string that this program may read: one that is there.
    fn readable(&self, id: Id) -> Option<usize> {
        let id = self.id(id)?;
        (self.model.texts[id].state != State::Freed).then_some(id)
    }

    /// A string that this program may do anything with that it may do with any: a freed one only where
    /// anything goes.
    fn any(&self, id: Id) -> Option<usize> {
        let id = self.id(id)?;
        let text = &self.model.texts[id];
        let is_good = match self.manner {
            Manner::Wild => text.is_ours || text.state == State::Live,
            _ => text.state == State::Live,
        };
        is_good.then_some(id)
    }

    /// A string that this program may free or change.
    fn mine(&self, id: Id) -> Option<usize> {
        let id = self.any(id)?;
        let raw = self.model.texts[id].raw;
        let is_lent = self.calls.iter().any(|call| call.lent.contains(&raw));
        (self.is_wild() || !is_lent).then_some(id)
    }

    fn text(&self, id: usize) -> &Text {
        &self.model.texts[id]
    }

    /// Notes a new string, or that there was no memory for one.
    fn add(&mut self, raw: BSTR, bytes: Vec<u8>, is_without_source: bool) {
        if self.model.asks() {
            self.model.add(raw, bytes, is_without_source);
        } else {
            assert!(raw.is_null(), "there was no memory");
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Alloc(how, bytes) => self.alloc(*how, bytes),
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
                let bytes = usize::from(*bytes);
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
                let by = 1 + usize::from(*by) % (text.end() - 1);
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
                let offset = from + usize::from(*offset) % (text.span() + 16 - from);
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
            Op::WrongDeallocator(bytes) if self.is_wild() && self.model.fails.is_none() => {
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

    fn alloc(&mut self, how: How, bytes: &[u8]) {
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

    fn cat(&mut self, left: Id, right: Id, into: Option<Id>) {
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

    /// A reallocation.
    fn realloc(&mut self, id: Id, change: &Change) {
        let Some(id) = self.mine(id).filter(|id| self.text(*id).is_ours) else {
            return;
        };
        let text = self.text(id);
        let (raw, state, end) = (text.raw, text.state, text.end());
        let old = text.bytes.clone();
        let mut slot = raw;
        // The new contents, and what is to be done.
        let (bytes, call): (Vec<u8>, Reallocation) = match change {
            Change::Units(units) => {
                let (units, len) = (units.clone(), len_of(units));
                let bytes = bytes_of(&units);
                // SAFETY: the units can be read.
                let call = move |slot: &mut BSTR| unsafe {
                    SysReAllocStringLen(slot, units.as_ptr(), len)
                };
                (bytes, Box::new(call))
            }
            Change::Text(units) => {
                let text = [&**units, &[0]].concat();
                let bytes = to_nul(&bytes_of(units));
                // SAFETY: the text has a NUL.
                let call = move |slot: &mut BSTR| unsafe { SysReAllocString(slot, text.as_ptr()) };
                (bytes, Box::new(call))
            }
            Change::Len(len) => {
                let len = u32::from(*len);
                let mut bytes = old;
                bytes.resize(len as usize * 2, 0);
                // SAFETY: NULL has nothing to read.
                let call = move |slot: &mut BSTR| unsafe { SysReAllocStringLen(slot, null(), len) };
                (bytes, Box::new(call))
            }
            Change::Own(offset, len) => {
                let offset = usize::from(*offset) % (end / 2) * 2;
                let len = u32::from(*len);
                let mut bytes = old.get(offset..).unwrap_or(&[]).to_vec();
                bytes.resize(len as usize * 2, 0);
                let source = raw.wrapping_byte_add(offset);
                // SAFETY: the source lies in the string.
                let call = move |slot: &mut BSTR| unsafe { SysReAllocStringLen(slot, source, len) };
                (bytes, Box::new(call))
            }
            Change::OwnText(offset) => {
                if state == State::Freed || text.is_damaged() || self.is_correct() {
                    return;
                }
                let offset = usize::from(*offset) % (end / 2) * 2;
                let bytes = to_nul(old.get(offset..).unwrap_or(&[]));
                let mut kept = old.get(offset..).unwrap_or(&[]).to_vec();
                kept.resize(bytes.len(), 0);
                self.model
                    .accuse_if(state == State::Live, Kind::AliasedSource);
                let source = raw.wrapping_byte_add(offset);
                // SAFETY: a string ends with a NUL.
                let call = move |slot: &mut BSTR| unsafe { SysReAllocString(slot, source) };
                (kept, Box::new(call))
            }
            Change::Other(other, len) => {
                let Some(other) = self.readable(*other) else {
                    return;
                };
                let other = self.text(other);
                let len = u32::from(*len);
                let wanted = len as usize * 2;
                let is_too_short = wanted > other.end();
                let is_out = !other.is_ours || self.is_correct();
                if other.is_damaged() || other.raw == raw || (is_too_short && is_out) {
                    return;
                }
                let (source, mut bytes) = (other.raw, other.bytes.clone());
                bytes.resize(wanted, 0);
                self.model.accuse_if(is_too_short, Kind::SourceTooShort);
                // SAFETY: under audit no more is read than there is.
                let call = move |slot: &mut BSTR| unsafe { SysReAllocStringLen(slot, source, len) };
                (bytes, Box::new(call))
            }
            Change::Null => {
                // SAFETY: under audit any string will do.
                assert_eq!(unsafe { SysReAllocString(&mut slot, null()) }, TRUE);
                assert!(slot.is_null());
                return self.model.free(id, true);
            }
        };
        if state != State::Live {
            assert_eq!(call(&mut slot), FALSE, "it is no string any more");
            assert_eq!(slot, raw);
            return self.model.after_free(id, Kind::UseAfterFree);
        }
        if self.model.stays(id, bytes.len(), self.is_paged()) {
            assert_eq!(call(&mut slot), TRUE);
            assert_eq!(slot, raw, "it stays");
            return self.model.shrink(id, bytes);
        }
        let answer = call(&mut slot);
        if self.model.asks() {
            assert_eq!(answer, TRUE);
            self.model.moved(id, slot, bytes);
        } else {
            assert_eq!((answer, slot), (FALSE, raw), "as it was");
        }
    }

    fn call<'a>(&mut self, arguments: &Arguments, ops: &mut impl Iterator<Item = &'a Op>) {
        let raw = |id: Option<usize>| id.map_or(null(), |id| self.text(id).raw);
        let inputs = arguments.inputs.iter().take(3);
        let inputs: Vec<_> = inputs.map(|id| raw(self.any(*id))).collect();
        let lends = |id: &Option<Id>| raw(id.and_then(|id| self.mine(id)));
        let mut inouts: Vec<_> = arguments.inouts.iter().take(3).map(lends).collect();
        let stale = |id: &Option<Id>| raw(id.and_then(|id| self.any(id)));
        let mut outputs: Vec<_> = arguments.outputs.iter().take(3).map(stale).collect();
        if !self.is_wild() {
            // Each is lent once, and no live string is overwritten.
            let mut seen = inputs.clone();
            inouts.retain(|raw| {
                !seen.contains(raw) && {
                    seen.push(*raw);
                    true
                }
            });
        }
        if self.is_correct() {
            outputs.fill(null());
        }
        let lent = [&*inputs, &inouts].concat();
        let started = self.model.start(&inputs, &inouts, &outputs);
        let mut call = Call::new("Call");
        for input in &inputs {
            call = call.input(*input);
        }
        let (mut inouts, mut outputs) = (inouts.into_boxed_slice(), outputs.into_boxed_slice());
        let (first_inout, first_output) = (inouts.as_mut_ptr(), outputs.as_mut_ptr());
        for at in 0..inouts.len() {
            // SAFETY: the variables outlive the call, and are used through pointers alone.
            call = unsafe { call.inout(first_inout.wrapping_add(at)) };
        }
        for at in 0..outputs.len() {
            // SAFETY: as above.
            call = unsafe { call.out(first_output.wrapping_add(at)) };
        }
        let is_success = !arguments.fails;
        call.run(|| {
            self.calls.push(Running {
                started,
                inouts: first_inout,
                outputs: first_output,
                lent,
                first_id: self.model.texts.len(),
            });
            self.block(ops);
            if self.is_correct() {
                self.answer_nothing(is_success);
            }
            if is_success { S_OK } else { E_FAIL }
        });
        let running = self.calls.pop().expect("it was pushed");
        for (found, slot) in outputs.iter().zip(&running.started.outputs) {
            assert_eq!(*found, slot.after.unwrap_or(slot.before), "an [out] slot");
        }
        self.model.finish(running.started, is_success);
    }

    /// What a correct call has not answered is NULL, and where it fails everything is.
    fn answer_nothing(&mut self, is_success: bool) {
        let call = self.calls.last_mut().expect("a call runs");
        for (at, slot) in call.started.outputs.iter_mut().enumerate() {
            if slot.after.is_none() || !is_success {
                slot.after = Some(null());
                // SAFETY: the slot is there while the call runs.
                unsafe { call.outputs.wrapping_add(at).write(null()) };
            }
        }
    }

    /// Sets a parameter of the call that runs.
    fn set(&mut self, slot: u8, value: Value, is_out: bool) {
        let id = match value {
            Value::String(id) => self.any(id),
            _ => None,
        };
        let raw = match value {
            Value::Null => null(),
            Value::String(_) if id.is_none() => return,
            Value::String(_) => raw_of(&self.model.texts, id),
            Value::Literal => bstr!("a literal").as_raw(),
            Value::Inside(id) => {
                let Some(id) = self.any(id).filter(|id| self.text(*id).is_ours) else {
                    return;
                };
                self.text(id).raw.wrapping_add(1)
            }
        };
        let is_correct = self.is_correct();
        let Some(call) = self.calls.last_mut() else {
            return;
        };
        let (slots, first) = match is_out {
            true => (&mut call.started.outputs, call.outputs),
            false => (&mut call.started.inouts, call.inouts),
        };
        let Some(at) = usize::from(slot).checked_rem(slots.len()) else {
            return;
        };
        let before = slots[at].before;
        if is_correct {
            let is_new = id.is_none_or(|id| id >= call.first_id);
            let is_string = matches!(value, Value::Null | Value::String(_));
            let all = call.started.outputs.iter().chain(&call.started.inouts);
            let is_free = raw.is_null() || !all.clone().any(|slot| slot.after == Some(raw));
            let is_lent = self.calls.iter().any(|call| call.lent.contains(&raw));
            if !is_new || !is_string || !is_free || (is_lent && !raw.is_null()) {
                return;
            }
        }
        let call = self.calls.last_mut().expect("as above");
        let slots: &mut Vec<Slot> = match is_out {
            true => &mut call.started.outputs,
            false => &mut call.started.inouts,
        };
        let is_first = slots[at].after == Some(before);
        slots[at].after = Some(raw);
        // SAFETY: the slot is there while the call runs.
        unsafe { first.wrapping_add(at).write(raw) };
        if is_correct && !is_out && is_first && !before.is_null() && raw != before {
            // The callee of an [in, out] frees the old string.
            let old = self.model.texts.iter().rposition(|text| text.raw == before);
            free(before);
            self.model.free(old.expect("it was lent"), true);
        }
    }
}

fn raw_of(texts: &[Text], id: Option<usize>) -> BSTR {
    id.map_or(null(), |id| texts[id].raw)
}

/// Frees what is no string, or reallocates it.
fn misuse(raw: BSTR, is_free: bool) {
    if is_free {
        return free(raw);
    }
    let mut slot = raw;
    // SAFETY: under audit nothing foreign is touched.
    let answer = unsafe { SysReAllocStringLen(&mut slot, null(), 3) };
    assert_eq!((answer, slot), (FALSE, raw));
}
