//! A heap that notices everything and can be told to fail.

use portable_bstr::heap::Heap;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::slice;

/// The bytes of each zone that stands on both sides of a block and must stay as it is. A
/// multiple of 16, so that blocks keep the alignment of the heap below.
const ZONE: usize = 32;

/// What the zones hold.
const GUARD: u8 = 0xA5;

/// What a new block holds, so that nothing is zero by luck.
const DIRT: u8 = 0xFF;

/// What a freed block holds.
const POISON: u8 = 0xDD;

/// A heap over another that hands out blocks of exactly the size asked for, dirty; sees writes
/// beyond them, writes after the free and double frees; and fails the allocation it is told to.
///
/// Freed blocks stay allocated below until the heap is dropped, so that a mistake that it is
/// there to catch touches no memory that is somebody else's.
pub(crate) struct Strict<H: Heap> {
    below: H,
    blocks: RefCell<Vec<Block>>,
    /// Allocations asked for so far.
    asked: Cell<usize>,
    /// Which of them fail.
    fails: Cell<Fails>,
    /// How many did.
    failed: Cell<usize>,
    /// What went wrong: no method of a heap may panic.
    faults: RefCell<Vec<String>>,
}

#[derive(Clone, Copy)]
enum Fails {
    Never,
    Always,
    /// Only this one, counted from 0.
    Nth(usize),
}

struct Block {
    /// What the heap below gave out, `ZONE` bytes before the block.
    start: NonNull<u8>,
    size: usize,
    live: bool,
}

impl Block {
    fn address(&self) -> usize {
        self.start.addr().get() + ZONE
    }

    /// The front zone, the block and the back zone.
    fn parts(&self) -> (&[u8], &[u8], &[u8]) {
        // SAFETY: the heap below gave out that many bytes, `allocate` wrote them all, and no
        // other thread is at them.
        let all = unsafe { slice::from_raw_parts(self.start.as_ptr(), self.size + 2 * ZONE) };
        let (front, rest) = all.split_at(ZONE);
        let (block, back) = rest.split_at(self.size);
        (front, block, back)
    }

    fn fault(&self) -> Option<&'static str> {
        let (front, block, back) = self.parts();
        let holds = |part: &[u8], byte| part.iter().all(|&found| found == byte);
        if !holds(front, GUARD) {
            Some("written before its start")
        } else if !holds(back, GUARD) {
            Some("written beyond its end")
        } else if !self.live && !holds(block, POISON) {
            Some("written after it was freed")
        } else {
            None
        }
    }
}

impl<H: Heap> Strict<H> {
    pub(crate) fn new(below: H) -> Self {
        Self {
            below,
            blocks: RefCell::default(),
            asked: Cell::new(0),
            fails: Cell::new(Fails::Never),
            failed: Cell::new(0),
            faults: RefCell::default(),
        }
    }

    /// From now on every allocation fails.
    pub(crate) fn fail_always(&self) {
        self.fails.set(Fails::Always);
    }

    /// The `nth` allocation of all fails, counted from 0.
    pub(crate) fn fail_nth(&self, nth: usize) {
        self.fails.set(Fails::Nth(nth));
    }

    /// No allocation fails any more.
    pub(crate) fn fail_never(&self) {
        self.fails.set(Fails::Never);
    }

    /// How many allocations have been failed.
    pub(crate) fn failed(&self) -> usize {
        self.failed.get()
    }

    /// How many blocks are out.
    pub(crate) fn live(&self) -> usize {
        self.blocks.borrow().iter().filter(|b| b.live).count()
    }

    /// Asserts that nothing went wrong so far.
    #[track_caller]
    pub(crate) fn check(&self) {
        let faults = self.faults.borrow();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        for block in self.blocks.borrow().iter() {
            let fault = block.fault();
            assert_eq!(fault, None, "a block of {} bytes", block.size);
        }
    }

    fn complain(&self, what: &str, block: NonNull<u8>) {
        let mut faults = self.faults.borrow_mut();
        faults.push(format!("{what}: {block:p}"));
    }
}

// SAFETY: blocks lie between two zones in blocks of the heap below, 16 bytes aligned where
// those are, and are given out once.
unsafe impl<H: Heap> Heap for Strict<H> {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        let nth = self.asked.replace(self.asked.get() + 1);
        let fails = match self.fails.get() {
            Fails::Never => false,
            Fails::Always => true,
            Fails::Nth(fails) => fails == nth,
        };
        if fails {
            self.failed.set(self.failed.get() + 1);
            return None;
        }
        let start = self.below.allocate(size + 2 * ZONE)?;
        // SAFETY: the block below has two zones more than this.
        let block = unsafe { start.byte_add(ZONE) };
        // SAFETY: as above.
        unsafe { start.write_bytes(GUARD, size + 2 * ZONE) };
        // SAFETY: as above.
        unsafe { block.write_bytes(DIRT, size) };
        self.blocks.borrow_mut().push(Block {
            start,
            size,
            live: true,
        });
        Some(block)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>) {
        let mut blocks = self.blocks.borrow_mut();
        let found = blocks
            .iter_mut()
            .find(|known| known.address() == block.addr().get());
        match found {
            Some(known) if known.live => {
                if let Some(fault) = known.fault() {
                    self.complain(fault, block);
                }
                known.live = false;
                // SAFETY: the block has that size.
                unsafe { block.write_bytes(POISON, known.size) };
            }
            Some(_) => self.complain("freed twice", block),
            None => self.complain("freed, and no block of this heap", block),
        }
    }

    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        let blocks = self.blocks.borrow();
        let found = blocks
            .iter()
            .find(|known| known.live && known.address() == block.addr().get());
        if found.is_none() {
            self.complain("its size was asked for, and it is no live block", block);
        }
        found.map_or(0, |known| known.size)
    }
}

impl<H: Heap> Drop for Strict<H> {
    fn drop(&mut self) {
        for block in self.blocks.get_mut() {
            // SAFETY: the heap below gave it out, and this is the first time it goes back.
            unsafe { self.below.deallocate(block.start) };
        }
    }
}
