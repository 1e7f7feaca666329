//! A strategy for programs of calls.

use crate::BSTR;
use crate::audit::{Interface, Program};
use ::proptest::collection::vec;
use ::proptest::prelude::*;
use ::proptest::strategy::Union;
use core::borrow::Borrow;

/// Up to 16 calls of the functions of an [`Interface`], with strings of up to 16 UTF-16 code units.
///
/// A failing program shrinks to the calls and strings that it takes. See [the chapter about
/// fuzzing](crate::audit#fuzzing-your-own-code).
///
/// # Panics
///
/// Where the interface has no functions.
pub fn programs<T>(interface: impl Borrow<Interface<T>>) -> impl Strategy<Value = Program> {
    let methods = interface.borrow().strings().enumerate();
    let calls = methods.map(|(method, strings)| {
        let strings = vec(any_with::<BSTR>((0..=16).into()), strings);
        (Just(method), strings, any::<bool>())
    });
    let calls = vec(Union::new(calls), 1..=16);
    calls.prop_map(move |calls| interface.borrow().program(calls))
}
