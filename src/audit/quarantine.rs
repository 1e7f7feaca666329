//! The quarantine: how much of their memory freed strings keep, and which of it goes back first.
//!
//! Its strings are in the parts of the [ledger](super::ledger), and so is the count of what they weigh.
//! Each part has a share of the whole, and asks others only when that is used up.

use super::audited::Inner;
use super::ledger::{SHARDS, Shard};
use super::places::Place;
use super::record::Record;
use super::shared::Shared;
use crate::lock::{Guard, Spin};
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

/// The least that a part of the ledger asks for at a time, in bytes.
const GRANT: usize = 4096;

/// So many strings must have come into a full quarantine behind one before its memory is a new string's.
const PATIENCE: u64 = 64;

impl Shared {
    /// Puts the string at `place`, which is [buried](Shared::bury), into quarantine.
    #[inline]
    pub(super) fn admit(&self, part: &Spin<Shard>, mut shard: Guard<'_, Shard>, place: Place) {
        shard.quarantine(place);
        let fits = shard.held <= shard.share;
        drop(shard);
        if !fits {
            self.settle(part);
        }
    }

    /// Has a part of the ledger hold no more than its share of the quarantine.
    #[cold]
    fn settle(&self, part: &Spin<Shard>) {
        if !self.grant(part) && self.levy(part) {
            self.grant(part);
        }
        self.trim(part);
    }

    /// Gives a part what it lacks, of what no part has. Answers whether there was enough.
    fn grant(&self, part: &Spin<Shard>) -> bool {
        let mut shard = part.lock();
        let lack = shard.held.saturating_sub(shard.share);
        let grant = |granted| lack.max(GRANT).min(self.settings.quarantine - granted);
        let give = |granted| Some(granted + grant(granted));
        let granted = self
            .granted
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, give);
        // It is never refused.
        shard.share += granted.map_or(0, grant);
        let is_enough = shard.held <= shard.share;
        // Pages can be used no more.
        if !is_enough && !self.settings.guard_pages {
            shard.patience = PATIENCE;
        }
        is_enough
    }

    /// Takes what a part lacks from the one that has most, where the first has less than an even share
    /// and is not to have more than the second. Answers whether it was so.
    fn levy(&self, poor: &Spin<Shard>) -> bool {
        let (share, lack) = {
            let shard = poor.lock();
            (shard.share, shard.held.saturating_sub(shard.share))
        };
        if share >= self.settings.quarantine / SHARDS {
            return false;
        }
        let Some(rich) = self.ledger.shards().max_by_key(|part| part.lock().share) else {
            return false;
        };
        let is_rich = {
            let mut shard = rich.lock();
            let is_rich = shard.share >= share + lack;
            shard.share -= if is_rich { lack } else { 0 };
            is_rich
        };
        if is_rich {
            self.trim(rich);
            self.granted.fetch_sub(lack, Ordering::Relaxed);
        }
        is_rich
    }

    /// Gives back what has been in a part's quarantine longest, until it holds no more than its share.
    fn trim(&self, part: &Spin<Shard>) {
        loop {
            let mut shard = part.lock();
            if shard.held <= shard.share {
                return;
            }
            let leaving = shard.release_oldest(|record| self.leave(record));
            // A backend may take its time.
            drop(shard);
            let Some(leaving) = leaving else { return };
            leaving.release();
        }
    }

    /// What is to be done about a freed string that leaves the ledger.
    pub(super) fn leave(&self, record: &Record) -> Leaving {
        // SAFETY: the memory is still there, and nobody may use it.
        unsafe { self.inspect_freed(record) };
        Leaving {
            string: record.string,
            backend: record.backend,
        }
    }
}

/// A freed string that has left the quarantine, and whose memory is to go back where it came from.
pub(super) struct Leaving {
    string: NonNull<u16>,
    backend: Inner,
}

impl Leaving {
    /// Gives the memory back.
    pub(super) fn release(self) {
        // SAFETY: its owner freed it, and the quarantine was all that kept it.
        unsafe { self.backend.free(self.string) };
    }
}
