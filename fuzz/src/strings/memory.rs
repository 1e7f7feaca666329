//! What memory should hold: strings, and where contents come from.

use super::HEADER;
use crate::ole::Ole;
use portable_bstr::sys::BSTR;

/// A string, and what its memory should hold.
pub(super) struct Text {
    pub(super) raw: BSTR,
    pub(super) data: Vec<u8>,
    /// What the prefix should say.
    pub(super) stated: u32,
    /// The block's size that was asked for.
    pub(super) block: usize,
    pub(super) pins: usize,
}

impl Text {
    /// The memory from the data on, as far as it is known, to the block's end.
    pub(super) fn memory(&self) -> Vec<Option<u8>> {
        let mut memory: Vec<_> = self.data.iter().copied().map(Some).collect();
        memory.resize(self.data.len().next_multiple_of(2) + 2, Some(0));
        memory.resize((self.block - HEADER).max(memory.len()), None);
        memory
    }

    /// Data and terminator.
    pub(super) fn readable(&self) -> Vec<u8> {
        self.memory().into_iter().map_while(|byte| byte).collect()
    }

    pub(super) fn byte(&self, offset: usize) -> *mut u8 {
        self.raw.cast_mut().cast::<u8>().wrapping_add(offset)
    }

    pub(super) fn state(&mut self, bytes: u32) {
        self.stated = bytes;
        let prefix = self.raw.cast_mut().wrapping_byte_sub(4);
        // SAFETY: the four bytes before a string are its block's.
        unsafe { prefix.cast::<u32>().write_unaligned(bytes) };
    }

    pub(super) fn check(&self, ole: &dyn Ole) {
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
pub(super) struct Resolved {
    pub(super) pointer: *const u8,
    /// What can be read there.
    pub(super) bytes: Vec<u8>,
    /// In which slot's string it lies, and how far from its data.
    pub(super) own: Option<(usize, usize)>,
    /// Keeps the memory.
    pub(super) _outside: Vec<u64>,
}

impl Resolved {
    /// The bytes before the first unit that is NUL, where the memory is aligned and has one.
    pub(super) fn to_nul(&self) -> Option<&[u8]> {
        let nul = self.bytes.chunks_exact(2).position(|unit| unit == [0, 0])?;
        self.pointer
            .addr()
            .is_multiple_of(2)
            .then(|| &self.bytes[..nul * 2])
    }
}
