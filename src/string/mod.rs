//! The safe string: [`BSTR`], its two parameter types, and literals.

mod compare;
mod convert;
mod decode;
mod encode;
mod lanes;
mod literal;
mod owned;
mod param;
mod traits;

#[doc(hidden)]
pub use literal::Literal;
pub use owned::BSTR;
pub use param::{BstrOut, BstrRef};
