#![doc = include_str!("../README.md")]
//!
//! # Reading the source
//!
//! A file imports only from those before it: `layout` (how large a block is) → `heap` (where it comes
//! from) → `backend` (what a string in it is) → `sys` (what OLEAUT32's functions make of that) →
//! `string` (the safe type) → `audit` (who broke a rule).
#![allow(clippy::test_attr_in_doctest)] // The README shows a test.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Where OLEAUT32 is the backend, the process's own heap and cache lie idle, and the cache does under fuzzers
// and Miri.
#![cfg_attr(
    any(fuzzing, miri, all(windows, feature = "oleaut32")),
    allow(dead_code, unused_imports)
)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "audit")]
pub mod audit;
pub mod backend;
#[cfg(feature = "std")]
mod cache;
#[cfg(feature = "capi")]
pub mod capi;
mod error;
mod frame;
pub mod heap;
pub mod integrations;
pub mod layout;
mod lock;
#[cfg(feature = "audit")]
mod router;
mod string;
pub mod sys;
mod watch;

/// Where there is no audit, every string goes straight to its backend.
#[cfg(not(feature = "audit"))]
mod router {
    pub(crate) use crate::backend::{NATIVE as ROUTER, Native as Router};
}

/// Where there are no thread-locals there is no cache.
#[cfg(not(feature = "std"))]
mod cache {
    pub(crate) fn turn_off() {}
}

pub use error::{AllocError, NullPointer};
pub use string::{BSTR, BstrOut, BstrRef};
/// The crate whose wide strings this one converts to and from.
pub use widestring;

/// What the macros of this crate need and nobody else.
#[doc(hidden)]
pub mod __private {
    pub use crate::string::Literal;
    pub use widestring::u16str;
}
