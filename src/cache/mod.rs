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
//! Nearly always the first slot of a bucket serves, so [`ThreadCache`] looks at that one in line and
//! leaves the rest to functions of their own. It has no lock, and no thread-local with a destructor. It
//! asks for no settings either: [`CLASSES`] name no bucket until the environment has been read, and the
//! first slots of a thread fit nothing and are not empty until its destructor is armed, and again once
//! that has run.

mod buckets;
mod settings;

use crate::frame;
use crate::heap::{Heap, Native as Below};
use crate::layout;
use buckets::{Buckets, EMPTY, Put};
use core::ptr::NonNull;
use settings::{bucket_for, class_of, configured_slots, set_limits};

const GRANULE: usize = layout::GRANULE as usize;

/// Blocks of different sizes do not share slots.
const BUCKETS: usize = 4;

/// The most slots a bucket can have, whatever `OACACHEPARAMS` asks for.
const MOST_SLOTS: usize = 16;

std::thread_local! {
    /// No destructor, so that reaching it is a plain access to memory.
    static CACHE: Buckets = const { Buckets::closed() };

    /// Nothing but a destructor, armed by being reached.
    static RELEASE_AT_EXIT: ReleaseAtExit = const { ReleaseAtExit };
}

/// This thread's cache, which nobody else may have: the reference goes into no other thread.
#[inline]
fn cache<'thread>() -> &'thread Buckets {
    // `with` is not sure to be inlined around any more than this.
    let cache = CACHE.with(core::ptr::from_ref);
    // SAFETY: without a destructor it is there until the thread is not.
    unsafe { &*cache }
}

struct ReleaseAtExit;

impl Drop for ReleaseAtExit {
    fn drop(&mut self) {
        release_all(cache());
        cache().close();
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
    /// Where there is no block at hand: the first slot is not asked again.
    #[inline]
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        let kept = match class_of(size) {
            Some(bucket) if bucket < BUCKETS => cache().take_behind_first(bucket, size),
            _ => take_large(size),
        };
        kept.or_else(|| Below.allocate(size))
    }

    #[inline]
    fn at_hand(&self, size: usize) -> Option<NonNull<u8>> {
        cache().first(class_of(size)?).take(size)
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>) {
        // SAFETY: the caller's block is one of the heap below. A block that is freed twice in a
        // row, which no caller may, is in the cache and therefore still allocated down there.
        let usable = unsafe { Below.usable_size(block) };
        // SAFETY: whatever is freed here was a string.
        let size = size_class(usable, unsafe { frame::stated_size(block) });
        let cache = cache();
        let Some(class) = class_of(size) else {
            // SAFETY: as the caller promises.
            return unsafe { deallocate_large(cache, block, size) };
        };
        let first = cache.first(class);
        if first.size.get() == EMPTY {
            first.set(block, size);
        } else {
            // SAFETY: as the caller promises.
            unsafe { deallocate_slowly(cache, block, size, class) };
        }
    }

    #[inline]
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: blocks are those of the heap below.
        unsafe { Below.usable_size(block) }
    }
}

/// What a block of `usable` bytes counts for, whose string asks for `stated` ones. OLEAUT32's sizes are
/// multiples of 16; heaps round up in ways of their own, and now and then make a block 16 bytes larger
/// than they had to, for want of a use for the rest. The string in it still says what was asked for.
#[inline]
fn size_class(usable: usize, stated: usize) -> usize {
    let size = usable / GRANULE * GRANULE;
    if size.wrapping_sub(stated) == GRANULE {
        stated
    } else {
        size
    }
}

/// The first block of at least `size` bytes, where the class does not say which bucket it is in.
#[inline(never)]
fn take_large(size: usize) -> Option<NonNull<u8>> {
    cache().take(bucket_for(size)?, size)
}

/// Frees a block where the first slot of its class does not take it.
///
/// # Safety
///
/// As [`Heap::deallocate`].
#[inline(never)]
unsafe fn deallocate_slowly(cache: &Buckets, block: NonNull<u8>, size: usize, class: usize) {
    if class < BUCKETS {
        match cache.put_behind_first(class, block, size) {
            Put::Kept => return,
            // SAFETY: it is not in the cache, and its user freed it.
            Put::Refused => return unsafe { Below.deallocate(block) },
            Put::Full => {}
        }
    }
    // SAFETY: as the caller promises.
    unsafe { deallocate_large(cache, block, size) };
}

/// As [`deallocate_slowly`], where the class does not say which bucket it is, or this thread has no
/// cache yet, which it gets.
///
/// # Safety
///
/// As [`Heap::deallocate`].
#[inline(never)]
unsafe fn deallocate_large(cache: &Buckets, block: NonNull<u8>, size: usize) {
    if cache.is_closed() {
        open(cache);
    }
    let unwanted = match bucket_for(size) {
        Some(bucket) => cache.put(bucket, block, size),
        None => Some(block),
    };
    if let Some(unwanted) = unwanted {
        // SAFETY: it is in the cache no more, and its user freed it.
        unsafe { Below.deallocate(unwanted) };
    }
}

/// Opens this thread's cache, where it may have one.
fn open(cache: &Buckets) {
    let slots = configured_slots();
    // A thread that is past its destructors cannot arm another.
    if slots > 0 && RELEASE_AT_EXIT.try_with(|_| ()).is_ok() {
        cache.open(slots);
    }
}

/// Turns the cache off for the whole process: no thread keeps a block back from now on.
///
/// This thread's blocks are released now, those of other threads when they end.
pub(crate) fn turn_off() {
    configured_slots();
    set_limits([0; BUCKETS]);
    release_all(cache());
}
