//! Sequences of the `Sys` functions, against a naive model of what memory holds.
//!
//! A few slots hold strings or NULL. Lengths are hostile, sources lie at odd addresses and inside the
//! very string that is replaced, prefixes are rewritten, strings are pinned, and memory runs out. Behind
//! every step everything is compared.

use crate::heap::{Limited, MOST};
use crate::ole::{Ole, Process};
use crate::strict::Strict;
use arbitrary::Arbitrary;
use portable_bstr::backend::Portable;
use portable_bstr::heap::Global;
use portable_bstr::sys::{BSTR, FALSE, OleAut, S_OK, TRUE};
use std::mem::take;
use std::ptr::{null, null_mut};

/// How many strings there are at a time, NULLs included.
const SLOTS: usize = 4;

/// The bytes before the data.
const HEADER: usize = size_of::<usize>();

/// The bytes of the block for a string of that many bytes, where there can be one.
fn block_for(bytes: u64) -> Option<usize> {
    let sum = bytes + 2 + HEADER as u64 + 15;
    let sum = u32::try_from(sum).ok()?;
    Some(sum as usize & !15)
}

/// Strings of the process's, or over a heap that notices everything.
#[derive(Debug, Arbitrary)]
pub struct SysOps {
    is_strict: bool,
    program: Program,
}

/// What is done, step by step.
#[derive(Debug, Arbitrary)]
pub struct Program(Vec<Op>);

/// A slot, by number.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct At(u8);

/// A slot or a string that is only pinned, by number.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Any(u8);

#[derive(Debug, Arbitrary)]
enum Source {
    Null,
    /// Memory that is no string's, at an odd address or not.
    Outside {
        bytes: Vec<u8>,
        is_odd: bool,
    },
    /// So many bytes into a string.
    Inside(Any, u16),
}

/// A length, in whichever units are asked for.
#[derive(Clone, Copy, Debug, Arbitrary)]
enum Len {
    Short(u8),
    Long(u16),
    /// From the longest that a string of units can have.
    NearMostUnits(i8),
    /// From the longest that a string of bytes can have.
    NearMostBytes(i8),
    /// From where twice as many do not fit.
    NearHalf(i8),
    /// Before the largest number.
    NearEnd(u8),
    Any(u32),
}

impl Len {
    fn get(self) -> u32 {
        let most: u32 = if HEADER == 8 {
            0xFFFF_FFE6
        } else {
            0xFFFF_FFEA
        };
        match self {
            Self::Short(len) => len.into(),
            Self::Long(len) => len.into(),
            Self::NearMostUnits(by) => (most / 2).saturating_add_signed(by.into()),
            Self::NearMostBytes(by) => most.saturating_add_signed(by.into()),
            Self::NearHalf(by) => 0x8000_0000_u32.saturating_add_signed(by.into()),
            Self::NearEnd(by) => u32::MAX - u32::from(by),
            Self::Any(len) => len,
        }
    }
}

#[derive(Debug, Arbitrary)]
enum Op {
    AllocString(At, Source),
    AllocStringLen(At, Source, Len),
    AllocStringByteLen(At, Source, Len),
    ReAllocString(At, Source),
    ReAllocStringLen(At, Source, Len),
    /// Without a place for the string.
    ReAllocNowhere(Source, Len),
    Free(At),
    /// What the prefix says is changed.
    SetPrefix(At, Len),
    RestorePrefix(At),
    /// A byte of the data is written.
    Write(At, u16, u8),
    Pin(Any),
    Unpin(Any),
    /// A string with a prefix and nothing else, as C code has them on its stack.
    Measure(Len),
    /// From now on there is no memory, or there is again.
    Memory(bool),
}

/// A string, and what its memory should hold.
struct Text {
    raw: BSTR,
    data: Vec<u8>,
    /// What the prefix should say.
    stated: u32,
    /// The block's size that was asked for.
    block: usize,
    pins: usize,
}

impl Text {
    /// The memory from the data on, as far as it is known, to the block's end.
    fn memory(&self) -> Vec<Option<u8>> {
        let mut memory: Vec<_> = self.data.iter().copied().map(Some).collect();
        memory.resize(self.data.len().next_multiple_of(2) + 2, Some(0));
        memory.resize((self.block - HEADER).max(memory.len()), None);
        memory
    }

    /// Data and terminator.
    fn readable(&self) -> Vec<u8> {
        self.memory().into_iter().map_while(|byte| byte).collect()
    }

    fn byte(&self, offset: usize) -> *mut u8 {
        self.raw.cast_mut().cast::<u8>().wrapping_add(offset)
    }

    fn state(&mut self, bytes: u32) {
        self.stated = bytes;
        let prefix = self.raw.cast_mut().wrapping_byte_sub(4);
        // SAFETY: the four bytes before a string are its block's.
        unsafe { prefix.cast::<u32>().write_unaligned(bytes) };
    }

    fn check(&self, ole: &dyn Ole) {
        assert_eq!(self.raw.addr() % HEADER, 0, "aligned to a pointer");
        // SAFETY: the string is live.
        let bytes = unsafe { ole.SysStringByteLen(self.raw) };
        assert_eq!(bytes, self.stated, "SysStringByteLen");
        // SAFETY: as above.
        let units = unsafe { ole.SysStringLen(self.raw) };
        assert_eq!(units, self.stated / 2, "SysStringLen");
        for offset in 1..=HEADER - 4 {
            let padding = self.raw.cast::<u8>().wrapping_sub(4 + offset);
            // SAFETY: the header is part of the block.
            assert_eq!(unsafe { padding.read() }, 0, "the padding");
        }
        for (offset, expected) in self.readable().into_iter().enumerate() {
            // SAFETY: data and terminator are part of the block.
            let found = unsafe { self.byte(offset).read() };
            assert_eq!(found, expected, "byte {offset} of {:?}", self.data);
        }
    }
}

/// A source, resolved.
struct Resolved {
    pointer: *const u8,
    /// What can be read there.
    bytes: Vec<u8>,
    /// In which slot's string it lies, and how far from its data.
    own: Option<(usize, usize)>,
    /// Keeps the memory.
    _outside: Vec<u64>,
}

impl Resolved {
    /// The bytes before the first unit that is NUL, where the memory is aligned and has one.
    fn to_nul(&self) -> Option<&[u8]> {
        let nul = self.bytes.chunks_exact(2).position(|unit| unit == [0, 0])?;
        self.pointer
            .addr()
            .is_multiple_of(2)
            .then(|| &self.bytes[..nul * 2])
    }
}

struct Model<'a> {
    ole: &'a dyn Ole,
    /// The heap below, where it is one that tells.
    heap: Option<&'a Limited<Strict<Global>>>,
    is_empty: bool,
    slots: [Option<Text>; SLOTS],
    /// Strings that their owner freed, and pins hold.
    ghosts: Vec<Text>,
    /// What the heap should have been asked for.
    asked: Vec<usize>,
}

impl SysOps {
    /// Runs the scenario.
    pub fn run(self) {
        if !self.is_strict {
            return self.program.run(&Process);
        }
        let ole = OleAut::new(Portable::new(Limited::new(Strict::new(Global))));
        let heap = ole.backend().heap();
        self.program.run_over(&ole, Some(heap));
        assert_eq!(heap.below().live(), 0, "blocks that never came back");
        heap.below().check();
    }
}

impl Program {
    pub(crate) fn run(self, ole: &dyn Ole) {
        self.run_over(ole, None);
    }

    fn run_over(self, ole: &dyn Ole, heap: Option<&Limited<Strict<Global>>>) {
        let mut model = Model {
            ole,
            heap,
            is_empty: false,
            slots: Default::default(),
            ghosts: Vec::new(),
            asked: Vec::new(),
        };
        for op in &self.0 {
            model.step(op);
            model.check();
        }
        model.finish();
    }
}

impl Model<'_> {
    /// Whether a string of that many bytes can be allocated, which is to happen now.
    fn allocates(&mut self, bytes: u64) -> bool {
        let Some(size) = block_for(bytes) else {
            return false;
        };
        self.asked.push(size);
        self.heap.is_none() || (!self.is_empty && size <= MOST)
    }

    /// Whether so many bytes are not to be tried: the process's memory is not to be used up.
    fn is_too_much(&self, bytes: u64) -> bool {
        self.heap.is_none() && block_for(bytes).is_some_and(|size| size > MOST * 4)
    }

    fn slot(at: At) -> usize {
        usize::from(at.0) % SLOTS
    }

    fn any(&mut self, any: Any) -> Option<&mut Text> {
        let at = usize::from(any.0) % (SLOTS + self.ghosts.len());
        match at.checked_sub(SLOTS) {
            None => self.slots[at].as_mut(),
            Some(ghost) => self.ghosts.get_mut(ghost),
        }
    }

    fn resolve(&mut self, source: &Source) -> Resolved {
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
    fn bury(&mut self, old: Option<Text>) {
        self.ghosts.extend(old.filter(|text| text.pins > 0));
    }

    /// What an allocation returned goes into a slot, and what was there is freed.
    fn put(&mut self, at: usize, raw: BSTR, data: Option<Vec<u8>>) {
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

    fn free(&mut self, at: usize) {
        let old = self.slots[at].take();
        let raw = old.as_ref().map_or(null(), |text| text.raw);
        // SAFETY: the string is live, or NULL.
        unsafe { self.ole.SysFreeString(raw) };
        self.bury(old);
    }

    fn step(&mut self, op: &Op) {
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
                let at = Self::slot(*at);
                let source = self.resolve(source);
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
                self.realloc(at, &source, bytes, |ole, slot| {
                    // SAFETY: a live string or NULL; the source is NULL, in it, or readable.
                    unsafe { ole.SysReAllocStringLen(slot, source.pointer.cast(), len) }
                });
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

    /// Takes a pin off, where there is one.
    fn unpin(&mut self, any: Any) {
        let raw = self.any(any).map_or(null(), |text| {
            text.pins = text.pins.saturating_sub(1);
            text.raw
        });
        self.ghosts.retain(|ghost| ghost.pins > 0);
        // SAFETY: NULL, live, or pinned and not used again.
        unsafe { self.ole.SysReleaseString(raw) };
    }

    /// An allocation with a length, in units of that many bytes.
    fn alloc(&mut self, at: At, source: &Source, len: Len, unit: u32) {
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

    /// `SysReAllocString` of NULL.
    fn realloc_null(&mut self, at: usize) {
        let old = self.slots[at].take();
        let mut raw = old.as_ref().map_or(null(), |text| text.raw);
        // SAFETY: a live string or NULL.
        assert_eq!(unsafe { self.ole.SysReAllocString(&mut raw, null()) }, TRUE);
        assert!(raw.is_null());
        self.bury(old);
    }

    /// A reallocation to `bytes` bytes from `source`.
    fn realloc(
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
    fn expected(
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

    /// Compares everything.
    fn check(&mut self) {
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
    fn finish(mut self) {
        for at in 0..SLOTS {
            self.free(at);
        }
        while !self.ghosts.is_empty() {
            self.unpin(Any(u8::try_from(SLOTS).expect("few")));
            self.check();
        }
    }
}
