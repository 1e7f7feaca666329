//! Strategies for strings.

use crate::{BSTR, bstr};
use ::proptest::char;
use ::proptest::collection::{SizeRange, vec};
use ::proptest::option;
use ::proptest::prelude::*;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;

/// NULL, an empty string, or one of [`text`], [`wide`] or [`bytes`], of a length in the range (by
/// default up to 100). A failing one shrinks to the first of these that fails.
impl Arbitrary for BSTR {
    type Parameters = SizeRange;
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with(len: SizeRange) -> Self::Strategy {
        // One within the other, so that each gets its turn when a failing case shrinks, though the next
        // simpler one would not fail.
        let not_text = prop_oneof![4 => wide(len.clone()), 2 => bytes(len.clone())];
        let not_empty = prop_oneof![4 => text(len), 6 => not_text];
        let not_null = prop_oneof![1 => Just(empty()), 10 => not_empty];
        prop_oneof![1 => Just(Self::new()), 11 => not_null].boxed()
    }
}

/// Well-formed text, of so many characters (of one or two UTF-16 code units each), some of them NUL.
/// Without any it is empty and not NULL, as all of these are.
pub fn text(len: impl Into<SizeRange>) -> impl Strategy<Value = BSTR> {
    let special = prop_oneof![1 => Just('\0'), 3 => any::<char>()];
    let character = or_letter(char::range('a', 'z'), special);
    let text = vec(character, len).prop_map(|characters| characters.into_iter().collect());
    text.prop_map(|text: String| filled(BSTR::from(text)))
}

/// So many UTF-16 code units of any kind, lone surrogates and NULs among them.
pub fn wide(len: impl Into<SizeRange>) -> impl Strategy<Value = BSTR> {
    units(len).prop_map(|units| filled(BSTR::from_wide(&units)))
}

/// Any bytes: so many whole UTF-16 code units, and mostly an odd byte behind them.
pub fn bytes(len: impl Into<SizeRange>) -> impl Strategy<Value = BSTR> {
    let odd = option::weighted(0.8, any::<u8>());
    (units(len), odd).prop_map(|(units, odd)| {
        let bytes = units.into_iter().flat_map(u16::to_ne_bytes).chain(odd);
        filled(BSTR::from_bytes(&bytes.collect::<Vec<_>>()))
    })
}

fn units(len: impl Into<SizeRange>) -> impl Strategy<Value = Vec<u16>> {
    let special = prop_oneof![1 => Just(0), 2 => any::<u16>(), 2 => 0xD800..=0xDFFF_u16];
    vec(or_letter(0x61..=0x7A_u16, special), len)
}

/// A letter, or something special: one choice within another, for the same reason.
fn or_letter<T: Debug>(
    letter: impl Strategy<Value = T>,
    special: impl Strategy<Value = T>,
) -> impl Strategy<Value = T> {
    prop_oneof![letter, special]
}

/// An empty string, which is not NULL.
fn empty() -> BSTR {
    bstr!("").clone()
}

/// The string, or an empty one in the place of NULL.
fn filled(string: BSTR) -> BSTR {
    if string.is_null() { empty() } else { string }
}
