//! Text in and out of strings, against `std`: `cargo bench --bench conversions`.
//!
//! README.md beside this file says how to read it.

mod common;

use common::{Variant, speeds, variant};
use portable_bstr::BSTR;
use std::hint::black_box;

/// A text of each kind, which is repeated up to the length that is wanted.
const KINDS: [(&str, &str); 5] = [
    ("ASCII", "The quick brown fox jumps over the lazy dog. "),
    (
        "Latin",
        "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ",
    ),
    (
        "Cyrillic",
        "Съешь же ещё этих мягких французских булок, да выпей чаю. ",
    ),
    ("CJK", "色は匂へど散りぬるを我が世誰ぞ常ならむ。"),
    ("emoji", "😀🎉🚀🦀🌍"),
];

/// In characters.
const LENGTHS: [usize; 6] = [8, 64, 256, 1024, 4096, 65536];

/// Prints how many times as fast as the first the second of `variants` is, for each kind and length.
fn table(name: &str, variants: impl for<'a> Fn(&'a str, &'a [u16]) -> [Variant<'a>; 2]) {
    println!("\n{name}");
    print!("{:>10}", "characters");
    for length in LENGTHS {
        print!("{length:>8}");
    }
    println!();
    for (kind, sample) in KINDS {
        print!("{kind:>10}");
        for length in LENGTHS {
            let text: String = sample.chars().cycle().take(length).collect();
            let units: Vec<u16> = text.encode_utf16().collect();
            print!("{:8.2}", speeds(&mut variants(&text, &units))[1]);
        }
        println!();
    }
}

/// As [`table`], for `std`'s way from code units and that from a string of them.
fn table_back<S, T>(
    name: &str,
    std: impl Fn(&[u16]) -> S + Copy + Send + 'static,
    ours: impl Fn(&BSTR) -> T + Copy + Send + 'static,
) {
    table(name, |_, units| {
        let string = BSTR::from_wide(units);
        [
            variant(move || std(black_box(units))),
            variant(move || ours(black_box(&string))),
        ]
    });
}

fn main() {
    println!("How many times as fast as std, the string's allocation and its end included:");
    table(
        "from UTF-8: BSTR::from, and text.encode_utf16().collect::<Vec<u16>>()",
        |text, _| {
            [
                variant(move || black_box(text).encode_utf16().collect::<Vec<u16>>()),
                variant(move || BSTR::from(black_box(text))),
            ]
        },
    );
    table_back(
        "to UTF-8, strictly: String::try_from, and String::from_utf16",
        String::from_utf16,
        |string| String::try_from(string),
    );
    table_back(
        "to UTF-8, lossy: to_string_lossy, and String::from_utf16_lossy",
        String::from_utf16_lossy,
        BSTR::to_string_lossy,
    );
    table_back(
        "Display: to_string, and String::from_utf16_lossy",
        String::from_utf16_lossy,
        BSTR::to_string,
    );
}
