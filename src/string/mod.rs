//! The safe string: [`BSTR`], its two parameter types, and literals.

mod convert;
mod literal;
mod owned;
mod param;
mod traits;

#[doc(hidden)]
pub use literal::Literal;
pub use owned::BSTR;
pub use param::{BstrOut, BstrRef};
