//! A session's state, as its threads share it: what is known, and what was found.

use super::audited::Inner;
use super::current;
use super::guard::{self, Damage};
use super::kind::Kind;
use super::ledger::Ledger;
use super::pages;
use super::record::{Record, State, Surroundings};
use super::report::Report;
use super::session::Builder;
use super::site::{Line, Site};
use super::violation::{Event, Violation};
use crate::frame;
use crate::lock::Lock;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A session, as its threads share it.
pub(super) struct Shared {
    pub(super) settings: Builder,
    /// Whether there are allocations that are to fail.
    has_faults: bool,
    is_open: AtomicBool,
    pub(super) ledger: Ledger,
    /// How many calls the session has seen. Not of 64 bits, which not every processor has atomics of.
    epoch: AtomicUsize,
    /// How many bytes of the quarantine the ledger's parts have as their shares: at most all.
    pub(super) granted: AtomicUsize,
    violations: Lock<Vec<Violation>>,
    /// The addresses of strings older than all sessions that were freed or reallocated in this one.
    older: Lock<BTreeSet<usize>>,
    /// How many allocations were asked for, where some are to fail.
    asked: AtomicUsize,
    /// The last allocation that was made to fail.
    fault: Lock<Option<Site>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(settings: Builder) -> Self {
        Self {
            has_faults: settings.fail_nth.is_some() || settings.fail_over.is_some(),
            settings,
            is_open: AtomicBool::new(true),
            ledger: Ledger::new(),
            epoch: AtomicUsize::new(0),
            granted: AtomicUsize::new(0),
            violations: Lock::new(Vec::new()),
            older: Lock::new(BTreeSet::new()),
            asked: AtomicUsize::new(0),
            fault: Lock::new(None),
        }
    }

    pub(super) fn is_process_wide(&self) -> bool {
        self.settings.process_wide
    }

    /// Whether an allocation of `bytes` bytes is to fail.
    #[inline]
    pub(super) fn is_to_fail(&self, bytes: u32, line: Line) -> bool {
        self.has_faults && self.is_at_fault(bytes, line)
    }

    #[cold]
    fn is_at_fault(&self, bytes: u32, line: Line) -> bool {
        let Builder {
            fail_nth,
            fail_over,
            ..
        } = self.settings;
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) as u64 + 1;
        let fails = fail_nth == Some(asked) || fail_over.is_some_and(|most| bytes > most);
        if fails {
            *self.fault.lock() = Some(Site::at(line));
        }
        fails
    }

    /// Whether a pointer that nobody knows comes up for the first time. A string that is older than
    /// the session is freed once; after that its address means nothing.
    pub(super) fn is_new_to_it(&self, string: NonNull<u16>) -> bool {
        let is_inside = self.ledger.containing(string.addr().get()).is_some();
        !is_inside && self.older.lock().insert(string.addr().get())
    }

    /// The last allocation that was made to fail.
    pub(super) fn fault(&self) -> Option<Site> {
        self.fault.lock().clone()
    }

    /// Where new strings come from that are asked of `backend`.
    #[inline]
    pub(super) fn source(&self, backend: Inner) -> (Inner, bool) {
        if self.settings.guard_pages {
            (&pages::PAGES, true)
        } else {
            (backend, false)
        }
    }

    /// How many calls the session has seen so far: what strings are dated by.
    #[inline]
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed) as u64
    }

    /// One more call. Strings from now on are at least that young.
    pub(super) fn next_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::Relaxed) as u64 + 1
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Notes that `kind` was broken on a string of the ledger, whose memory is still there; by
    /// `event` where that was one call.
    pub(super) fn accuse(&self, kind: Kind, record: &Record, event: Option<Event>) {
        self.accuse_with(kind, record, event, Vec::new());
    }

    /// As [`accuse`](Self::accuse), with more to say.
    pub(super) fn accuse_with(
        &self,
        kind: Kind,
        record: &Record,
        event: Option<Event>,
        notes: Vec<String>,
    ) {
        let beginning = match record.state {
            State::Freed | State::Gone => record.beginning,
            // SAFETY: it is not freed, so its memory is there, and whoever broke the rule on this
            // string is not writing to it just now.
            State::Live | State::Pending => unsafe { guard::beginning(record) },
        };
        let text = Some(beginning.text(record.byte_len));
        self.report(Violation::new(kind, record, text, event, notes));
    }

    /// The string at `address`, if there is one, is the session's no more: the backend has given out
    /// its memory once more, to somebody else.
    pub(super) fn forget(&self, address: usize) {
        if let Some(record) = self.ledger.shard(address).lock().forget(address) {
            self.accuse_vanished(record);
        }
    }

    /// Notes that the backend has given out the memory of the string in `record` once more.
    pub(super) fn accuse_vanished(&self, record: &Record) {
        let kind = Kind::WrongDeallocator;
        self.report(Violation::new(kind, record, None, None, Vec::new()));
    }

    /// Notes that `kind` was broken by `event` on something that is no string of the ledger.
    pub(super) fn accuse_other(&self, kind: Kind, address: usize, event: Event) {
        self.report(Violation::of_unknown(kind, address, event));
    }

    /// Notes that `event` was a call with a pointer that no ledger has.
    pub(super) fn accuse_unknown(&self, string: NonNull<u16>, event: Event) {
        let address = string.addr().get();
        let inside = self.ledger.containing(address).and_then(|start| {
            let shard = self.ledger.shard(start).lock();
            let record = shard.get(start)?;
            let event = Some(event.clone());
            let offset = address - start;
            let notes = vec![format!(
                "the pointer is {offset} bytes past the string's start"
            )];
            self.accuse_with(Kind::MovedPointer, record, event, notes);
            Some(())
        });
        if inside.is_none() {
            self.accuse_other(Kind::NotABstr, address, event);
        }
    }

    /// Notes a violation, or counts it where it is a known one made again.
    pub(super) fn report(&self, violation: Violation) {
        let mut violations = self.violations.lock();
        match violations
            .iter_mut()
            .find(|known| known.repeats(&violation))
        {
            Some(known) => known.count += 1,
            None => violations.push(violation),
        }
    }

    /// Looks for damage to the surroundings of a string that is not freed, and notes it.
    ///
    /// # Safety
    ///
    /// As [`guard::is_intact`].
    #[inline]
    pub(super) unsafe fn inspect(&self, record: &Record) {
        // SAFETY: as the caller promises.
        if !unsafe { guard::is_intact(record) } {
            // SAFETY: as the caller promises.
            unsafe { self.accuse_damage(record) };
        }
    }

    /// Looks for damage to a string that is freed, and notes it.
    ///
    /// # Safety
    ///
    /// As [`guard::is_untouched`].
    #[inline]
    pub(super) unsafe fn inspect_freed(&self, record: &Record) {
        // SAFETY: as the caller promises.
        if !unsafe { guard::is_untouched(record) } {
            // SAFETY: as the caller promises.
            unsafe { self.accuse_damage(record) };
        }
    }

    /// Notes the damage that there is, and puts the prefix right, by which the string is still known.
    ///
    /// # Safety
    ///
    /// As [`guard::damage`].
    #[cold]
    unsafe fn accuse_damage(&self, record: &Record) {
        // SAFETY: as the caller promises.
        let (kind, note) = match unsafe { guard::damage(record) } {
            Damage::Prefix(found) => (
                Kind::Underrun,
                format!(
                    "the prefix says {found} bytes now, and said {}",
                    record.byte_len
                ),
            ),
            Damage::Behind(dump) => (Kind::Overrun, dump),
            Damage::Freed(dump) => (Kind::UseAfterFree, dump),
        };
        self.accuse_with(kind, record, None, vec![note]);
        // SAFETY: a string's prefix is its allocator's to write, so ours.
        unsafe { frame::set_prefix(record.string, record.byte_len) };
    }

    /// The string in `record` has been freed: its memory is poisoned, and is for the quarantine.
    ///
    /// # Safety
    ///
    /// The string is live or pending, and its owner uses it no more.
    #[inline]
    pub(super) unsafe fn bury(&self, record: &mut Record) {
        // SAFETY: the string is not yet freed, and nobody writes to it any more.
        unsafe { self.inspect(record) };
        // SAFETY: as above.
        unsafe { guard::keep_beginning(record) };
        record.state = State::Freed;
        if record.surroundings == Surroundings::Pages {
            pages::protect(record.string);
        } else {
            // SAFETY: as above.
            unsafe { guard::poison(record) };
        }
    }

    /// Ends the session, once.
    pub(super) fn finish(self: &Arc<Self>) -> Report {
        if !self.is_open.swap(false, Ordering::Relaxed) {
            return Report::default();
        }
        let (records, stats) = self.ledger.drain();
        let survivors = records.iter().filter(|record| record.state == State::Live);
        current::unregister(self, survivors);
        for record in &records {
            self.close(record);
        }
        Report {
            violations: mem::take(&mut self.violations.lock()),
            stats,
        }
    }

    /// Says what there is to say of a string in the end, and lets go of it.
    fn close(&self, record: &Record) {
        if record.state == State::Freed {
            return self.leave(record).release();
        }
        // SAFETY: a live string's memory is there, and nobody has business behind its data.
        unsafe { self.inspect(record) };
        if record.pins() > 0 {
            self.accuse(Kind::UnbalancedPin, record, None);
        }
        if record.state == State::Live {
            self.accuse(Kind::Leak, record, None);
        } else {
            // SAFETY: its owner freed it; the backend has the pins and sees to the rest.
            unsafe { record.backend.free(record.string) };
        }
    }
}

/// For what a thread frees while the session is ending.
impl Drop for Shared {
    fn drop(&mut self) {
        let (records, _) = self.ledger.drain();
        let freed = records.iter().filter(|record| record.state == State::Freed);
        freed.for_each(|record| self.leave(record).release());
    }
}
