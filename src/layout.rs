//! Byte counts in, block sizes and offsets out: the arithmetic of a BSTR's block.
//!
//! ```text
//!              p - 8      p - 4      p                    p + len
//! 64-bit       | padding  | len      | data               | NUL  | rounding |
//!
//!                         p - 4      p                    p + len
//! 32-bit                  | len      | data               | NUL  | rounding |
//! ```
//!
//! `p` is the pointer that everybody passes about. `len` counts bytes and leaves the NUL out.
//! The NUL is two bytes wide and stands on an even offset, so an odd `len` is followed by three
//! zero bytes. The block is rounded up to a multiple of 16 bytes.
//!
//! Everything here is checked before any pointer is touched, and both pointer widths can be
//! computed on either, so that the limits of a 32-bit program are tested on a 64-bit machine.
//!
//! ```
//! use portable_bstr::layout::BlockLayout;
//!
//! let native = BlockLayout::NATIVE;
//! assert_eq!(native.header(), size_of::<usize>() as u32);
//! assert_eq!(BlockLayout::BITS_64.block_size(10), Some(32)); // 8 + 10 + 2, rounded up
//! assert_eq!(BlockLayout::BITS_32.block_size(10), Some(16)); // 4 + 10 + 2
//! assert_eq!(BlockLayout::BITS_64.block_size(u32::MAX), None);
//! ```

/// Bytes in one UTF-16 code unit.
pub const UNIT: u32 = 2;

/// Every block's size is a multiple of this many bytes.
pub const GRANULE: u32 = 16;

/// Bytes of the length prefix, which ends where the data begins.
pub const PREFIX: u32 = 4;

/// How a BSTR lies in its block, for one pointer width.
///
/// All sizes are in bytes unless a name says units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLayout {
    /// Bytes before the data. Invariant: 4 or 8, so at least [`PREFIX`].
    header: u32,
}

impl BlockLayout {
    /// The layout on 32-bit processors.
    pub const BITS_32: Self = Self { header: 4 };

    /// The layout on 64-bit processors.
    pub const BITS_64: Self = Self { header: 8 };

    /// The layout on the processor this was compiled for.
    pub const NATIVE: Self = match size_of::<usize>() {
        4 => Self::BITS_32,
        8 => Self::BITS_64,
        _ => panic!("a BSTR is defined for 32-bit and 64-bit pointers only"),
    };

    /// The bytes between a block's start and its data; the last [`PREFIX`] of them hold the
    /// byte count.
    #[inline]
    #[must_use]
    pub const fn header(self) -> u32 {
        self.header
    }

    /// The size, in bytes, of the block that holds a string of `bytes` bytes, or `None` where
    /// OLEAUT32 refuses: the sum must fit in 32 bits before it is rounded down.
    ///
    /// The result is a multiple of [`GRANULE`] and always has room for the terminator, the
    /// three zero bytes of an odd count included.
    #[inline]
    #[must_use]
    pub const fn block_size(self, bytes: u32) -> Option<u32> {
        match bytes.checked_add(UNIT + self.header + (GRANULE - 1)) {
            Some(sum) => Some(sum & !(GRANULE - 1)),
            None => None,
        }
    }

    /// As [`block_size`](Self::block_size) where OLEAUT32 does not refuse; else some size that is larger
    /// than all of those.
    #[inline]
    pub(crate) const fn block_size_or_more(self, bytes: u32) -> usize {
        let sum = (bytes as usize).saturating_add((UNIT + self.header + (GRANULE - 1)) as usize);
        sum & !(GRANULE as usize - 1)
    }

    /// The longest string, in bytes, that [`block_size`](Self::block_size) accepts.
    #[inline]
    #[must_use]
    pub const fn max_bytes(self) -> u32 {
        u32::MAX - (UNIT + self.header + (GRANULE - 1))
    }

    /// The longest string, in UTF-16 code units, that [`block_size`](Self::block_size) accepts.
    #[inline]
    #[must_use]
    pub const fn max_units(self) -> u32 {
        self.max_bytes() / UNIT
    }

    /// The largest string, in bytes, whose data and terminator fit in a block of `block` bytes;
    /// 0 where the block is too small for any.
    ///
    /// This is how far a length may be believed: prefixes are rewritten by their callers, blocks
    /// are not.
    #[inline]
    #[must_use]
    pub const fn capacity(self, block: usize) -> usize {
        block.saturating_sub((self.header + UNIT) as usize)
    }
}

/// The bytes in `units` UTF-16 code units, or `None` where they cannot be counted in 32 bits.
#[inline]
#[must_use]
pub const fn units_to_bytes(units: u32) -> Option<u32> {
    units.checked_mul(UNIT)
}

/// The whole UTF-16 code units in `bytes` bytes; an odd last byte does not count.
#[inline]
#[must_use]
pub const fn whole_units(bytes: u32) -> u32 {
    bytes / UNIT
}

/// The offset, in bytes from the data, of the two-byte NUL behind `bytes` bytes of data: the
/// first even one. Where `bytes` is odd, one more zero byte stands at `bytes` itself.
#[inline]
#[must_use]
pub const fn terminator(bytes: u32) -> usize {
    bytes as usize + (bytes % UNIT) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limits as the published arithmetic has them, for both pointer widths.
    #[test]
    fn limits_to_the_byte() {
        for (layout, max_bytes, max_units) in [
            (BlockLayout::BITS_64, 0xFFFF_FFE6, 0x7FFF_FFF3),
            (BlockLayout::BITS_32, 0xFFFF_FFEA, 0x7FFF_FFF5),
        ] {
            assert_eq!(layout.max_bytes(), max_bytes);
            assert_eq!(layout.max_units(), max_units);
            assert_eq!(layout.block_size(max_bytes), Some(0xFFFF_FFF0));
            assert_eq!(layout.block_size(max_bytes + 1), None);
            assert_eq!(layout.block_size(u32::MAX), None);
            let most = units_to_bytes(max_units).unwrap();
            assert!(layout.block_size(most).is_some());
            assert_eq!(layout.block_size(most + 2), None);
        }
    }

    /// Against the documented formula, evaluated in 64 bits where nothing can overflow.
    #[test]
    fn sizes_follow_the_formula() {
        for (layout, pointer) in [(BlockLayout::BITS_64, 8), (BlockLayout::BITS_32, 4)] {
            for bytes in (0..5000).chain(u32::MAX - 5000..=u32::MAX) {
                let sum = u64::from(bytes) + 2 + pointer + 15;
                let expected = u32::try_from(sum).ok().map(|sum| sum & !15);
                assert_eq!(layout.block_size(bytes), expected, "{bytes} bytes");
                let or_more = layout.block_size_or_more(bytes);
                match expected {
                    Some(size) => assert_eq!(or_more, size as usize, "{bytes} bytes"),
                    None => assert!(or_more >= 0xFFFF_FFF0, "{bytes} bytes"),
                }
            }
        }
    }

    #[test]
    fn every_block_holds_its_header_data_and_terminator() {
        for layout in [BlockLayout::BITS_64, BlockLayout::BITS_32] {
            for bytes in 0..=4096 {
                let block = layout.block_size(bytes).unwrap() as usize;
                let end = layout.header() as usize + terminator(bytes) + UNIT as usize;
                assert!(end <= block, "{bytes} bytes end at {end} of {block}");
                assert!(layout.capacity(block) >= bytes as usize);
            }
        }
    }

    #[test]
    fn a_blocks_capacity_is_the_longest_string_that_fits() {
        for (layout, header) in [(BlockLayout::BITS_64, 8), (BlockLayout::BITS_32, 4)] {
            for block in (0..200).step_by(2) {
                let longest = (0..=block).rev().find(|bytes| header + bytes + 2 <= block);
                assert_eq!(layout.capacity(block), longest.unwrap_or(0), "{block}");
            }
        }
    }

    #[test]
    fn terminators_stand_on_even_offsets() {
        let table = [(0, 0), (1, 2), (2, 2), (3, 4), (5, 6), (6, 6)];
        for (bytes, offset) in table {
            assert_eq!(terminator(bytes), offset);
        }
    }

    #[test]
    fn units_and_bytes() {
        assert_eq!(units_to_bytes(0x7FFF_FFFF), Some(0xFFFF_FFFE));
        assert_eq!(units_to_bytes(0x8000_0000), None);
        assert_eq!(whole_units(1), 0);
        assert_eq!(whole_units(3), 1);
    }
}
