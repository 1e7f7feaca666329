//! The strategies of `integrations::proptest`: what they make, and what a failing case shrinks to.

mod common;

use common::wide as units;
use portable_bstr::integrations::proptest::{bytes, text, wide};
use portable_bstr::{BSTR, bstr};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::fmt::Debug;

/// A runner that makes the same of the same seed.
fn runner(seed: u8) -> TestRunner {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let cases = 2000;
    let config = Config {
        cases,
        ..common::config()
    };
    TestRunner::new_with_rng(config, rng)
}

/// So many values of a strategy.
fn values<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = runner(0);
    let value = |_| strategy.new_tree(&mut runner).unwrap().current();
    (0..count).map(value).collect()
}

/// What a test that fails where `fails` says so shrinks to.
fn shrunk<S: Strategy>(strategy: S, seed: u8, fails: impl Fn(&S::Value) -> bool) -> S::Value
where
    S::Value: Debug,
{
    let test = |value| {
        prop_assert!(!fails(&value));
        Ok(())
    };
    match runner(seed).run(&strategy, test) {
        Err(TestError::Fail(_, minimal)) => minimal,
        other => panic!("{other:?}"),
    }
}

fn is_odd(string: &BSTR) -> bool {
    string.byte_len() % 2 == 1
}

fn has_lone_surrogate(string: &BSTR) -> bool {
    String::from_utf16(string).is_err()
}

fn ends_with_a_lone_surrogate(string: &BSTR) -> bool {
    matches!(string.last(), Some(0xD800..=0xDBFF))
}

/// A NUL and more behind it.
fn has_embedded_nul(string: &BSTR) -> bool {
    let nul = string.iter().position(|&unit| unit == 0);
    nul.is_some_and(|nul| nul + 1 < string.len())
}

/// How many characters there are, each lone surrogate counted as one.
fn characters(string: &BSTR) -> usize {
    char::decode_utf16(string.iter().copied()).count()
}

fn has_pair(string: &BSTR) -> bool {
    let mut characters = char::decode_utf16(string.iter().copied());
    characters.any(|character| character.is_ok_and(|character| character.len_utf16() == 2))
}

#[test]
fn every_kind_of_string_comes_often_enough() {
    let strings = values(&any::<BSTR>(), 1000);
    let often = |kind: fn(&BSTR) -> bool| strings.iter().filter(|string| kind(string)).count();
    assert!(often(BSTR::is_null) > 30);
    assert!(often(|string| !string.is_null() && string.byte_len() == 0) > 30);
    assert!(often(is_odd) > 30);
    assert!(often(has_lone_surrogate) > 30);
    assert!(often(has_pair) > 30);
    assert!(often(has_embedded_nul) > 30);
    assert!(often(|string| string.last() == Some(&0)) > 30);
    assert!(often(|string| !string.is_empty() && String::from_utf16(string).is_ok()) > 30);
    assert!(strings.iter().all(|string| string.len() <= 200));
}

#[test]
fn strings_of_a_kind_are_that_and_as_long_as_asked_for() {
    let all = |strategy: &dyn Fn() -> BoxedStrategy<BSTR>, is: fn(&BSTR) -> bool| {
        let strings = values(&strategy(), 500);
        assert!(strings.iter().all(is));
        assert!(strings.iter().all(|string| !string.is_null()));
        let empty = strings.iter().filter(|string| string.is_empty()).count();
        assert!((1..499).contains(&empty));
    };
    all(&|| text(0..4).boxed(), |string| {
        let text = String::from_utf16(string);
        text.is_ok_and(|text| text.chars().count() < 4) && !is_odd(string)
    });
    all(&|| wide(0..4).boxed(), |string| {
        string.len() < 4 && !is_odd(string)
    });
    all(&|| bytes(0..4).boxed(), |string| string.len() < 4);
    assert!(values(&text(3), 100).iter().all(|string| string.len() >= 3));
    assert!(values(&wide(3), 100).iter().all(|string| string.len() == 3));
    assert!(
        values(&bytes(3), 100)
            .iter()
            .all(|string| string.len() == 3)
    );
    let short = any_with::<BSTR>((0..=1).into());
    assert!(values(&short, 500).iter().all(|string| string.len() <= 2));
}

/// Though what is simpler than bytes is seldom empty.
#[test]
fn an_empty_string_shrinks_to_null() {
    for seed in 0..=u8::MAX {
        let strings = any_with::<BSTR>((0..=2).into());
        let found = shrunk(strings, seed, |string| string.byte_len() == 0);
        assert!(found.is_null(), "seed {seed}");
    }
}

/// As far as it fails, and what makes it fail is kept.
#[test]
fn a_failing_string_shrinks_to_the_least_that_fails() {
    type Table = [(fn(&BSTR) -> bool, BSTR)];
    let table: &Table = &[
        (|_| true, BSTR::new()),
        (|string| !string.is_null(), bstr!("").clone()),
        (|string| !string.is_empty(), BSTR::from("a")),
        (|string| characters(string) > 4, BSTR::from("aaaaa")),
        (|string| string.contains(&0), BSTR::from("\0")),
        (has_embedded_nul, BSTR::from("\0a")),
        (is_odd, BSTR::from_bytes(&[0])),
        (
            |string| is_odd(string) && characters(string) > 1,
            BSTR::from_bytes(&[common::bytes_of(&units("aa")), vec![0]].concat()),
        ),
        (ends_with_a_lone_surrogate, BSTR::from_wide(&[0xD800])),
        (
            |string| ends_with_a_lone_surrogate(string) && characters(string) > 2,
            BSTR::from_wide(&[0x61, 0x61, 0xD800]),
        ),
        (has_pair, BSTR::from("\u{10000}")),
    ];
    for (row, (fails, minimal)) in table.iter().enumerate() {
        for seed in 0..6 {
            let found = shrunk(any::<BSTR>(), seed, *fails);
            let what = |string: &BSTR| format!("{string:#?}");
            assert_eq!(what(&found), what(minimal), "row {row}, seed {seed}");
        }
    }
}
