//! Strategies for [`proptest`]: [`any::<BSTR>()`](crate::BSTR#impl-Arbitrary-for-BSTR), strings of one
//! kind, and programs of calls.
//!
//! ```
//! use portable_bstr::BSTR;
//! use proptest::prelude::*;
//!
//! // In a `#[test]`:
//! proptest!(|(text in any::<BSTR>())| {
//!     prop_assert_eq!(text.clone(), text);
//! });
//! ```
//!
//! A failing string shrinks as far as it fails, and keeps what makes it fail: a lone surrogate, a NUL,
//! an odd last byte. Then it is shown with every unit and byte:
//!
//! ```
//! use portable_bstr::BSTR;
//! use proptest::prelude::*;
//! use proptest::test_runner::{Config, TestRunner};
//!
//! // Forgets that there may be a NUL in a text.
//! let mut runner = TestRunner::new(Config::with_cases(1000));
//! let failure = runner.run(&any::<BSTR>(), |text| {
//!     let len = text.iter().take_while(|&&unit| unit != 0).count();
//!     prop_assert_eq!(len, text.len());
//!     Ok(())
//! });
//! assert!(failure.unwrap_err().to_string().ends_with(r#"minimal failing input: "\0""#));
//! ```

#[cfg(feature = "audit")]
mod programs;
mod strings;

#[cfg(feature = "audit")]
pub use programs::programs;
pub use strings::{bytes, text, wide};
