//! What is known of one string.

use super::audited::Inner;
use super::kind::Kind;
use super::pages;
use super::places::Place;
use super::site::{Frame, Line, Moment, More, Site};
use super::text::Beginning;
use super::thread::ThreadTag;
use super::violation::{Action, Event};
use crate::layout::{UNIT, terminator};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ptr::NonNull;

/// About what a block has beside its data: header, terminator, fence, rounding, and the heap's own.
const BESIDE_DATA: usize = 64;

/// Whether a string may still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// Freed while pinned: its memory is there until the last release.
    Pending,
    /// Freed; its memory is in quarantine.
    Freed,
    /// Not in the ledger any more.
    Gone,
}

/// What stands around a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surroundings {
    /// Guard bytes, behind it.
    Fence,
    /// Pages of its own, which cannot be read any more once it is freed.
    Pages,
    /// Nothing of ours: it is too near the limit.
    Bare,
}

/// What strings are ordered by, and each has to itself: the calls before it, the thread, and the
/// thread's strings before it.
pub(super) type Order = (u64, ThreadTag, u64);

/// One string of a session's.
///
/// There is one for each, so what all have is small and plainly copied, and what few have is
/// elsewhere.
pub(super) struct Record {
    pub(super) string: NonNull<u16>,
    /// What allocated it, and therefore frees it.
    pub(super) backend: Inner,
    /// Where it was allocated, and freed or moved elsewhere if it was: line and thread.
    allocated_at: Line,
    freed_at: Line,
    allocated_on: ThreadTag,
    freed_on: ThreadTag,
    /// What ended its life, though it may not be over yet.
    freed_by: Option<Action>,
    pub(super) state: State,
    /// Whether it was allocated without contents.
    pub(super) unwritten: bool,
    /// What stands around it, and how many bytes the backend was asked for: the memory's, whichever
    /// string is in it.
    pub(super) surroundings: Surroundings,
    pub(super) capacity: u32,
    pub(super) byte_len: u32,
    /// The place of the record behind this one in the quarantine, or in the list of those that are gone.
    pub(super) next: Place,
    /// How many strings had been put into quarantine before it.
    pub(super) buried: u64,
    /// How many calls the session had seen when it was allocated.
    pub(super) epoch: u64,
    /// Which of its thread's strings it is.
    serial: u64,
    /// How it began when it was freed, since its memory says so no more.
    pub(super) beginning: Beginning,
    rare: Option<Box<Rare>>,
}

/// What few strings have.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) pins: u32,
    /// How often it was reallocated where it is.
    pub(super) generation: u32,
    /// When a call handed it over to its caller: how many calls the session had seen.
    pub(super) handed_over: Option<u64>,
    /// What else happened to it.
    between: Vec<Event>,
    /// What else is known of its allocation, and of its free.
    allocated: Option<Arc<More>>,
    freed: Option<Arc<More>>,
}

// SAFETY: strings may be used and freed on any thread, by the contract of `Backend`; all else in
// it may change threads by itself.
unsafe impl Send for Record {}
// SAFETY: a shared record only tells where its string is.
unsafe impl Sync for Record {}

impl Record {
    /// The record of a string, to be [renewed](Self::renew) before it says anything.
    pub(super) fn new(
        string: NonNull<u16>,
        backend: Inner,
        capacity: u32,
        surroundings: Surroundings,
    ) -> Self {
        let nowhere = Moment::here();
        Self {
            string,
            backend,
            allocated_at: nowhere.location,
            freed_at: nowhere.location,
            allocated_on: nowhere.thread,
            freed_on: nowhere.thread,
            freed_by: None,
            state: State::Live,
            unwritten: false,
            surroundings,
            capacity,
            byte_len: 0,
            next: 0,
            buried: 0,
            epoch: 0,
            serial: 0,
            beginning: Beginning::default(),
            rare: None,
        }
    }

    /// Makes this the record of a new string, where the last one's memory is.
    #[inline]
    pub(super) fn renew(&mut self, byte_len: u32, allocated: Site, epoch: u64, serial: u64) {
        self.allocated_at = allocated.moment.location;
        self.allocated_on = allocated.moment.thread;
        self.freed_by = None;
        self.state = State::Live;
        self.unwritten = false;
        self.byte_len = byte_len;
        self.epoch = epoch;
        self.serial = serial;
        if self.rare.is_some() || allocated.more.is_some() {
            self.renew_rare(allocated.more);
        }
    }

    #[cold]
    fn renew_rare(&mut self, allocated: Option<Arc<More>>) {
        self.rare = allocated.map(|allocated| {
            Box::new(Rare {
                allocated: Some(allocated),
                ..Rare::default()
            })
        });
    }

    /// Which string it is.
    #[inline]
    pub(super) fn order(&self) -> Order {
        (self.epoch, self.allocated_on, self.serial)
    }

    /// The offset of the end of data and terminator, in bytes.
    #[inline]
    pub(super) const fn end(&self) -> usize {
        terminator(self.byte_len) + UNIT as usize
    }

    /// The offset of the end of its memory, guard bytes included.
    pub(super) const fn reach(&self) -> usize {
        terminator(self.capacity) + UNIT as usize
    }

    /// What it counts for in quarantine, in bytes: its memory, and what is known of it.
    #[inline]
    pub(super) fn weight(&self) -> usize {
        let memory = match self.surroundings {
            Surroundings::Pages => pages::weight(self.byte_len),
            Surroundings::Fence | Surroundings::Bare => self.byte_len as usize + BESIDE_DATA,
        };
        memory + size_of::<Self>()
    }

    /// How many pins it has.
    #[inline]
    pub(super) fn pins(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.pins)
    }

    /// How often it was reallocated where it is.
    pub(super) fn generation(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.generation)
    }

    /// When a call handed it over to its caller.
    pub(super) fn handed_over(&self) -> Option<u64> {
        self.rare.as_ref()?.handed_over
    }

    /// What few strings have, to be changed.
    #[cold]
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn between(&self) -> &[Event] {
        self.rare.as_ref().map_or(&[], |rare| &rare.between)
    }

    /// Notes what happened to the string. Of very many events the first and the last are kept.
    pub(super) fn note(&mut self, event: Event) {
        const KEPT: usize = 16;
        let between = &mut self.rare().between;
        if between.len() == KEPT {
            between.remove(KEPT / 2);
        }
        between.push(event);
    }

    /// Notes who freed the string, or moved it elsewhere.
    #[inline]
    pub(super) fn note_end(&mut self, action: Action, site: Site) {
        self.freed_by = Some(action);
        self.freed_at = site.moment.location;
        self.freed_on = site.moment.thread;
        if site.more.is_some() {
            self.rare().freed = site.more;
        }
    }

    /// What ended the string's life.
    pub(super) fn ended_by(&self) -> Option<Action> {
        self.freed_by
    }

    /// Whether it was lent to a call.
    pub(super) fn was_lent(&self) -> bool {
        let mut events = self.between().iter();
        events.any(|event| event.action() == Action::Lent)
    }

    /// What it means that the string, which is freed, was used or freed again: as a rule `kind`.
    /// Where it is no argument of the call that runs, and older than that, but was once lent, the callee
    /// kept it.
    pub(super) fn after_free(&self, kind: Kind) -> Kind {
        let address = self.string.addr().get();
        let is_strange = |call: &Frame| {
            self.epoch < call.epoch && !call.arguments.contains(&address) && self.was_lent()
        };
        match Frame::innermost() {
            Some(call) if is_strange(&call) => Kind::InputKept,
            _ => kind,
        }
    }

    /// Everything that happened to the string, in order.
    pub(super) fn history(&self) -> Vec<Event> {
        let more = |more: fn(&Rare) -> &Option<Arc<More>>| more(self.rare.as_deref()?).clone();
        let allocated = Moment {
            location: self.allocated_at,
            thread: self.allocated_on,
        };
        let allocated = allocated.with(more(|rare| &rare.allocated));
        let mut history = Vec::from([Event::new(Action::Allocated, allocated)]);
        history.extend_from_slice(self.between());
        if let Some(action) = self.freed_by {
            let freed = Moment {
                location: self.freed_at,
                thread: self.freed_on,
            };
            let freed = freed.with(more(|rare| &rare.freed));
            history.push(Event::new(action, freed));
        }
        history
    }
}

/// Two cache lines, and found by a shift.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Record>() == 128);
