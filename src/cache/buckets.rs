//! The cache itself: a table of addresses, which never looks behind one.

use super::{BUCKETS, MOST_SLOTS};
use core::cell::Cell;
use core::ptr::NonNull;

/// A place for a block that is kept back.
pub(super) struct Slot {
    /// Meaningless while the slot is empty or closed.
    block: Cell<NonNull<u8>>,
    /// The block's size in bytes; or [`EMPTY`], or [`CLOSED`], neither of which fits any request.
    pub(super) size: Cell<usize>,
}

/// The size in a slot that may take a block.
pub(super) const EMPTY: usize = 0;

/// The size in a slot that may not. No block is so small.
const CLOSED: usize = 1;

impl Slot {
    const fn new(size: usize) -> Self {
        Self {
            block: Cell::new(NonNull::dangling()),
            size: Cell::new(size),
        }
    }

    /// The block, where it has at least `size` bytes.
    #[inline]
    pub(super) fn take(&self, size: usize) -> Option<NonNull<u8>> {
        debug_assert!(size > CLOSED);
        let fits = self.size.get() >= size;
        fits.then(|| {
            self.size.set(EMPTY);
            self.block.get()
        })
    }

    #[inline]
    pub(super) fn set(&self, block: NonNull<u8>, size: usize) {
        self.block.set(block);
        self.size.set(size);
    }
}

/// The slots of a bucket but for the first.
struct Others {
    /// How many of them hold blocks.
    kept: Cell<usize>,
    /// Where all of them hold blocks, none is smaller; 0 where that is not known.
    smallest: Cell<usize>,
    slots: [Slot; MOST_SLOTS - 1],
}

/// What became of a block that was to be kept back.
pub(super) enum Put {
    /// It is.
    Kept,
    /// There is no room, and no smaller block.
    Refused,
    /// There is no room, and perhaps a smaller block.
    Full,
}

/// The freed blocks of one thread.
pub(super) struct Buckets {
    /// The first slots of the buckets, and some that stay closed, for what has no bucket.
    first: [Slot; 2 * BUCKETS],
    others: [Others; BUCKETS],
    /// How many of a bucket's other slots are in use.
    used: Cell<usize>,
}

impl Buckets {
    pub(super) const fn closed() -> Self {
        Self {
            first: [const { Slot::new(CLOSED) }; 2 * BUCKETS],
            others: [const {
                Others {
                    kept: Cell::new(0),
                    smallest: Cell::new(0),
                    slots: [const { Slot::new(EMPTY) }; MOST_SLOTS - 1],
                }
            }; BUCKETS],
            used: Cell::new(0),
        }
    }

    /// Gives each bucket so many slots, from one to the most.
    pub(super) fn open(&self, slots: usize) {
        for first in &self.first[..BUCKETS] {
            first.size.set(EMPTY);
        }
        self.used.set(slots - 1);
    }

    /// Takes the slots away, which must be empty.
    pub(super) fn close(&self) {
        for first in &self.first {
            first.size.set(CLOSED);
        }
        self.used.set(0);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.first[0].size.get() == CLOSED
    }

    /// The first slot of a bucket, or one that is closed.
    #[inline]
    pub(super) fn first(&self, bucket: usize) -> &Slot {
        &self.first[bucket % self.first.len()]
    }

    /// The other slots of a bucket that are in use.
    #[inline]
    fn others(&self, bucket: usize) -> &[Slot] {
        let slots = &self.others[bucket].slots;
        &slots[..self.used.get().min(slots.len())]
    }

    /// The first block of at least `size` bytes.
    pub(super) fn take(&self, bucket: usize, size: usize) -> Option<NonNull<u8>> {
        let first = self.first[bucket].take(size);
        first.or_else(|| self.take_behind_first(bucket, size))
    }

    /// As [`take`](Self::take), where the first slot has no such block.
    #[inline]
    pub(super) fn take_behind_first(&self, bucket: usize, size: usize) -> Option<NonNull<u8>> {
        let Others { kept, smallest, .. } = &self.others[bucket];
        if kept.get() == 0 {
            return None;
        }
        let mut slots = self.others(bucket).iter();
        let block = slots.find_map(|slot| slot.take(size))?;
        kept.set(kept.get() - 1);
        smallest.set(0);
        Some(block)
    }

    /// Keeps `block` back. Answers the block that there is no room for: `block` itself, or a
    /// smaller one that made room for it. A block that is met before an empty slot is left as it is.
    pub(super) fn put(
        &self,
        bucket: usize,
        block: NonNull<u8>,
        size: usize,
    ) -> Option<NonNull<u8>> {
        let first = &self.first[bucket];
        if first.size.get() == EMPTY {
            first.set(block, size);
            return None;
        }
        match self.put_behind_first(bucket, block, size) {
            Put::Kept => None,
            Put::Refused => Some(block),
            Put::Full => self.evict(bucket, block, size),
        }
    }

    /// As [`put`](Self::put), where the first slot is not empty.
    #[inline]
    pub(super) fn put_behind_first(&self, bucket: usize, block: NonNull<u8>, size: usize) -> Put {
        let first = &self.first[bucket];
        let Others { kept, smallest, .. } = &self.others[bucket];
        if first.block.get() == block {
            return Put::Kept;
        }
        for slot in self.others(bucket) {
            if slot.size.get() == EMPTY {
                slot.set(block, size);
                kept.set(kept.get() + 1);
                return Put::Kept;
            }
            if slot.block.get() == block {
                return Put::Kept;
            }
        }
        if size <= first.size.get().min(smallest.get()) {
            Put::Refused
        } else {
            Put::Full
        }
    }

    /// Of a full bucket's blocks and `block`, keeps all but the smallest.
    fn evict(&self, bucket: usize, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        if self.is_closed() {
            return Some(block);
        }
        let (first, others) = (&self.first[bucket], self.others(bucket));
        let all = core::iter::once(first).chain(others);
        let smallest = all.min_by_key(|slot| slot.size.get())?;
        let evicted = (smallest.size.get() < size).then(|| {
            let evicted = smallest.block.get();
            smallest.set(block, size);
            evicted
        });
        let least = others.iter().map(|slot| slot.size.get()).min();
        let least = least.unwrap_or(usize::MAX);
        self.others[bucket].smallest.set(least);
        evicted.or(Some(block))
    }

    /// Takes all the blocks out, one by one.
    pub(super) fn drain(&self) -> impl Iterator<Item = NonNull<u8>> + '_ {
        const ANY: usize = CLOSED + 1;
        (0..BUCKETS).flat_map(move |bucket| core::iter::from_fn(move || self.take(bucket, ANY)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn block(number: usize) -> NonNull<u8> {
        // Never looked behind, so any address will do.
        NonNull::new(core::ptr::without_provenance_mut(number * 16)).unwrap()
    }

    fn open(slots: usize) -> Buckets {
        let buckets = Buckets::closed();
        buckets.open(slots);
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

    /// One bucket, as it was published: one list, one walk.
    struct Model(Vec<Option<(NonNull<u8>, usize)>>);

    impl Model {
        fn take(&mut self, size: usize) -> Option<NonNull<u8>> {
            let fits = |slot: &&mut Option<(_, usize)>| slot.is_some_and(|(_, kept)| kept >= size);
            let slot = self.0.iter_mut().find(fits)?;
            slot.take().map(|(block, _)| block)
        }

        fn put(&mut self, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
            for slot in &mut self.0 {
                match slot {
                    None => {
                        *slot = Some((block, size));
                        return None;
                    }
                    Some((kept, _)) if *kept == block => return None,
                    Some(_) => {}
                }
            }
            let smallest = self.0.iter_mut().flatten().min_by_key(|(_, size)| *size)?;
            if smallest.1 >= size {
                return Some(block);
            }
            Some(core::mem::replace(smallest, (block, size)).0)
        }
    }

    /// Puts a block of that number, or takes one of at least that many granules.
    #[derive(Clone, Debug)]
    enum Step {
        Put(usize, usize),
        Take(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1..24_usize, 1..6_usize).prop_map(|(number, granules)| Step::Put(number, granules)),
            2 => (1..6_usize).prop_map(Step::Take),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_bucket_is_what_was_published(slots in 1..=MOST_SLOTS, steps in vec(step(), 0..100)) {
            let (cache, mut model) = (open(slots), Model(alloc::vec![None; slots]));
            for step in steps {
                match step {
                    Step::Put(number, granules) => {
                        let (block, size) = (block(number), granules * 16);
                        prop_assert_eq!(cache.put(1, block, size), model.put(block, size));
                    }
                    Step::Take(granules) => {
                        let size = granules * 16;
                        prop_assert_eq!(cache.take(1, size), model.take(size));
                    }
                }
            }
            let mut left: Vec<_> = model.0.iter().flatten().map(|(block, _)| *block).collect();
            let mut drained: Vec<_> = cache.drain().collect();
            left.sort();
            drained.sort();
            prop_assert_eq!(drained, left);
        }
    }
}
