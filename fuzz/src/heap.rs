//! A heap with little memory that tells what it was asked for.

use portable_bstr::heap::Heap;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

/// The largest block, in bytes, that there is memory for.
pub(crate) const MOST: usize = 1 << 16;

/// A heap over another, with nothing for large blocks, and with nothing at all when told so.
pub(crate) struct Limited<H> {
    below: H,
    is_empty: Cell<bool>,
    asked: RefCell<Vec<usize>>,
}

impl<H: Heap> Limited<H> {
    pub(crate) fn new(below: H) -> Self {
        Self {
            below,
            is_empty: Cell::new(false),
            asked: RefCell::default(),
        }
    }

    pub(crate) fn below(&self) -> &H {
        &self.below
    }

    /// Whether from now on there is no memory.
    pub(crate) fn set_empty(&self, is_empty: bool) {
        self.is_empty.set(is_empty);
    }

    /// The sizes that it was asked for since this was called last.
    pub(crate) fn asked(&self) -> Vec<usize> {
        self.asked.take()
    }
}

// SAFETY: every block comes from the heap below and goes back to it.
unsafe impl<H: Heap> Heap for Limited<H> {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        self.asked.borrow_mut().push(size);
        if self.is_empty.get() || size > MOST {
            return None;
        }
        self.below.allocate(size)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>) {
        // SAFETY: the caller's block came from the heap below.
        unsafe { self.below.deallocate(block) };
    }

    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: as above.
        unsafe { self.below.usable_size(block) }
    }
}
