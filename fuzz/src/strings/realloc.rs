//! What a reallocation makes of a string.

use super::block_for;
use super::memory::{Resolved, Text};
use super::model::Model;
use crate::ole::Ole;
use portable_bstr::sys::{BSTR, FALSE, TRUE};
use std::ptr::null;

impl Model<'_> {
    /// `SysReAllocString` of NULL.
    pub(super) fn realloc_null(&mut self, at: usize) {
        let old = self.slots[at].take();
        let mut raw = old.as_ref().map_or(null(), |text| text.raw);
        // SAFETY: a live string or NULL.
        assert_eq!(unsafe { self.ole.SysReAllocString(&mut raw, null()) }, TRUE);
        assert!(raw.is_null());
        self.bury(old);
    }

    /// A reallocation to `bytes` bytes from `source`.
    pub(super) fn realloc(
        &mut self,
        at: usize,
        source: &Resolved,
        bytes: u64,
        call: impl FnOnce(&dyn Ole, &mut BSTR) -> i32,
    ) {
        let old = self.slots[at].take();
        let before = old.as_ref().map_or(null(), |text| text.raw);
        let size = block_for(bytes);
        let fits = |text: &Text| text.pins == 0 && size.is_some_and(|size| size <= text.block);
        let stays = old.as_ref().is_some_and(fits);
        // Where a heap gives out more than it is asked for, more may fit.
        let succeeds = stays || self.allocates(bytes);
        let mut raw = before;
        let answer = call(self.ole, &mut raw);
        assert_eq!(answer == TRUE, succeeds, "whether there is a string");
        if !succeeds {
            assert_eq!((answer, raw), (FALSE, before), "as it was");
            self.slots[at] = old;
            return;
        }
        if stays {
            assert_eq!(raw, before, "it has room, and stays");
        }
        let len = usize::try_from(bytes).expect("short");
        let expected = self.expected(at, old.as_ref(), source, len);
        let mut block = size.expect("it succeeded");
        let moved = raw != before;
        if let Some(text) = &old
            && !moved
        {
            block = block.max(text.block);
        }
        let mut new = Text {
            raw,
            data: Vec::new(),
            stated: u32::try_from(len).expect("short"),
            block,
            pins: 0,
        };
        // What nobody can know is whatever it is.
        new.data = expected
            .into_iter()
            .enumerate()
            // SAFETY: within the data.
            .map(|(offset, byte)| byte.unwrap_or_else(|| unsafe { new.byte(offset).read() }))
            .collect();
        if let Some(text) = old.filter(|text| text.pins > 0) {
            assert!(moved, "a pinned string moves");
            self.bury(Some(text));
        }
        self.slots[at] = Some(new);
    }

    /// What a reallocation makes of a slot; `None` for bytes that nobody can know.
    pub(super) fn expected(
        &self,
        at: usize,
        old: Option<&Text>,
        source: &Resolved,
        len: usize,
    ) -> Vec<Option<u8>> {
        let own = match source.own {
            Some((own, offset)) if own == at => Some(offset),
            None if source.pointer.is_null() => Some(0),
            _ => None,
        };
        let mut bytes = match (own, old) {
            (None, _) => source.bytes.iter().copied().map(Some).collect(),
            (Some(_), None) => Vec::new(),
            (Some(offset), Some(old)) => {
                // The prefix is believed, as far as the block can hold a string.
                let mut memory = old.memory();
                memory.truncate(memory.len() - 2);
                if self.heap.is_none() && old.stated as usize > memory.len() {
                    // How large the block really is, only its heap knows.
                    memory.resize(old.stated.min(1 << 20) as usize, None);
                }
                memory.truncate(old.stated as usize);
                memory.get(offset..).unwrap_or(&[]).to_vec()
            }
        };
        bytes.resize(len, Some(0));
        bytes
    }
}
