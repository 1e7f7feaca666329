//! Block sizes and largest lengths, seen by the heap below.

use crate::common::{
    HOSTILE_BYTES, HOSTILE_UNITS, MAX_BYTES, MAX_UNITS, Owned, block_size, bytes_of, wide,
};
use crate::filler;
use portable_bstr::backend::Portable;
use portable_bstr::heap::{Global, Heap};
use portable_bstr::sys::{FALSE, OleAut, TRUE};
use std::cell::RefCell;
use std::ptr::NonNull;

/// Gives out small blocks, and none of more than a mebibyte; writes down what it was asked for.
#[derive(Default)]
struct Asked(RefCell<Vec<usize>>);

impl Asked {
    fn take(&self) -> Vec<usize> {
        self.0.take()
    }
}

// SAFETY: its blocks are the global allocator's.
unsafe impl Heap for Asked {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        self.0.borrow_mut().push(size);
        if size > 1 << 20 {
            return None;
        }
        Global.allocate(size)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>) {
        // SAFETY: the block is the global allocator's.
        unsafe { Global.deallocate(block) };
    }

    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: the block is the global allocator's.
        unsafe { Global.usable_size(block) }
    }
}

/// M, W: the block is the bytes, a NUL and a pointer, rounded up to 16.
#[test]
fn block_sizes() {
    let ole = OleAut::new(Portable::new(Asked::default()));
    let asked = ole.backend().heap();
    for bytes in (0..600).chain([4096, 65_535, 65_536]) {
        let size = block_size(bytes);
        drop(Owned::bytes(&ole, &filler(bytes)));
        assert_eq!(asked.take(), [size], "{bytes} bytes");
        if bytes.is_multiple_of(2) {
            let units = vec![0x61; bytes / 2];
            let psz = [units.as_slice(), &[0]].concat();
            drop(Owned::wide(&ole, &units));
            drop(Owned::psz(&ole, &psz));
            assert_eq!(asked.take(), [size, size], "{bytes} bytes");
        }
    }
}

/// M: the largest lengths are asked of the heap, and not a byte more.
#[test]
fn limits_to_the_byte() {
    const LARGEST_BLOCK: usize = 0xFFFF_FFF0;
    let ole = OleAut::new(Portable::new(Asked::default()));
    let asked = ole.backend().heap();
    let mut string = Owned::wide(&ole, &wide("ready"));
    let mut empty = Owned::null(&ole);
    asked.take();

    assert!(Owned::zero_bytes(&ole, MAX_BYTES).raw().is_null());
    assert!(Owned::zeros(&ole, MAX_UNITS).raw().is_null());
    assert_eq!(string.resize(MAX_UNITS), FALSE);
    assert_eq!(empty.resize(MAX_UNITS), FALSE);
    assert_eq!(asked.take(), [LARGEST_BLOCK; 4]);

    for bytes in HOSTILE_BYTES {
        assert!(Owned::zero_bytes(&ole, bytes).raw().is_null());
    }
    for units in HOSTILE_UNITS {
        assert!(Owned::zeros(&ole, units).raw().is_null());
        assert_eq!(string.resize(units), FALSE);
        assert_eq!(empty.resize(units), FALSE);
    }
    assert_eq!(asked.take(), [], "too long, and the heap was asked");
    string.expect(&bytes_of(&wide("ready")));
}

/// Hands out the middle of one buffer.
struct Middle {
    buffer: NonNull<u16>,
}

impl Middle {
    /// The block is so large, and as large is what lies on each side of it.
    const SIZE: usize = 48;
}

// SAFETY: one block is asked for at a time; the buffer is aligned and outlives it.
unsafe impl Heap for Middle {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        assert!(size <= Self::SIZE);
        // SAFETY: the buffer is three times as large.
        Some(unsafe { self.buffer.cast::<u8>().byte_add(Self::SIZE) })
    }

    unsafe fn deallocate(&self, _: NonNull<u8>) {}

    unsafe fn usable_size(&self, _: NonNull<u8>) -> usize {
        Self::SIZE
    }
}

/// D: only a source inside the string is the string's own. One in the memory right behind the
/// block, or right before it, is read as any other.
#[test]
fn a_source_beside_the_block_is_not_inside_it() {
    #[repr(align(16))]
    struct Buffer([u16; 3 * Middle::SIZE / 2]);

    let mut buffer = Buffer(std::array::from_fn(|i| u16::try_from(i).unwrap() + 1));
    let start = buffer.0.as_mut_ptr();
    let around: Vec<u16> = buffer.0.to_vec();
    let heap = Middle {
        buffer: NonNull::new(start).unwrap(),
    };
    let ole = OleAut::new(Portable::new(heap));
    let (block, end) = (Middle::SIZE / 2, Middle::SIZE);
    let mut broken = Vec::new();
    for at in (0..=block - 4).chain(end..=end + block - 4) {
        let mut raw = Owned::wide(&ole, &[0x6161; 19]).into_raw();
        let source = start.wrapping_add(at).cast_const();
        // SAFETY: the string is this heap's; the source is four units of the buffer, none of
        // them in the block.
        let answer = unsafe { ole.SysReAllocStringLen(&mut raw, source, 4) };
        assert_eq!(answer, TRUE);
        // SAFETY: the string is live.
        let found = unsafe { std::slice::from_raw_parts(raw, 4) };
        if *found != around[at..at + 4] {
            broken.push(at * 2);
        }
    }
    assert!(
        broken.is_empty(),
        "the block ends at {}; sources at {broken:?} were taken for the string itself",
        end * 2
    );
}
