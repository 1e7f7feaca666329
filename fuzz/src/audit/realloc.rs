//! Reallocations under audit.

use super::act::Actor;
use super::model::State;
use super::raw::{bytes_of, len_of, near, to_nul};
use super::{Change, Id};
use portable_bstr::audit::Kind;
use portable_bstr::sys::*;
use std::ptr::null;

/// What reallocates the string in a variable.
type Reallocation = Box<dyn FnOnce(&mut BSTR) -> BOOL>;
impl Actor {
    /// A reallocation.
    pub(super) fn realloc(&mut self, id: Id, change: &Change) {
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
                let len = u32::try_from(near(other.end(), *len) / 2).expect("short");
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
}
