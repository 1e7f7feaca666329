//! What is known of one string.

use super::audited::Inner;
use super::kind::Kind;
use super::site::{Frame, Moment, More, Site};
use super::text::Beginning;
use super::thread::ThreadTag;
use super::violation::{Action, Event};
use crate::layout::{UNIT, terminator};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ptr::NonNull;

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
    allocated: Moment,
    /// When it was freed or moved elsewhere, where it was.
    freed: Moment,
    freed_by: Action,
    /// Whether something ended its life, though it may not be over yet.
    has_ended: bool,
    pub(super) state: State,
    /// Whether there are guard bytes behind it: always, but for strings near the limit.
    pub(super) fenced: bool,
    /// Whether it has pages of its own, which cannot be read any more once it is freed.
    pub(super) paged: bool,
    /// Whether it was allocated without contents.
    pub(super) unwritten: bool,
    pub(super) byte_len: u32,
    /// The bytes that the backend was asked for.
    pub(super) capacity: u32,
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
    pub(super) fn new(string: NonNull<u16>, backend: Inner) -> Self {
        let nowhere = Moment::here();
        Self {
            string,
            backend,
            allocated: nowhere,
            freed: nowhere,
            freed_by: Action::Freed,
            has_ended: false,
            state: State::Live,
            fenced: false,
            paged: false,
            unwritten: false,
            byte_len: 0,
            capacity: 0,
            epoch: 0,
            serial: 0,
            beginning: Beginning::default(),
            rare: None,
        }
    }

    /// Makes this the record of a new string, where the last one's memory is.
    #[inline]
    pub(super) fn renew(&mut self, byte_len: u32, allocated: Site, epoch: u64, serial: u64) {
        self.allocated = allocated.moment;
        self.has_ended = false;
        self.state = State::Live;
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
        (self.epoch, self.allocated.thread, self.serial)
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
        self.has_ended = true;
        self.freed_by = action;
        self.freed = site.moment;
        if site.more.is_some() {
            self.rare().freed = site.more;
        }
    }

    /// What ended the string's life.
    pub(super) fn ended_by(&self) -> Action {
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
        let allocated = self.allocated.with(more(|rare| &rare.allocated));
        let mut history = Vec::from([Event::new(Action::Allocated, allocated)]);
        history.extend_from_slice(self.between());
        if self.has_ended {
            let freed = self.freed.with(more(|rare| &rare.freed));
            history.push(Event::new(self.freed_by, freed));
        }
        history
    }
}
