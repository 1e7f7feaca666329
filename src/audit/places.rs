//! Where in a list the entry for an address is: a hash table for the one thing that the ledger does
//! on every call.
//!
//! `std`'s table is made for any key, and would cost more here than the allocation under audit. This
//! one has open addressing with linear probing, at most half of it in use, and closes the gap behind
//! an entry that goes, so that a probe ends at the first empty slot.

use alloc::boxed::Box;
use alloc::vec;
use core::mem;

/// A place in a list.
pub(super) type Place = u32;

/// An address and its place. Address 0 is an empty slot: no string is there.
type Slot = (usize, Place);

/// The table. Its length is a power of two, or 0 before the first entry.
#[derive(Default)]
pub(super) struct Places {
    slots: Box<[Slot]>,
    len: usize,
}

impl Places {
    /// The slot where a probe for `address` begins.
    #[inline]
    fn home(&self, address: usize) -> usize {
        // The low bits of an address are those of its alignment, the same for all.
        let spread = (address >> 4).wrapping_mul(0x9E37_79B9);
        (spread ^ (spread >> 15)) & self.mask()
    }

    #[inline]
    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// The slot that `address` is in, or the empty one where it would be. The table has slots.
    #[inline]
    fn probe(&self, address: usize) -> usize {
        let mut at = self.home(address);
        while self.slots[at].0 != address && self.slots[at].0 != 0 {
            at = (at + 1) & self.mask();
        }
        at
    }

    #[inline]
    pub(super) fn get(&self, address: usize) -> Option<Place> {
        if self.slots.is_empty() {
            return None;
        }
        let (found, place) = self.slots[self.probe(address)];
        // NULL is asked for as well, and is what an empty slot says.
        (found == address && found != 0).then_some(place)
    }

    /// Sets the place of an address, which is not 0, and answers what it was before.
    #[inline]
    pub(super) fn insert(&mut self, address: usize, place: Place) -> Option<Place> {
        debug_assert_ne!(address, 0);
        if self.len * 2 >= self.slots.len() {
            self.grow();
        }
        let at = self.probe(address);
        let (found, before) = mem::replace(&mut self.slots[at], (address, place));
        if found == address {
            return Some(before);
        }
        self.len += 1;
        None
    }

    #[cold]
    fn grow(&mut self) {
        let len = (self.slots.len() * 2).max(64);
        let old = mem::replace(&mut self.slots, vec![(0, 0); len].into_boxed_slice());
        for slot in old {
            if slot.0 != 0 {
                let at = self.probe(slot.0);
                self.slots[at] = slot;
            }
        }
    }

    /// Forgets an address, if it is there.
    #[inline]
    pub(super) fn remove(&mut self, address: usize) {
        if self.slots.is_empty() {
            return;
        }
        let mut gap = self.probe(address);
        if self.slots[gap].0 != address {
            return;
        }
        self.len -= 1;
        let mut at = gap;
        loop {
            at = (at + 1) & self.mask();
            let slot = self.slots[at];
            if slot.0 == 0 {
                break;
            }
            // An entry may move back to the gap unless its probe begins behind it.
            let from_home = at.wrapping_sub(self.home(slot.0)) & self.mask();
            let from_gap = at.wrapping_sub(gap) & self.mask();
            if from_home >= from_gap {
                self.slots[gap] = slot;
                gap = at;
            }
        }
        self.slots[gap] = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    proptest! {
        #![proptest_config(ProptestConfig {
            // A failing case is printed; nothing is written beside the sources.
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Against `std`'s table, with few enough addresses that they meet.
        #[test]
        fn is_a_map(operations: Vec<(bool, u8, Place)>) {
            let (mut places, mut model) = (Places::default(), HashMap::new());
            for (is_insert, address, place) in operations {
                let address = (usize::from(address) + 1) * 16;
                if is_insert {
                    prop_assert_eq!(places.insert(address, place), model.insert(address, place));
                } else {
                    places.remove(address);
                    model.remove(&address);
                }
                prop_assert_eq!(places.len, model.len());
                for address in (0..=256).map(|number| number * 16) {
                    prop_assert_eq!(places.get(address), model.get(&address).copied());
                }
            }
        }
    }
}
