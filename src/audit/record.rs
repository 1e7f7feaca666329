//! What is known of one string.

use super::audited::Inner;
use super::kind::Kind;
use super::site::{Frame, Site};
use super::text::Beginning;
use super::thread::ThreadTag;
use super::violation::{Action, Event};
use crate::layout::{UNIT, terminator};
use alloc::boxed::Box;
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
}

/// One string of a session's. Small, because there is one for each.
pub(super) struct Record {
    pub(super) string: NonNull<u16>,
    /// What allocated it, and therefore frees it.
    pub(super) backend: Inner,
    pub(super) allocated: Site,
    /// The call that freed it, or moved it elsewhere.
    pub(super) freed: Option<Event>,
    /// How many calls the session had seen when it was allocated.
    pub(super) epoch: u64,
    /// Which of its thread's strings it is.
    pub(super) serial: u64,
    pub(super) byte_len: u32,
    pub(super) state: State,
    /// Whether there are guard bytes behind it: always, but for strings near the limit.
    pub(super) fenced: bool,
    /// Whether it was allocated without contents.
    pub(super) unwritten: bool,
    /// How it began when it was freed, since its memory says so no more.
    pub(super) beginning: Beginning,
    /// What few strings have.
    rare: Option<Box<Rare>>,
}

/// What strings are ordered by, and each has to itself: the calls before it, the thread, and the
/// thread's strings before it.
pub(super) type Order = (u64, ThreadTag, u64);

/// What few strings have.
#[derive(Clone, Default)]
pub(super) struct Rare {
    pub(super) pins: u32,
    /// How often it was reallocated where it is.
    pub(super) generation: u32,
    /// When a call handed it over to its caller: how many calls the session had seen.
    pub(super) handed_over: Option<u64>,
    /// What else happened to it.
    between: Vec<Event>,
}

// SAFETY: strings may be used and freed on any thread, by the contract of `Backend`; all else in
// it may change threads by itself.
unsafe impl Send for Record {}
// SAFETY: a shared record only tells where its string is.
unsafe impl Sync for Record {}

impl Record {
    #[inline]
    pub(super) fn new(
        string: NonNull<u16>,
        byte_len: u32,
        backend: Inner,
        allocated: Site,
        epoch: u64,
        serial: u64,
    ) -> Self {
        Self {
            string,
            backend,
            allocated,
            freed: None,
            epoch,
            serial,
            byte_len,
            state: State::Live,
            fenced: false,
            unwritten: false,
            beginning: Beginning::default(),
            rare: None,
        }
    }

    /// Which string it is.
    #[inline]
    pub(super) fn order(&self) -> Order {
        (self.epoch, self.allocated.thread, self.serial)
    }

    /// The offset of the end of data and terminator, in bytes.
    #[inline]
    pub(super) fn end(&self) -> usize {
        terminator(self.byte_len) + UNIT as usize
    }

    /// How many pins it has.
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

    /// Whether it was lent to a call.
    pub(super) fn was_lent(&self) -> bool {
        let mut events = self.between().iter();
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
        let between = self.between().iter().cloned();
        core::iter::once(allocated)
            .chain(between)
            .chain(self.freed.clone())
            .collect()
    }
}
