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
use super::report::Stats;
use crate::lock::Spin;
use alloc::vec::Vec;
use core::array;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// More than the threads that a test has at work at a time.
pub(super) const SHARDS: usize = 16;

/// The part of the ledger for some of the addresses.
pub(super) struct Shard {
    /// Where in `records` the string at an address is.
    places: Places,
    /// The records, those that are [gone](State::Gone) among them.
    records: Vec<Record>,
    /// The last of the places of records that are gone, which tell the one before each.
    gone: Place,
    /// The strings in quarantine, by size.
    quarantine: [Queue; CLASSES],
    /// How many strings were freed, and how many vanished: those that are in nobody's way any more.
    freed: u64,
    vanished: u64,
    /// What the strings in quarantine weigh, and what they may weigh, in bytes.
    pub(super) held: usize,
    pub(super) share: usize,
    /// So many strings must have come into quarantine behind one before its memory is a new string's.
    pub(super) patience: u64,
}

/// Some strings in quarantine: the oldest and the newest. Each record tells the one behind it.
#[derive(Clone, Copy)]
struct Queue {
    oldest: Place,
    newest: Place,
}

impl Queue {
    /// Takes the oldest out, of which `record` is.
    #[inline]
    const fn take(&mut self, record: &Record) {
        self.oldest = if self.oldest == self.newest {
            self.newest = NOWHERE;
            NOWHERE
        } else {
            record.next
        };
    }
}

/// A place that no record has: the end of a queue.
const NOWHERE: Place = Place::MAX;

/// Strings of so many sizes, 16 bytes apart, have a queue each, and all larger ones the last.
const CLASSES: usize = 17;

/// Which queue is for memory of `capacity` bytes.
#[inline]
fn class(capacity: u32) -> usize {
    (capacity as usize / 16).min(CLASSES - 1)
}

impl Default for Shard {
    fn default() -> Self {
        const EMPTY: Queue = Queue {
            oldest: NOWHERE,
            newest: NOWHERE,
        };
        Self {
            places: Places::default(),
            records: Vec::new(),
            gone: NOWHERE,
            quarantine: [EMPTY; CLASSES],
            freed: 0,
            vanished: 0,
            held: 0,
            share: 0,
            patience: u64::MAX,
        }
    }
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

    /// Takes the string out of quarantine that has been there longest of its size, where it has been there
    /// long enough: it has memory for `capacity` bytes of that backend. Its record is to be written anew.
    ///
    /// This saves the way through the backend and the table.
    #[inline]
    pub(super) fn reuse(&mut self, capacity: u32, backend: Inner) -> Option<Place> {
        let (_, small) = self.quarantine.split_last_mut()?;
        let queue = small.get_mut(class(capacity))?;
        let place = queue.oldest;
        let record = self.records.get(place as usize)?;
        if self.freed - record.buried < self.patience {
            return None;
        }
        // Both halves of the pointers: backends without state may share an address.
        let is_its_own = ptr::eq(record.backend, backend);
        if record.capacity < capacity || record.state != State::Freed || !is_its_own {
            return None;
        }
        queue.take(record);
        self.held -= record.weight();
        Some(place)
    }

    /// Takes a string in. Answers its place, and that of what was known at its address, which was
    /// released behind its back.
    pub(super) fn insert(&mut self, record: Record) -> (Place, Option<Place>) {
        let address = record.string.addr().get();
        let place = self.gone;
        let place = match self.records.get_mut(place as usize) {
            Some(gone) => {
                self.gone = gone.next;
                *gone = record;
                place
            }
            None => self.append(record),
        };
        let vanished = self.places.insert(address, place);
        if let Some(vanished) = vanished {
            self.vanish(vanished);
        }
        (place, vanished)
    }

    /// Takes a string out whose memory was released behind its back.
    pub(super) fn forget(&mut self, address: usize) -> Option<&Record> {
        let place = self.places.get(address)?;
        self.places.remove(address);
        self.vanish(place);
        Some(self.at(place))
    }

    /// Notes that a string's memory was released behind its back. It may be in quarantine, where one that
    /// is gone is passed over; so its place is not reused.
    fn vanish(&mut self, place: Place) {
        let record = self.at(place);
        let was_freed = record.state == State::Freed;
        record.state = State::Gone;
        self.vanished += u64::from(!was_freed);
    }

    #[cold]
    fn append(&mut self, record: Record) -> Place {
        let place = Place::try_from(self.records.len()).expect("fewer strings than addresses");
        assert_ne!(place, NOWHERE, "fewer strings than addresses");
        self.records.push(record);
        place
    }

    /// Puts a string that has been freed into quarantine.
    #[inline]
    pub(super) fn quarantine(&mut self, place: Place) {
        let record = &mut self.records[place as usize];
        record.buried = self.freed;
        self.freed += 1;
        self.held += record.weight();
        let queue = &mut self.quarantine[class(record.capacity)];
        let before = mem::replace(&mut queue.newest, place);
        match self.records.get_mut(before as usize) {
            Some(before) => before.next = place,
            None => queue.oldest = place,
        }
    }

    /// Takes the string out that has been in quarantine longest, and forgets it after `last` has looked
    /// at it.
    pub(super) fn release_oldest<R>(&mut self, last: impl Fn(&Record) -> R) -> Option<R> {
        loop {
            let since = |queue: &&mut Queue| {
                let oldest = self.records.get(queue.oldest as usize);
                oldest.map_or(u64::MAX, |record| record.buried)
            };
            let queue = self.quarantine.iter_mut().min_by_key(since)?;
            let place = queue.oldest;
            let record = self.records.get_mut(place as usize)?;
            queue.take(record);
            self.held -= record.weight();
            let result = (record.state != State::Gone).then(|| last(record));
            if result.is_some() {
                self.places.remove(record.string.addr().get());
            }
            record.state = State::Gone;
            record.next = mem::replace(&mut self.gone, place);
            if result.is_some() {
                return result;
            }
        }
    }

    /// The address of the string that has `address` inside: in its data, or in what was asked for
    /// behind it.
    fn containing(&self, address: usize) -> Option<usize> {
        let known = self
            .records
            .iter()
            .filter(|record| record.state != State::Gone);
        let mut ranges = known.map(|record| {
            let start = record.string.addr().get();
            start..start + record.reach()
        });
        ranges
            .find(|range| range.contains(&address))
            .map(|range| range.start)
    }
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

    /// The address of the string that has `address` inside.
    pub(super) fn containing(&self, address: usize) -> Option<usize> {
        self.shards()
            .find_map(|shard| shard.lock().containing(address))
    }

    /// Whether there is a string at an address, alive or in quarantine.
    pub(super) fn knows(&self, address: usize) -> bool {
        self.shard(address).lock().get(address).is_some()
    }

    /// Takes everything out, in the order of allocation; and says how many strings there were, and how
    /// many were freed.
    pub(super) fn drain(&self) -> (Vec<Record>, Stats) {
        let mut records = Vec::new();
        let mut stats = Stats::default();
        for shard in self.shards() {
            let shard = mem::take(&mut *shard.lock());
            stats.freed += shard.freed;
            stats.allocated += shard.freed + shard.vanished;
            records.extend(shard.records);
        }
        records.retain(|record| record.state != State::Gone);
        let others = records.iter().filter(|record| record.state != State::Freed);
        stats.allocated += others.count() as u64;
        records.sort_by_key(Record::order);
        (records, stats)
    }
}
