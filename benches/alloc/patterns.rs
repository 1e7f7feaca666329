//! In which order strings are allocated and freed, and on which threads.

use crate::common::{on_two_threads, random, time};
use crate::variants::Strings;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// What a variant is measured by.
#[derive(Clone, Copy)]
pub(crate) enum Pattern {
    InTurn,
    InOrder,
    InReverse,
    AtRandom,
    OnTwoThreads,
    ProducerAndConsumer,
}

pub(crate) const PATTERNS: [(&str, Pattern); 6] = [
    ("allocated and freed in turn", Pattern::InTurn),
    (
        "a thousand allocated, then freed in order",
        Pattern::InOrder,
    ),
    (
        "a thousand allocated, then freed in reverse",
        Pattern::InReverse,
    ),
    (
        "a thousand allocated, then freed at random",
        Pattern::AtRandom,
    ),
    (
        "allocated and freed in turn on each of two threads",
        Pattern::OnTwoThreads,
    ),
    (
        "a thousand allocated on one thread, then freed on another",
        Pattern::ProducerAndConsumer,
    ),
];

/// What strings are copied from.
pub(crate) struct Text {
    text: Vec<u16>,
    /// In code units.
    len: usize,
}

impl Text {
    /// The text is longer than a string and strings begin anywhere in it: where all were copied from one
    /// place, a block that lies unluckily to that, some pages off, would be slow and another not.
    const PLACES: usize = 64;
    const STEP: usize = 32;

    pub(crate) fn new(len: usize) -> Self {
        let text = vec![0x61; len + Self::PLACES * Self::STEP];
        Self { text, len }
    }

    fn at(&self, number: usize) -> &[u16] {
        let start = number % Self::PLACES * Self::STEP;
        &self.text[start..start + self.len]
    }
}

/// As many strings as are live at a time, where that is more than one.
fn batch(text: &Text) -> usize {
    const MOST_UNITS: usize = 4 << 20;
    (MOST_UNITS / text.len.max(1)).min(1000)
}

/// Runs the pattern over copies of `text` so many times.
pub(crate) fn run<S: Strings>(
    pattern: Pattern,
    strings: &S,
    text: &Text,
    repeats: usize,
) -> Duration {
    match pattern {
        Pattern::InTurn => time(|| in_turn(strings, text, repeats)),
        Pattern::InOrder => batches(strings, text, repeats, |live| {
            live.drain(..).for_each(|string| strings.free(string));
        }),
        Pattern::InReverse => batches(strings, text, repeats, |live| {
            while let Some(string) = live.pop() {
                strings.free(string);
            }
        }),
        Pattern::AtRandom => {
            let order = shuffled(batch(text));
            batches(strings, text, repeats, |live| {
                for next in &order {
                    strings.free(live.swap_remove(*next));
                }
            })
        }
        Pattern::OnTwoThreads => on_two_threads(|_, both| {
            in_turn(strings, text, 10);
            both.wait();
            time(|| in_turn(strings, text, repeats))
        }),
        Pattern::ProducerAndConsumer => producer_and_consumer(strings, text, repeats),
    }
}

fn in_turn<S: Strings>(strings: &S, text: &Text, repeats: usize) {
    for number in 0..repeats {
        strings.free(strings.allocate(text.at(number)));
    }
}

fn batches<S: Strings>(
    strings: &S,
    text: &Text,
    repeats: usize,
    free: impl Fn(&mut Vec<S::String>),
) -> Duration {
    let mut live = Vec::with_capacity(batch(text));
    time(|| {
        for _ in 0..repeats {
            fill(strings, text, &mut live);
            free(&mut live);
        }
    })
}

fn fill<S: Strings>(strings: &S, text: &Text, live: &mut Vec<S::String>) {
    for number in 0..live.capacity() {
        live.push(strings.allocate(text.at(number)));
    }
}

/// Which of those that are left goes next, until none is: the same each time.
fn shuffled(count: usize) -> Vec<usize> {
    (1..=count).rev().map(random()).collect()
}

/// One thread frees a batch while the other allocates the next one. Waiting is not counted.
fn producer_and_consumer<S: Strings>(strings: &S, text: &Text, repeats: usize) -> Duration {
    let (give, take) = sync_channel::<Vec<S::String>>(1);
    let take = Mutex::new(take);
    on_two_threads(|which, _| {
        let turn = |_| {
            if which == 0 {
                let mut live = Vec::with_capacity(batch(text));
                let spent = time(|| fill(strings, text, &mut live));
                give.send(live).expect("the other thread takes it");
                spent
            } else {
                let take = take.lock().expect("nobody panics");
                let mut live = take.recv().expect("the other thread gives it");
                time(|| live.drain(..).for_each(|string| strings.free(string)))
            }
        };
        (0..repeats).map(turn).sum()
    })
}
