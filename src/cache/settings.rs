//! Which blocks the cache takes, and how many: what the environment says, and that it is off.

use super::{BUCKETS, GRANULE, MOST_SLOTS};
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::Once;

/// The largest block, in bytes, that each bucket takes. Zero for all of them while there is no
/// cache.
static LIMITS: [AtomicUsize; BUCKETS] = [const { AtomicUsize::new(0) }; BUCKETS];

/// The bucket for blocks of `size` bytes, a multiple of [`GRANULE`], where there is one.
pub(super) fn bucket_for(size: usize) -> Option<usize> {
    let mut limits = LIMITS.iter();
    // Blocks of foreign strings can be too small to be of any use.
    limits.position(|limit| size > 0 && size <= limit.load(Ordering::Relaxed))
}

/// What [`bucket_for`] says of the blocks that the cache takes by default, by the number of their granules:
/// a bucket, or more where there is none.
static CLASSES: [AtomicU8; CLASS_COUNT] = [const { AtomicU8::new(u8::MAX) }; CLASS_COUNT];

const CLASS_COUNT: usize = Parameters::DEFAULT.limits[BUCKETS - 1] / GRANULE + 1;

/// What [`CLASSES`] say of blocks of `size` bytes, where they do.
#[inline]
pub(super) fn class_of(size: usize) -> Option<usize> {
    let class = CLASSES.get(size / GRANULE)?;
    Some(class.load(Ordering::Relaxed).into())
}

/// Sets the limits.
pub(super) fn set_limits(limits: [usize; BUCKETS]) {
    for (limit, size) in LIMITS.iter().zip(limits) {
        limit.store(size, Ordering::Relaxed);
    }
    for (granules, class) in CLASSES.iter().enumerate() {
        let bucket = bucket_for(granules * GRANULE).unwrap_or(usize::MAX);
        class.store(u8::try_from(bucket).unwrap_or(u8::MAX), Ordering::Relaxed);
    }
}

/// How many slots a thread's buckets have by the environment, which is read once.
pub(super) fn configured_slots() -> usize {
    static READ: Once = Once::new();
    static SLOTS: AtomicUsize = AtomicUsize::new(0);
    READ.call_once(|| {
        if std::env::var_os("OANOCACHE").is_some() {
            return;
        }
        let text = std::env::var("OACACHEPARAMS").unwrap_or_default();
        let parameters = Parameters::parse(&text);
        SLOTS.store(parameters.slots, Ordering::Relaxed);
        set_limits(parameters.limits);
    });
    SLOTS.load(Ordering::Relaxed)
}

/// What `OACACHEPARAMS` says.
#[derive(Debug, PartialEq, Eq)]
struct Parameters {
    limits: [usize; BUCKETS],
    slots: usize,
}

impl Parameters {
    const DEFAULT: Self = Self {
        limits: [32, 64, 256, 32768],
        slots: 6,
    };

    /// Reads `max3,max2,max1,max0:slots`. A field that is 0, missing or no number has its
    /// default; more than [`MOST_SLOTS`] slots are [`MOST_SLOTS`].
    fn parse(text: &str) -> Self {
        let field = |text: &str, default| match text.trim().parse() {
            Ok(0) | Err(_) => default,
            Ok(number) => number,
        };
        let (limits, slots) = text.split_once(':').unwrap_or((text, ""));
        let mut parameters = Self::DEFAULT;
        for (limit, text) in parameters.limits.iter_mut().rev().zip(limits.split(',')) {
            *limit = field(text, *limit);
        }
        parameters.slots = field(slots, parameters.slots).min(MOST_SLOTS);
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Size 0 is what an empty slot says.
    #[test]
    fn nothing_is_kept_of_a_block_without_room() {
        configured_slots();
        assert_eq!(bucket_for(0), None);
    }

    #[test]
    fn parameters_as_the_knowledge_base_writes_them() {
        let table = [
            ("", [32, 64, 256, 32768], 6),
            ("32768,256,64,32:6", [32, 64, 256, 32768], 6),
            ("16384,0,128,0:5", [32, 128, 256, 16384], 5),
            ("4096,2048", [32, 64, 2048, 4096], 6),
            (":3", [32, 64, 256, 32768], 3),
            ("nonsense,,-1:x", [32, 64, 256, 32768], 6),
            ("0:1000", [32, 64, 256, 32768], MOST_SLOTS),
            ("1,2,3,4,5,6:7:8", [4, 3, 2, 1], 6),
        ];
        for (text, limits, slots) in table {
            assert_eq!(
                Parameters::parse(text),
                Parameters { limits, slots },
                "{text:?}"
            );
        }
    }
}
