//! The ledger: what a session knows of each string, by address.
//!
//! It is sharded by address, so that threads seldom wait for each other. Records of live strings
//! stay until they are freed; records of freed ones for as long as their memory is in quarantine,
//! so that no address means two strings at a time.
//!
//! It never looks behind an address.

use super::places::{Place, Places};
use super::record::{Record, State};
use crate::lock::Spin;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::array;
use core::mem;

/// More than the threads that a test has at work at a time.
const SHARDS: usize = 16;

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

    /// Takes the string out that has been in quarantine longest, after `last` has looked at it.
    #[inline]
    pub(super) fn release_oldest<R>(&mut self, last: impl FnOnce(&Record) -> R) -> Option<R> {
        loop {
            let place = self.quarantine.pop_front()?;
            let record = &mut self.records[place as usize];
            if record.state == State::Gone {
                continue;
            }
            let result = last(record);
            record.state = State::Gone;
            self.places.remove(record.string.addr().get());
            self.free.push(place);
            return Some(result);
        }
    }

    /// The address of the string that has `address` inside, past its start: in its data or its
    /// terminator.
    fn containing(&self, address: usize) -> Option<usize> {
        let mut records = self.records.iter();
        let found = records.find(|record| {
            let start = record.string.addr().get();
            record.state != State::Gone && start < address && address < start + record.end()
        });
        found.map(|record| record.string.addr().get())
    }
}

/// What is known of all strings.
pub(super) struct Ledger {
    shards: [Padded; SHARDS],
}

/// Alone on its cache lines, so that threads at different shards do not disturb each other.
#[derive(Default)]
#[repr(align(128))]
struct Padded(Spin<Shard>);

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            shards: array::from_fn(|_| Padded::default()),
        }
    }

    /// The part for one address.
    #[inline]
    pub(super) fn shard(&self, address: usize) -> &Spin<Shard> {
        // Neighbours mostly belong to one thread, so a page of addresses shares a shard.
        let spread = (address >> 12).wrapping_mul(0x9E37_79B9);
        &self.shards[(spread >> 16) % SHARDS].0
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
