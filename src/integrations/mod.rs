//! What ties [`BSTR`](crate::BSTR) to other crates, one file and one feature each.

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
#[cfg(feature = "proptest")]
pub mod proptest;
#[cfg(feature = "windows-core")]
pub mod windows_core;
