//! OLEAUT32's cache: freed blocks that a thread keeps back for its next strings.
//!
//! It is what makes allocating a BSTR fast, and what hides mistakes: a string freed twice in a
//! row does no harm, and its contents stay readable. So it can be turned off, by the environment
//! variable `OANOCACHE`, by [`SetOaNoCache`](crate::sys::SetOaNoCache), and of itself under
//! fuzzers and Miri; and `OACACHEPARAMS` tunes it.
//!
//! [`Buckets`] is the cache itself, a table of addresses that never looks behind one.
//! [`ThreadCache`] gives each thread its own, as a heap over the heap below.
//!
//! # The hot path
//!
//! It has no lock, and no thread-local with a destructor. [`LIMITS`] are all zero until the
//! environment has been read, so that no size has a bucket; a thread's buckets have no slots
//! until its destructor is armed, and none again once that has run. Both cases fall into the slow
//! path because there is nothing to be had on the fast one, and need no check of their own.

use crate::frame;
use crate::heap::{Heap, Native as Below};
use core::cell::Cell;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Once;

/// Blocks of different sizes do not share slots.
const BUCKETS: usize = 4;

/// The most slots a bucket can have, whatever `OACACHEPARAMS` asks for.
const MOST_SLOTS: usize = 16;

/// The largest block, in bytes, that each bucket takes. Zero for all of them while there is no
/// cache.
static LIMITS: [AtomicUsize; BUCKETS] = [const { AtomicUsize::new(0) }; BUCKETS];

/// The bucket for blocks of `size` bytes, where there is one.
#[inline]
fn bucket_for(size: usize) -> Option<usize> {
    LIMITS
        .iter()
        .position(|limit| size <= limit.load(Ordering::Relaxed))
}

/// One block kept back, or none.
struct Slot {
    block: Cell<*mut u8>,
    /// The block's size in bytes. Invariant: 0 where there is no block, so that an empty slot
    /// never fits a request.
    size: Cell<usize>,
}

impl Slot {
    const fn empty() -> Self {
        Self {
            block: Cell::new(null_mut()),
            size: Cell::new(0),
        }
    }

    fn take(&self) -> Option<NonNull<u8>> {
        self.size.set(0);
        NonNull::new(self.block.replace(null_mut()))
    }

    fn set(&self, block: NonNull<u8>, size: usize) {
        self.block.set(block.as_ptr());
        self.size.set(size);
    }
}

/// The freed blocks of one thread.
struct Buckets {
    /// How many slots of each bucket are in use: 0 while the thread has no cache.
    slots: Cell<usize>,
    table: [[Slot; MOST_SLOTS]; BUCKETS],
}

impl Buckets {
    const fn closed() -> Self {
        Self {
            slots: Cell::new(0),
            table: [const { [const { Slot::empty() }; MOST_SLOTS] }; BUCKETS],
        }
    }

    #[inline]
    fn slots(&self, bucket: usize) -> &[Slot] {
        &self.table[bucket][..self.slots.get().min(MOST_SLOTS)]
    }

    /// The first block of at least `size` bytes.
    #[inline]
    fn take(&self, bucket: usize, size: usize) -> Option<NonNull<u8>> {
        self.slots(bucket)
            .iter()
            .find(|slot| slot.size.get() >= size)?
            .take()
    }

    /// Keeps `block` back. Answers the block that there is no room for: `block` itself, or a
    /// smaller one that made room for it. A block that is already here is left as it is.
    #[inline]
    fn put(&self, bucket: usize, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        for slot in self.slots(bucket) {
            let kept = slot.block.get();
            if kept.is_null() {
                slot.set(block, size);
                return None;
            }
            if kept == block.as_ptr() {
                return None;
            }
        }
        self.evict(bucket, block, size)
    }

    /// Of a full bucket's blocks and `block`, keeps all but the smallest.
    #[cold]
    fn evict(&self, bucket: usize, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        let smallest = self.slots(bucket).iter().min_by_key(|slot| slot.size.get());
        match smallest {
            Some(slot) if slot.size.get() < size => {
                let evicted = slot.take();
                slot.set(block, size);
                evicted
            }
            _ => Some(block),
        }
    }

    /// Takes all the blocks out, one by one.
    fn drain(&self) -> impl Iterator<Item = NonNull<u8>> + '_ {
        self.table.as_flattened().iter().filter_map(Slot::take)
    }
}

std::thread_local! {
    /// No destructor, so that reaching it is a plain access to memory.
    static CACHE: Buckets = const { Buckets::closed() };

    /// Nothing but a destructor, armed by being reached.
    static RELEASE_AT_EXIT: ReleaseAtExit = const { ReleaseAtExit };
}

struct ReleaseAtExit;

impl Drop for ReleaseAtExit {
    fn drop(&mut self) {
        CACHE.with(|cache| {
            cache.slots.set(0);
            release_all(cache);
        });
    }
}

fn release_all(cache: &Buckets) {
    for block in cache.drain() {
        // SAFETY: `ThreadCache` puts only blocks of this heap in, whose users have freed them,
        // and whoever takes one out of the table is the only one to have it.
        unsafe { Below.deallocate(block) };
    }
}

/// The heap below, with this thread's cache of freed blocks in front.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ThreadCache;

// SAFETY: blocks are those of the heap below, given out again only after they were freed, and
// only where they are large enough.
unsafe impl Heap for ThreadCache {
    #[inline]
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        bucket_for(size)
            .and_then(|bucket| CACHE.with(|cache| cache.take(bucket, size)))
            .or_else(|| Below.allocate(size))
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>) {
        // SAFETY: the caller's block is one of the heap below. A block that is freed twice in a
        // row, which no caller may, is in the cache and therefore still allocated down there.
        let size = unsafe { Below.usable_size(block) };
        // SAFETY: whatever is freed here was a string.
        let size = unsafe { size_class(block, size) };
        if let Some(unwanted) = keep(block, size) {
            // SAFETY: it is in the cache no more, and its user freed it.
            unsafe { release_or_arm(unwanted, size) };
        }
    }

    #[inline]
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: blocks are those of the heap below.
        unsafe { Below.usable_size(block) }
    }
}

/// What a block of `usable` bytes counts for. OLEAUT32's sizes are multiples of 16; heaps round up in
/// ways of their own, and now and then make a block 16 bytes larger than they had to, for want of a use
/// for the rest. The string in it still says what was asked for.
///
/// # Safety
///
/// A string lies in `block`.
#[inline]
unsafe fn size_class(block: NonNull<u8>, usable: usize) -> usize {
    const GRANULE: usize = crate::layout::GRANULE as usize;
    let size = usable & !(GRANULE - 1);
    let smaller = size.wrapping_sub(GRANULE);
    // SAFETY: as the caller promises.
    if unsafe { frame::stated_size(block) } == Some(smaller) {
        smaller
    } else {
        size
    }
}

/// Offers a freed block of `size` bytes to this thread's cache. Answers the block that there is
/// no room for.
#[inline]
fn keep(block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
    match bucket_for(size) {
        Some(bucket) => CACHE.with(|cache| cache.put(bucket, block, size)),
        None => Some(block),
    }
}

/// What is left to do with a block of `size` bytes that found no slot. Where that was because
/// this thread has no cache yet, it gets one and the block another chance.
///
/// # Safety
///
/// `block` is one of the heap below, freed by its user and in no cache.
#[cold]
unsafe fn release_or_arm(block: NonNull<u8>, size: usize) {
    let unwanted = if open() {
        keep(block, size)
    } else {
        Some(block)
    };
    if let Some(unwanted) = unwanted {
        // SAFETY: as the caller promises of `block`; nothing else is put into a new cache.
        unsafe { Below.deallocate(unwanted) };
    }
}

/// Opens this thread's cache, where it has none and may have one. Answers whether it did.
fn open() -> bool {
    let slots = configured_slots();
    CACHE.with(|cache| {
        // A thread that is past its destructors cannot arm another.
        let opens = cache.slots.get() == 0 && RELEASE_AT_EXIT.try_with(|_| ()).is_ok();
        if opens {
            cache.slots.set(slots);
        }
        opens
    })
}

/// Turns the cache off for the whole process: no thread keeps a block back from now on.
///
/// This thread's blocks are released now, those of other threads when they end.
pub(crate) fn turn_off() {
    configured_slots();
    for limit in &LIMITS {
        limit.store(0, Ordering::Relaxed);
    }
    CACHE.with(release_all);
}

/// How many slots a thread's buckets have by the environment, which is read once.
fn configured_slots() -> usize {
    static READ: Once = Once::new();
    static SLOTS: AtomicUsize = AtomicUsize::new(0);
    READ.call_once(|| {
        if std::env::var_os("OANOCACHE").is_some() {
            return;
        }
        let text = std::env::var("OACACHEPARAMS").unwrap_or_default();
        let parameters = Parameters::parse(&text);
        SLOTS.store(parameters.slots, Ordering::Relaxed);
        for (limit, size) in LIMITS.iter().zip(parameters.limits) {
            limit.store(size, Ordering::Relaxed);
        }
    });
    SLOTS.load(Ordering::Relaxed)
}

/// What `OACACHEPARAMS` says.
#[derive(Debug, PartialEq, Eq)]
struct Parameters {
    limits: [usize; BUCKETS],
    slots: usize,
}

impl Parameters {
    const DEFAULT: Self = Self {
        limits: [32, 64, 256, 32768],
        slots: 6,
    };

    /// Reads `max3,max2,max1,max0:slots`. A field that is 0, missing or no number has its
    /// default; more than [`MOST_SLOTS`] slots are [`MOST_SLOTS`].
    fn parse(text: &str) -> Self {
        let field = |text: &str, default| match text.trim().parse() {
            Ok(0) | Err(_) => default,
            Ok(number) => number,
        };
        let (limits, slots) = text.split_once(':').unwrap_or((text, ""));
        let mut parameters = Self::DEFAULT;
        for (limit, text) in parameters.limits.iter_mut().rev().zip(limits.split(',')) {
            *limit = field(text, *limit);
        }
        parameters.slots = field(slots, parameters.slots).min(MOST_SLOTS);
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn block(number: usize) -> NonNull<u8> {
        // Never looked behind, so any address will do.
        NonNull::new(core::ptr::without_provenance_mut(number * 16)).unwrap()
    }

    fn open(slots: usize) -> Buckets {
        let buckets = Buckets::closed();
        buckets.slots.set(slots);
        buckets
    }

    #[test]
    fn closed_buckets_keep_nothing_and_have_nothing() {
        let cache = Buckets::closed();
        assert_eq!(cache.put(0, block(1), 32), Some(block(1)));
        assert_eq!(cache.take(0, 16), None);
    }

    #[test]
    fn first_fit_in_slot_order() {
        let cache = open(6);
        for (number, size) in [(1, 32), (2, 16), (3, 32)] {
            assert_eq!(cache.put(0, block(number), size), None);
        }
        assert_eq!(cache.take(0, 16), Some(block(1)));
        // The first empty slot takes the next block, so it is the first to be found again.
        assert_eq!(cache.put(0, block(4), 16), None);
        assert_eq!(cache.take(0, 32), Some(block(3)));
        assert_eq!(cache.take(0, 32), None);
        assert_eq!(cache.take(0, 16), Some(block(4)));
        assert_eq!(cache.take(0, 16), Some(block(2)));
        assert_eq!(cache.take(0, 16), None);
    }

    #[test]
    fn a_larger_bucket_is_never_searched() {
        let cache = open(6);
        assert_eq!(cache.put(1, block(1), 64), None);
        assert_eq!(cache.take(0, 16), None);
    }

    #[test]
    fn a_block_that_is_already_here_is_left_alone() {
        let cache = open(6);
        assert_eq!(cache.put(0, block(1), 32), None);
        assert_eq!(cache.put(0, block(1), 32), None);
        assert_eq!(cache.take(0, 32), Some(block(1)));
        assert_eq!(cache.take(0, 32), None);
    }

    #[test]
    fn a_full_bucket_gives_up_its_smallest_block_for_a_larger_one_only() {
        let cache = open(3);
        for (number, size) in [(1, 96), (2, 80), (3, 112)] {
            assert_eq!(cache.put(2, block(number), size), None);
        }
        assert_eq!(cache.put(2, block(4), 80), Some(block(4)), "not larger");
        assert_eq!(cache.put(2, block(5), 96), Some(block(2)), "the smallest");
        let mut kept: Vec<_> = cache.drain().collect();
        kept.sort();
        assert_eq!(kept, [block(1), block(3), block(5)]);
        assert_eq!(cache.drain().count(), 0);
    }

    #[test]
    fn parameters_as_the_knowledge_base_writes_them() {
        let table = [
            ("", [32, 64, 256, 32768], 6),
            ("32768,256,64,32:6", [32, 64, 256, 32768], 6),
            ("16384,0,128,0:5", [32, 128, 256, 16384], 5),
            ("4096,2048", [32, 64, 2048, 4096], 6),
            (":3", [32, 64, 256, 32768], 3),
            ("nonsense,,-1:x", [32, 64, 256, 32768], 6),
            ("0:1000", [32, 64, 256, 32768], MOST_SLOTS),
            ("1,2,3,4,5,6:7:8", [4, 3, 2, 1], 6),
        ];
        for (text, limits, slots) in table {
            assert_eq!(
                Parameters::parse(text),
                Parameters { limits, slots },
                "{text:?}"
            );
        }
    }
}
