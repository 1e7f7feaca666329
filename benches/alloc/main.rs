//! What it costs to allocate a string and to free it, side by side: `cargo bench --bench alloc`.
//!
//! The tables say how many times as fast as `malloc`, `memcpy` and `free` by hand each variant is. Five
//! processes measure one after the other, as now and then one is slow from beginning to end; the median
//! of them is printed. With `-- plot` the first table is drawn too, into `benches/alloc.svg`.

#[path = "../common/mod.rs"]
mod common;
mod patterns;
mod plot;
mod variants;

use common::median;
use patterns::{PATTERNS, Text};
use std::collections::BTreeMap;
use std::env;
use std::process::Command;
use std::thread;
use variants::VARIANTS;

const PROCESSES: usize = 5;

/// In code units.
const LENGTHS: [usize; 11] = [0, 4, 8, 16, 32, 64, 128, 256, 1024, 16 << 10, 1 << 20];

/// The speeds by pattern, length and variant, each a number of the lists of them.
type Speeds = BTreeMap<(usize, usize, usize), f64>;

/// Told to a process that is to measure.
const MEASURE: &str = "measure";

fn main() {
    let mut arguments = env::args().skip(1);
    if let (Some(first), Some(process)) = (arguments.next(), arguments.next())
        && first == MEASURE
    {
        return measure(process.parse().expect("a number"));
    }
    let speeds = speeds_of_processes();
    for (pattern, (name, _)) in PATTERNS.iter().enumerate() {
        println!("{name}:\n");
        print_table(&speeds, pattern);
    }
    if env::args().any(|argument| argument == "plot") {
        plot::draw(&speeds);
    }
}

/// Prints every speed that this process can measure, a line each. The number of the process moves blocks
/// to other places, as in one it can be slow to be.
fn measure(process: usize) {
    // From here on glibc's `malloc` keeps what is freed, rather than to give it to the system and ask for it
    // again, which would be all that is seen of long strings.
    drop(vec![0_u8; 32 << 20]);
    for (pattern, (_, run)) in PATTERNS.iter().enumerate() {
        for (length, units) in LENGTHS.iter().enumerate() {
            let text = Text::new(*units);
            // On a thread of its own, which has kept back no block of another length.
            let speeds = thread::scope(|scope| {
                let speeds = scope.spawn(|| {
                    let _moves = vec![0_u8; process * 600];
                    let (numbers, mut variants) = variants::here(*run, &text);
                    (numbers, common::speeds(&mut variants))
                });
                speeds.join().expect("it does not panic")
            });
            for (variant, speed) in speeds.0.iter().zip(speeds.1) {
                println!("{pattern} {length} {variant} {speed}");
            }
        }
    }
}

/// The medians of what processes of their own measure: some with the cache and some without.
fn speeds_of_processes() -> Speeds {
    let mut measured: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    let program = env::current_exe().expect("this program is a file");
    for process in 0..2 * PROCESSES {
        let mut command = Command::new(&program);
        command.args([MEASURE, &process.to_string()]);
        command.env_remove("OANOCACHE");
        if process % 2 == 1 {
            command.env("OANOCACHE", "1");
        }
        // Room for the thread-locals of a library that is loaded late, which jemalloc is.
        command.env("GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=16384");
        let output = command.output().expect("this program runs again");
        assert!(output.status.success(), "{output:?}");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let (cell, speed) = line.rsplit_once(' ').expect("a cell and a speed");
            let mut cell = cell
                .split(' ')
                .map(|number| number.parse().expect("a number"));
            let cell = [(); 3].map(|()| cell.next().expect("three numbers"));
            let speeds = measured.entry(cell.into()).or_default();
            speeds.push(speed.parse().expect("a number"));
        }
    }
    let medians = measured
        .into_iter()
        .map(|(cell, speeds)| (cell, median(speeds)));
    medians.collect()
}

fn print_table(speeds: &Speeds, pattern: usize) {
    print!("{:>8}", "units");
    for name in VARIANTS {
        print!(" | {name:>8}");
    }
    println!();
    for (length, units) in LENGTHS.iter().enumerate() {
        print!("{units:>8}");
        for (variant, name) in VARIANTS.iter().enumerate() {
            let width = name.len().max(8);
            match speeds.get(&(pattern, length, variant)) {
                Some(speed) => print!(" | {speed:>width$.2}"),
                None => print!(" | {:>width$}", "-"),
            }
        }
        println!();
    }
    println!();
}
