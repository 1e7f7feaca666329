//! The model: what each step should do, and whether it did.

use super::memory::{Resolved, Text};
use super::{Any, At, HEADER, Len, Op, SLOTS, Source, block_for};
use crate::heap::{Limited, MOST};
use crate::ole::Ole;
use crate::strict::Strict;
use portable_bstr::heap::Global;
use portable_bstr::sys::{BSTR, FALSE, S_OK};
use std::mem::take;
use std::ptr::{null, null_mut};

pub(super) struct Model<'a> {
    pub(super) ole: &'a dyn Ole,
    /// The heap below, where it is one that tells.
    pub(super) heap: Option<&'a Limited<Strict<Global>>>,
    pub(super) is_empty: bool,
    pub(super) slots: [Option<Text>; SLOTS],
    /// Strings that their owner freed, and pins hold.
    pub(super) ghosts: Vec<Text>,
    /// What the heap should have been asked for.
    pub(super) asked: Vec<usize>,
}
impl<'a> Model<'a> {
    pub(super) fn new(ole: &'a dyn Ole, heap: Option<&'a Limited<Strict<Global>>>) -> Self {
        Self {
            ole,
            heap,
            is_empty: false,
            slots: Default::default(),
            ghosts: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// Whether a string of that many bytes can be allocated, which is to happen now.
    pub(super) fn allocates(&mut self, bytes: u64) -> bool {
        let Some(size) = block_for(bytes) else {
            return false;
        };
        self.asked.push(size);
        self.heap.is_none() || (!self.is_empty && size <= MOST)
    }

    /// Whether so many bytes are not to be tried: the process's memory is not to be used up.
    pub(super) fn is_too_much(&self, bytes: u64) -> bool {
        self.heap.is_none() && block_for(bytes).is_some_and(|size| size > MOST * 4)
    }

    pub(super) fn slot(at: At) -> usize {
        usize::from(at.0) % SLOTS
    }

    pub(super) fn any(&mut self, any: Any) -> Option<&mut Text> {
        let at = usize::from(any.0) % (SLOTS + self.ghosts.len());
        match at.checked_sub(SLOTS) {
            None => self.slots[at].as_mut(),
            Some(ghost) => self.ghosts.get_mut(ghost),
        }
    }

    pub(super) fn resolve(&mut self, source: &Source) -> Resolved {
        let mut resolved = Resolved {
            pointer: null(),
            bytes: Vec::new(),
            own: None,
            _outside: Vec::new(),
        };
        match source {
            Source::Null => {}
            Source::Outside { bytes, is_odd } => {
                // Aligned, so that it is as odd as it should be; and it ends with a NUL.
                let start = usize::from(*is_odd);
                let mut memory = vec![0_u64; (start + bytes.len() + 3).div_ceil(8)];
                let pointer = memory.as_mut_ptr().cast::<u8>().wrapping_add(start);
                // SAFETY: there is room for them.
                unsafe { pointer.copy_from(bytes.as_ptr(), bytes.len()) };
                resolved.pointer = pointer;
                resolved.bytes.clone_from(bytes);
                resolved
                    .bytes
                    .resize(bytes.len().next_multiple_of(2) + 2 - start * 2, 0);
                resolved._outside = memory;
            }
            &Source::Inside(any, offset) => {
                let at = usize::from(any.0) % (SLOTS + self.ghosts.len());
                if let Some(text) = self.any(any) {
                    // Anywhere in the block.
                    let offset = usize::from(offset) % (text.block - HEADER);
                    resolved.pointer = text.byte(offset);
                    resolved.bytes = text.readable().get(offset..).unwrap_or(&[]).to_vec();
                    resolved.own = (at < SLOTS).then_some((at, offset));
                }
            }
        }
        resolved
    }

    /// The string in a slot has been freed, or replaced: what a pin holds stays.
    pub(super) fn bury(&mut self, old: Option<Text>) {
        self.ghosts.extend(old.filter(|text| text.pins > 0));
    }

    /// What an allocation returned goes into a slot, and what was there is freed.
    pub(super) fn put(&mut self, at: usize, raw: BSTR, data: Option<Vec<u8>>) {
        assert_eq!(raw.is_null(), data.is_none(), "whether there is a string");
        let new = data.map(|data| Text {
            raw,
            stated: u32::try_from(data.len()).expect("a short string"),
            block: block_for(data.len() as u64).expect("a short string"),
            data,
            pins: 0,
        });
        self.free(at);
        self.slots[at] = new;
    }

    pub(super) fn free(&mut self, at: usize) {
        let old = self.slots[at].take();
        let raw = old.as_ref().map_or(null(), |text| text.raw);
        // SAFETY: the string is live, or NULL.
        unsafe { self.ole.SysFreeString(raw) };
        self.bury(old);
    }

    pub(super) fn step(&mut self, op: &Op) {
        match op {
            Op::AllocString(at, source) => {
                let source = self.resolve(source);
                let text = source.to_nul();
                if text.is_none() && !source.pointer.is_null() {
                    return;
                }
                let data = text.filter(|text| self.allocates(text.len() as u64));
                // SAFETY: NULL, or aligned and with a NUL.
                let raw = unsafe { self.ole.SysAllocString(source.pointer.cast()) };
                let data = data.map(<[u8]>::to_vec);
                self.put(Self::slot(*at), raw, data);
            }
            Op::AllocStringLen(at, source, len) => self.alloc(*at, source, *len, 2),
            Op::AllocStringByteLen(at, source, len) => self.alloc(*at, source, *len, 1),
            Op::ReAllocString(at, source) => {
                let at = Self::slot(*at);
                let source = self.resolve(source);
                let text = source.to_nul();
                if !source.pointer.is_null() && text.is_none() {
                    return;
                }
                let Some(bytes) = text.map(|text| text.len() as u64) else {
                    return self.realloc_null(at);
                };
                self.realloc(at, &source, bytes, |ole, slot| {
                    // SAFETY: a live string or NULL; the source is aligned and has a NUL.
                    unsafe { ole.SysReAllocString(slot, source.pointer.cast()) }
                });
            }
            Op::ReAllocStringLen(at, source, len) => {
                let source = self.resolve(source);
                self.realloc_len(Self::slot(*at), &source, *len);
            }
            Op::ReAllocLiar(at, stated, offset, len) => {
                let at = Self::slot(*at);
                let Some(text) = &mut self.slots[at] else {
                    return;
                };
                text.state(stated.get());
                let inside = u8::try_from(at).expect("few");
                let source = self.resolve(&Source::Inside(Any(inside), (*offset).into()));
                self.realloc_len(at, &source, *len);
            }
            Op::ReAllocNowhere(source, len) => {
                let source = self.resolve(source);
                // SAFETY: NULL is allowed, and the source is not looked at then.
                let answer = unsafe {
                    self.ole
                        .SysReAllocStringLen(null_mut(), source.pointer.cast(), len.get())
                };
                assert_eq!(answer, FALSE);
                if source.pointer.is_null() || source.to_nul().is_some() {
                    // SAFETY: NULL is allowed; the source is NULL or has a NUL.
                    let answer =
                        unsafe { self.ole.SysReAllocString(null_mut(), source.pointer.cast()) };
                    assert_eq!(answer, FALSE);
                }
            }
            Op::Free(at) => self.free(Self::slot(*at)),
            Op::SetPrefix(at, len) => {
                if let Some(text) = &mut self.slots[Self::slot(*at)] {
                    text.state(len.get());
                }
            }
            Op::RestorePrefix(at) => {
                if let Some(text) = &mut self.slots[Self::slot(*at)] {
                    text.state(u32::try_from(text.data.len()).expect("short"));
                }
            }
            &Op::Write(at, offset, byte) => {
                if let Some(text) = &mut self.slots[Self::slot(at)]
                    && !text.data.is_empty()
                {
                    let offset = usize::from(offset) % text.data.len();
                    text.data[offset] = byte;
                    // SAFETY: within the data.
                    unsafe { text.byte(offset).write(byte) };
                }
            }
            Op::Pin(any) => {
                let text = self.any(*any);
                let raw = text.map_or(null(), |text| {
                    text.pins += 1;
                    text.raw
                });
                // SAFETY: NULL, live, or pinned.
                assert_eq!(unsafe { self.ole.SysAddRefString(raw) }, S_OK);
            }
            Op::Unpin(any) => self.unpin(*any),
            Op::Measure(len) => {
                // At an address that is not aligned.
                let mut memory = [0xAA_u8; 8];
                memory[1..5].copy_from_slice(&len.get().to_ne_bytes());
                let string = memory[5..].as_ptr().cast();
                // SAFETY: the four bytes before it can be read.
                assert_eq!(unsafe { self.ole.SysStringByteLen(string) }, len.get());
                // SAFETY: as above.
                assert_eq!(unsafe { self.ole.SysStringLen(string) }, len.get() / 2);
                // SAFETY: NULL is allowed.
                assert_eq!(unsafe { self.ole.SysStringByteLen(null()) }, 0);
                // SAFETY: NULL is allowed.
                assert_eq!(unsafe { self.ole.SysStringLen(null()) }, 0);
            }
            Op::Memory(is_there) => {
                if let Some(heap) = self.heap {
                    self.is_empty = !is_there;
                    heap.set_empty(self.is_empty);
                }
            }
        }
    }

    fn realloc_len(&mut self, at: usize, source: &Resolved, len: Len) {
        let is_own = source.own.is_some_and(|(own, _)| own == at);
        let mut len = len.get();
        let readable = u32::try_from(source.bytes.len() / 2).expect("short");
        // Nobody looks at the source where there can be no such string.
        if block_for(u64::from(len) * 2).is_some() && !is_own && !source.pointer.is_null() {
            len = len.min(readable);
        }
        let bytes = u64::from(len) * 2;
        if self.is_too_much(bytes) {
            return;
        }
        self.realloc(at, source, bytes, |ole, slot| {
            // SAFETY: a live string or NULL; the source is NULL, in it, or readable.
            unsafe { ole.SysReAllocStringLen(slot, source.pointer.cast(), len) }
        });
    }

    /// Takes a pin off, where there is one.
    pub(super) fn unpin(&mut self, any: Any) {
        let raw = self.any(any).map_or(null(), |text| {
            text.pins = text.pins.saturating_sub(1);
            text.raw
        });
        self.ghosts.retain(|ghost| ghost.pins > 0);
        // SAFETY: NULL, live, or pinned and not used again.
        unsafe { self.ole.SysReleaseString(raw) };
    }

    /// An allocation with a length, in units of that many bytes.
    pub(super) fn alloc(&mut self, at: At, source: &Source, len: Len, unit: u32) {
        let source = self.resolve(source);
        let mut len = len.get();
        let readable = u32::try_from(source.bytes.len()).expect("short") / unit;
        // Nobody looks at the source where there can be no such string.
        let is_possible = block_for(u64::from(len) * u64::from(unit)).is_some();
        if is_possible && !source.pointer.is_null() {
            len = len.min(readable);
        }
        let bytes = u64::from(len) * u64::from(unit);
        if self.is_too_much(bytes) {
            return;
        }
        let data = self.allocates(bytes).then(|| {
            let bytes = usize::try_from(bytes).expect("short");
            let mut data = source.bytes.clone();
            data.resize(bytes, 0);
            data
        });
        let pointer = source.pointer;
        let raw = match unit {
            // SAFETY: NULL, or readable for that many units, or too many for any string.
            2 => unsafe { self.ole.SysAllocStringLen(pointer.cast(), len) },
            // SAFETY: as above, in bytes.
            _ => unsafe { self.ole.SysAllocStringByteLen(pointer, len) },
        };
        self.put(Self::slot(at), raw, data);
    }

    /// Compares everything.
    pub(super) fn check(&mut self) {
        let mut blocks = Vec::new();
        for text in self.slots.iter().flatten().chain(&self.ghosts) {
            text.check(self.ole);
            let start = text.raw.addr() - HEADER;
            blocks.push((start, start + text.block));
        }
        blocks.sort_unstable();
        for pair in blocks.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "two strings overlap");
        }
        let asked = take(&mut self.asked);
        if let Some(heap) = self.heap {
            assert_eq!(heap.asked(), asked, "what the heap was asked for");
            assert_eq!(heap.below().live(), blocks.len(), "blocks that are out");
        }
    }

    /// Frees everything, and takes the last pins off.
    pub(super) fn finish(mut self) {
        for at in 0..SLOTS {
            self.free(at);
        }
        while !self.ghosts.is_empty() {
            self.unpin(Any(u8::try_from(SLOTS).expect("few")));
            self.check();
        }
    }
}
