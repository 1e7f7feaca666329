//! Strings compared, ordered, hashed and cloned, against `HSTRING` and `Vec<u16>`:
//! `cargo bench --bench compare`.
//!
//! README.md beside this file says how to read it.

mod common;

use common::{Variant, speeds, variant};
use portable_bstr::BSTR;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use windows_core::HSTRING;

/// In code units.
const LENGTHS: [usize; 7] = [0, 8, 32, 64, 256, 1024, 16384];

/// The same text twice in each type, so that nothing is equal for being the same.
struct Pair {
    text: String,
    strings: [BSTR; 2],
    handles: [HSTRING; 2],
    vectors: [Vec<u16>; 2],
}

impl Pair {
    fn new(sample: &str, length: usize) -> Self {
        let text: String = sample.chars().cycle().take(length).collect();
        Self {
            strings: [(); 2].map(|()| BSTR::from(&text)),
            handles: [(); 2].map(|()| HSTRING::from(&text)),
            vectors: [(); 2].map(|()| text.encode_utf16().collect()),
            text,
        }
    }
}

/// Prints how many times as fast as the first the others of `variants` are, for each length.
fn table(name: &str, sample: &str, variants: impl for<'a> Fn(&'a Pair) -> [Variant<'a>; 3]) {
    println!("\n{name}");
    print!("{:>12}", "code units");
    for length in LENGTHS {
        print!("{length:>8}");
    }
    println!();
    let columns = LENGTHS.map(|length| speeds(&mut variants(&Pair::new(sample, length))));
    for (row, name) in ["BSTR", "Vec<u16>"].iter().enumerate() {
        print!("{name:>12}");
        for speeds in &columns {
            print!("{:8.2}", speeds[row + 1]);
        }
        println!();
    }
}

fn with_text(pair: &Pair) -> [Variant<'_>; 3] {
    let (text, [string, _], [handle, _], [vector, _]) =
        (&*pair.text, &pair.strings, &pair.handles, &pair.vectors);
    [
        variant(move || *black_box(handle) == *black_box(text)),
        variant(move || *black_box(string) == *black_box(text)),
        variant(move || {
            black_box(vector)
                .iter()
                .copied()
                .eq(black_box(text).encode_utf16())
        }),
    ]
}

fn main() {
    const ASCII: &str = "The quick brown fox jumps over the lazy dog. ";
    println!("How many times as fast as HSTRING:");
    table("equality", ASCII, |pair| {
        let ([a, b], [c, d], [e, f]) = (&pair.strings, &pair.handles, &pair.vectors);
        [
            variant(move || black_box(c) == black_box(d)),
            variant(move || black_box(a) == black_box(b)),
            variant(move || black_box(e) == black_box(f)),
        ]
    });
    table("ordering", ASCII, |pair| {
        let ([a, b], [c, d], [e, f]) = (&pair.strings, &pair.handles, &pair.vectors);
        [
            variant(move || black_box(c).cmp(black_box(d))),
            variant(move || black_box(a).cmp(black_box(b))),
            variant(move || black_box(e).cmp(black_box(f))),
        ]
    });
    table("equality with &str, ASCII", ASCII, with_text);
    table(
        "equality with &str, Latin",
        "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ",
        with_text,
    );
    table(
        "equality with &str, Cyrillic",
        "Съешь же ещё этих мягких французских булок, да выпей чаю. ",
        with_text,
    );
    table("hashing", ASCII, |pair| {
        let ([a, _], [c, _], [e, _]) = (&pair.strings, &pair.handles, &pair.vectors);
        let hasher = RandomState::new();
        let [first, second, third] = [hasher.clone(), hasher.clone(), hasher];
        [
            variant(move || first.hash_one(black_box(c))),
            variant(move || second.hash_one(black_box(a))),
            variant(move || third.hash_one(black_box(e))),
        ]
    });
    table("clone", ASCII, |pair| {
        let ([a, _], [c, _], [e, _]) = (&pair.strings, &pair.handles, &pair.vectors);
        [
            variant(move || black_box(c).clone()),
            variant(move || black_box(a).clone()),
            variant(move || black_box(e).clone()),
        ]
    });
}
