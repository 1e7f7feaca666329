//! Ratios that hold from one run to the next.
//!
//! A time by itself says little: the machine has moods, and another one has others. So the variants of
//! a thing are timed side by side, in rounds, each in another order, as what a variant leaves behind is
//! the next one's to suffer; each round gives each variant its ratio to the first, and the median of the
//! rounds is what counts. A thread stays on one processor and is measured by the time it had there, not by
//! the clock on the wall.

#![allow(dead_code)] // Each bench is a program of its own and uses a part of this.

use core_affinity::CoreId;
use cpu_time::ThreadTime;
use std::hint::black_box;
use std::sync::{Barrier, LazyLock};
use std::thread;
use std::time::Duration;

/// One way of doing the thing that is compared: does it that many times, and answers how long that took.
pub(crate) type Variant<'a> = Box<dyn FnMut(usize) -> Duration + 'a>;

const ROUNDS: usize = 15;

/// How long the first variant works in each round; the others do the same work.
const TURN: Duration = Duration::from_millis(1);

/// `work`, as often as it is asked for. What it makes is dropped in the same time.
pub(crate) fn variant<'a, R>(mut work: impl FnMut() -> R + Send + 'a) -> Variant<'a> {
    Box::new(move |repeats| {
        time(|| {
            for _ in 0..repeats {
                black_box(work());
            }
        })
    })
}

/// How many times as fast as the first each variant is, the first included.
pub(crate) fn speeds(variants: &mut [Variant<'_>]) -> Vec<f64> {
    pin(0);
    let repeats = repeats(&mut variants[0]);
    let mut speeds = vec![Vec::new(); variants.len()];
    let mut times = vec![0.0; variants.len()];
    let mut order: Vec<usize> = (0..variants.len()).collect();
    let mut random = random();
    for _ in 0..ROUNDS {
        for left in (1..order.len()).rev() {
            order.swap(left, random(left + 1));
        }
        for which in &order {
            times[*which] = variants[*which](repeats).as_secs_f64();
        }
        for (speeds, time) in speeds.iter_mut().zip(&times) {
            speeds.push(times[0] / time);
        }
    }
    speeds.into_iter().map(median).collect()
}

/// Numbers below the one asked for, the same ones each time.
pub(crate) fn random() -> impl FnMut(usize) -> usize {
    let mut state = 1_u32;
    move |below| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    }
}

/// How many times fill a turn.
fn repeats(variant: &mut Variant<'_>) -> usize {
    let mut repeats = 1;
    while variant(repeats) < TURN {
        repeats *= 2;
    }
    repeats
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How long the processor works at `work` on this thread.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let start = ThreadTime::now();
    work();
    start.elapsed()
}

/// Does `work` on two threads at once, each on a processor of its own where there are two, and answers
/// the mean of their times. `work` is told which thread it is on, and where to wait for the other.
pub(crate) fn on_two_threads(work: impl Fn(usize, &Barrier) -> Duration + Sync) -> Duration {
    let both = Barrier::new(2);
    let run = |which| {
        pin(which);
        work(which, &both)
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(|| run(0)), scope.spawn(|| run(1))];
        let times = threads.map(|thread| thread.join().expect("it does not panic"));
        (times[0] + times[1]) / 2
    })
}

/// Keeps this thread on one processor, as far as the system lets it.
fn pin(number: usize) {
    // Asked once, as a thread that is pinned sees no other processor any more.
    static PROCESSORS: LazyLock<Vec<CoreId>> =
        LazyLock::new(|| core_affinity::get_core_ids().unwrap_or_default());
    if !PROCESSORS.is_empty() {
        core_affinity::set_for_current(PROCESSORS[number % PROCESSORS.len()]);
    }
}
