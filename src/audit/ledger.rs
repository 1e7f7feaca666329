//! The ledger: what a session knows of each string, by address.
//!
//! It is sharded by address, so that threads seldom wait for each other. Records of live strings
//! stay until they are freed; records of freed ones for as long as their memory is in quarantine,
//! so that no address means two strings at a time.
//!
//! It never looks behind an address.

use super::audited::Inner;
use super::places::{Place, Places};
use super::record::{Record, State};
use crate::lock::Spin;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::array;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// More than the threads that a test has at work at a time.
const SHARDS: usize = 16;

/// Strings of so many sizes, 16 bytes apart, are kept at hand when they leave the quarantine.
const SPARES: usize = 16;

/// The part of the ledger for some of the addresses.
#[derive(Default)]
pub(super) struct Shard {
    /// Where in `records` the string at an address is.
    places: Places,
    /// The records, those that are [gone](State::Gone) among them.
    records: Vec<Record>,
    /// The places of records that are gone.
    free: Vec<Place>,
    /// The strings in quarantine, oldest first.
    quarantine: VecDeque<Place>,
    /// Strings that have left the quarantine, one of each size: the next string of that size takes
    /// the memory and the record over, which saves the way through the backend and the table.
    spares: [Option<Place>; SPARES],
    /// How many strings were ever taken in, and how many of them freed.
    allocated: u64,
    freed: u64,
}

impl Shard {
    /// The place of the string at an address.
    #[inline]
    pub(super) fn find(&self, address: usize) -> Option<Place> {
        self.places.get(address)
    }

    /// The record at a place that was [found](Self::find).
    #[inline]
    pub(super) fn at(&mut self, place: Place) -> &mut Record {
        &mut self.records[place as usize]
    }

    pub(super) fn get(&self, address: usize) -> Option<&Record> {
        let place = self.find(address)?;
        Some(&self.records[place as usize])
    }

    pub(super) fn get_mut(&mut self, address: usize) -> Option<&mut Record> {
        let place = self.find(address)?;
        Some(self.at(place))
    }

    /// The place of a string of that backend that has left the quarantine, with memory for
    /// `capacity` bytes. Its record is to be written anew.
    #[inline]
    pub(super) fn take_spare(&mut self, capacity: u32, backend: Inner) -> Option<Place> {
        let spare = self.spares.get_mut(size_class(capacity))?;
        let record = &self.records[(*spare)? as usize];
        // Both halves of the pointers: backends without state may share an address.
        let is_its_own = ptr::eq(record.backend, backend);
        if record.capacity < capacity || record.state != State::Freed || !is_its_own {
            return None;
        }
        self.allocated += 1;
        spare.take()
    }

    /// Takes a string in. Answers what it knew at that address, which was released behind its back.
    #[inline]
    pub(super) fn insert(&mut self, record: Record) -> Option<&Record> {
        let address = record.string.addr().get();
        self.allocated += 1;
        let place = match self.free.pop() {
            Some(place) => {
                self.records[place as usize] = record;
                place
            }
            None => self.append(record),
        };
        let stale = self.places.insert(address, place)?;
        // It may be in quarantine, where one that is gone is passed over; so its place is not reused.
        let stale = self.at(stale);
        stale.state = State::Gone;
        Some(stale)
    }

    /// Takes a string out whose memory was released behind its back.
    pub(super) fn forget(&mut self, address: usize) -> Option<&Record> {
        let place = self.places.get(address)?;
        self.places.remove(address);
        // As in `insert`.
        let stale = self.at(place);
        stale.state = State::Gone;
        Some(stale)
    }

    #[cold]
    fn append(&mut self, record: Record) -> Place {
        let place = Place::try_from(self.records.len()).expect("fewer strings than addresses");
        self.records.push(record);
        place
    }

    /// Puts a string that has been freed into quarantine.
    #[inline]
    pub(super) fn quarantine(&mut self, place: Place) {
        self.freed += 1;
        self.quarantine.push_back(place);
    }

    /// Takes the string out that has been in quarantine longest, after `last` has looked at it and been
    /// told whether its memory is kept at hand.
    #[inline]
    pub(super) fn release_oldest<R>(&mut self, last: impl FnOnce(&Record, bool) -> R) -> Option<R> {
        loop {
            let place = self.quarantine.pop_front()?;
            let record = &mut self.records[place as usize];
            if record.state == State::Gone {
                continue;
            }
            let is_kept = match self.spares.get_mut(size_class(record.capacity)) {
                Some(spare @ None) if record.fenced => {
                    *spare = Some(place);
                    true
                }
                _ => false,
            };
            let result = last(record, is_kept);
            if !is_kept {
                record.state = State::Gone;
                self.places.remove(record.string.addr().get());
                self.free.push(place);
            }
            return Some(result);
        }
    }

    /// The address of the string that has `address` inside, past its start: in its data, or in what was
    /// asked for behind it.
    fn containing(&self, address: usize) -> Option<usize> {
        let mut records = self.records.iter();
        let found = records.find(|record| {
            let start = record.string.addr().get();
            record.state != State::Gone && start < address && address < start + record.reach()
        });
        found.map(|record| record.string.addr().get())
    }
}

/// Which of the spares memory for `capacity` bytes is.
#[inline]
fn size_class(capacity: u32) -> usize {
    capacity as usize / 16
}

/// What is known of all strings.
pub(super) struct Ledger {
    shards: [Padded; SHARDS],
    /// No string ever had a lower address, and none a higher one.
    lowest: AtomicUsize,
    highest: AtomicUsize,
}

/// Alone on its cache lines, so that threads at different shards do not disturb each other.
#[derive(Default)]
#[repr(align(128))]
struct Padded(Spin<Shard>);

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            shards: array::from_fn(|_| Padded::default()),
            lowest: AtomicUsize::new(usize::MAX),
            highest: AtomicUsize::new(0),
        }
    }

    /// Notes that there is a string at an address.
    pub(super) fn widen(&self, address: usize) {
        self.lowest.fetch_min(address, Ordering::Relaxed);
        self.highest.fetch_max(address, Ordering::Relaxed);
    }

    /// Whether there may be a string at an address: literals lie far from all of them.
    #[inline]
    pub(super) fn reaches(&self, address: usize) -> bool {
        let lowest = self.lowest.load(Ordering::Relaxed);
        (lowest..=self.highest.load(Ordering::Relaxed)).contains(&address)
    }

    /// Which part is for an address.
    #[inline]
    pub(super) fn index(address: usize) -> usize {
        // Neighbours mostly belong to one thread, so a page of addresses shares a shard.
        let spread = (address >> 12).wrapping_mul(0x9E37_79B9);
        (spread >> 16) % SHARDS
    }

    /// The part of that index.
    #[inline]
    pub(super) fn nth(&self, index: usize) -> &Spin<Shard> {
        &self.shards[index % SHARDS].0
    }

    /// The part for one address.
    #[inline]
    pub(super) fn shard(&self, address: usize) -> &Spin<Shard> {
        self.nth(Self::index(address))
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = &Spin<Shard>> {
        self.shards.iter().map(|shard| &shard.0)
    }

    /// The address of the string that has `address` inside, past its start.
    pub(super) fn containing(&self, address: usize) -> Option<usize> {
        self.shards()
            .find_map(|shard| shard.lock().containing(address))
    }

    /// Whether there is a string at an address, alive or in quarantine.
    pub(super) fn knows(&self, address: usize) -> bool {
        self.shard(address).lock().get(address).is_some()
    }

    /// How many strings were ever taken in.
    pub(super) fn allocated(&self) -> u64 {
        self.shards().map(|shard| shard.lock().allocated).sum()
    }

    /// How many strings were freed.
    pub(super) fn freed(&self) -> u64 {
        self.shards().map(|shard| shard.lock().freed).sum()
    }

    /// Takes everything out, in the order of allocation.
    pub(super) fn drain(&self) -> Vec<Record> {
        let mut records: Vec<_> = self
            .shards()
            .flat_map(|shard| {
                let mut shard = shard.lock();
                let (allocated, freed) = (shard.allocated, shard.freed);
                let known = mem::replace(
                    &mut *shard,
                    Shard {
                        allocated,
                        freed,
                        ..Shard::default()
                    },
                );
                known.records
            })
            .filter(|record| record.state != State::Gone)
            .collect();
        records.sort_by_key(Record::order);
        records
    }
}
