//! Calls with \[in\], \[out\] and \[in, out\] parameters.

use super::act::{Actor, Running};
use super::model::{Slot, Text};
use super::raw::free;
use super::{Arguments, Id, Op, Value};
use portable_bstr::audit::Call;
use portable_bstr::bstr;
use portable_bstr::sys::*;
use std::ptr::null;

/// The HRESULT of an unspecified failure.
const E_FAIL: HRESULT = 0x8000_4005_u32.cast_signed();

impl Actor {
    pub(super) fn call<'a>(
        &mut self,
        arguments: &Arguments,
        ops: &mut impl Iterator<Item = &'a Op>,
    ) {
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
    pub(super) fn set(&mut self, slot: u8, value: Value, is_out: bool) {
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
