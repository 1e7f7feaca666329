//! The ledger: what a session knows of each string, by address.
//!
//! It is sharded by address, so that threads seldom wait for each other. Records of live strings
//! stay until they are freed; records of freed ones for as long as their memory is in quarantine,
//! so that no address means two strings at a time.
//!
//! It never looks behind an address.

use super::audited::Inner;
use super::kind::Kind;
use super::site::{Frame, Site};
use super::text::Beginning;
use super::violation::{Action, Event};
use crate::layout::{UNIT, terminator};
use crate::lock::Lock;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::array;
use core::mem;
use core::ptr::NonNull;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;

/// More than the threads that a test has at work at a time.
const SHARDS: usize = 16;

/// Whether a string may still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// Freed while pinned: its memory is there until the last release.
    Pending,
    /// Freed; its memory is in quarantine.
    Freed,
}

/// What is known of one string.
pub(super) struct Record {
    pub(super) string: NonNull<u16>,
    /// Which of the session's strings this is.
    pub(super) serial: u64,
    pub(super) byte_len: u32,
    pub(super) pins: u32,
    pub(super) state: State,
    /// How often it was reallocated where it is.
    pub(super) generation: u32,
    /// Whether it was allocated without contents.
    pub(super) unwritten: bool,
    /// When a call handed it over to its caller: how many strings the session had by then.
    pub(super) handed_over: Option<u64>,
    /// Whether there are guard bytes behind it: always, but for strings near the limit.
    pub(super) fenced: bool,
    /// How it began when it was freed, since its memory says so no more.
    pub(super) beginning: Beginning,
    /// What allocated it, and therefore frees it.
    pub(super) backend: Inner,
    pub(super) allocated: Site,
    /// The call that freed it, or moved it elsewhere.
    pub(super) freed: Option<Event>,
    /// What else happened to it. Mostly nothing, for which this allocates nothing.
    between: Vec<Event>,
}

// SAFETY: strings may be used and freed on any thread, by the contract of `Backend`; all else in
// it may change threads by itself.
unsafe impl Send for Record {}

impl Record {
    pub(super) fn new(
        string: NonNull<u16>,
        serial: u64,
        byte_len: u32,
        backend: Inner,
        allocated: Site,
    ) -> Self {
        Self {
            string,
            serial,
            byte_len,
            pins: 0,
            state: State::Live,
            generation: 0,
            unwritten: false,
            handed_over: None,
            fenced: false,
            beginning: Beginning::default(),
            backend,
            allocated,
            freed: None,
            between: Vec::new(),
        }
    }

    /// Notes what happened to the string. Of very many events the first and the last are kept.
    pub(super) fn note(&mut self, event: Event) {
        const KEPT: usize = 16;
        if self.between.len() == KEPT {
            self.between.remove(KEPT / 2);
        }
        self.between.push(event);
    }

    /// Whether it was lent to a call.
    pub(super) fn was_lent(&self) -> bool {
        let mut events = self.between.iter();
        events.any(|event| event.action() == Action::Lent)
    }

    /// What it means that the string, which is freed, was used or freed again: as a rule `kind`.
    /// Where it is no argument of the call that runs, but was once lent, the callee kept it.
    pub(super) fn after_free(&self, kind: Kind) -> Kind {
        let address = self.string.addr().get();
        match Frame::innermost() {
            Some(call) if self.was_lent() && !call.arguments.contains(&address) => Kind::InputKept,
            _ => kind,
        }
    }

    /// Everything that happened to the string, in order.
    pub(super) fn history(&self) -> Vec<Event> {
        let allocated = Event::new(Action::Allocated, self.allocated.clone());
        let between = self.between.iter().cloned();
        core::iter::once(allocated)
            .chain(between)
            .chain(self.freed.clone())
            .collect()
    }
}

/// The part of the ledger for some of the addresses.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) records: FxHashMap<usize, Record>,
    /// The addresses in quarantine, oldest first. One whose string is not freed, or not known,
    /// is stale: its memory was released behind the ledger's back.
    pub(super) quarantine: VecDeque<usize>,
}

impl Shard {
    /// Takes the string out that has been in quarantine longest.
    pub(super) fn take_oldest(&mut self) -> Option<Record> {
        while let Some(address) = self.quarantine.pop_front() {
            if let Entry::Occupied(entry) = self.records.entry(address)
                && entry.get().state == State::Freed
            {
                return Some(entry.remove());
            }
        }
        None
    }
}

/// What is known of all strings.
pub(super) struct Ledger {
    shards: [Lock<Shard>; SHARDS],
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            shards: array::from_fn(|_| Lock::default()),
        }
    }

    /// The part for one address.
    pub(super) fn shard(&self, address: usize) -> &Lock<Shard> {
        // Blocks are 16 bytes apart at least, and neighbours belong to one thread as a rule;
        // the multiplication spreads them all the same.
        let spread = (address >> 4).wrapping_mul(0x9E37_79B9);
        &self.shards[(spread >> 16) % SHARDS]
    }

    /// Whether there is a string at an address, alive or in quarantine.
    pub(super) fn knows(&self, address: usize) -> bool {
        self.shard(address).lock().records.contains_key(&address)
    }

    /// Takes the string out that has been in quarantine longest, of those in `address`'s part of
    /// the ledger, or where there are none, in any.
    pub(super) fn take_oldest(&self, address: usize) -> Option<Record> {
        let oldest = self.shard(address).lock().take_oldest();
        oldest.or_else(|| {
            let mut shards = self.shards.iter();
            shards.find_map(|shard| shard.lock().take_oldest())
        })
    }

    /// Takes everything out, in the order of allocation.
    pub(super) fn drain(&self) -> Vec<Record> {
        let shards = self.shards.iter();
        let mut records: Vec<_> = shards
            .flat_map(|shard| mem::take(&mut *shard.lock()).records.into_values())
            .collect();
        records.sort_by_key(|record| record.serial);
        records
    }

    /// The address of the string that has `address` inside, past its start: in its data or its
    /// terminator.
    pub(super) fn containing(&self, address: usize) -> Option<usize> {
        self.shards.iter().find_map(|shard| {
            let shard = shard.lock();
            let mut records = shard.records.iter();
            records.find_map(|(&start, record)| {
                let end = start + terminator(record.byte_len) + UNIT as usize;
                (start < address && address < end).then_some(start)
            })
        })
    }
}
