//! What can go wrong, as small `Copy` types.

use core::fmt;

/// `E_POINTER`: a pointer that must not be NULL is.
pub(crate) const E_POINTER: i32 = hresult(0x8000_4003);

/// `E_OUTOFMEMORY`: there is no memory for the string.
pub(crate) const E_OUTOFMEMORY: i32 = hresult(0x8007_000E);

/// An HRESULT is written in hexadecimal, all bits of it, and passed about as an `i32`.
pub(crate) const fn hresult(bits: u32) -> i32 {
    bits.cast_signed()
}

/// A BSTR could not be allocated.
///
/// ```
/// use portable_bstr::AllocError;
///
/// // E_OUTOFMEMORY, which is what a COM method answers.
/// assert_eq!(AllocError::TooLong.hresult() as u32, 0x8007_000E);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AllocError {
    /// The string is longer than a BSTR's 32-bit byte count allows.
    TooLong,
    /// The allocator has no memory for it.
    OutOfMemory,
}

impl AllocError {
    /// The HRESULT of this error: `E_OUTOFMEMORY` for both, as OLEAUT32 has it.
    #[must_use]
    pub const fn hresult(self) -> i32 {
        E_OUTOFMEMORY
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the string is longer than a BSTR can be",
            Self::OutOfMemory => "out of memory for a BSTR",
        })
    }
}

impl core::error::Error for AllocError {}

/// An \[out\] parameter was NULL, so there was nowhere to store the result.
///
/// ```
/// use portable_bstr::NullPointer;
///
/// assert_eq!(NullPointer.hresult() as u32, 0x8000_4003); // E_POINTER
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NullPointer;

impl NullPointer {
    /// The HRESULT of this error: `E_POINTER`.
    #[must_use]
    pub const fn hresult(self) -> i32 {
        E_POINTER
    }
}

impl fmt::Display for NullPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the [out] pointer is NULL")
    }
}

impl core::error::Error for NullPointer {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// Each error says what it is about, and of the two where there is no string, which.
    #[test]
    fn errors_say_what_they_are() {
        assert!(AllocError::TooLong.to_string().contains("longer than"));
        assert!(
            AllocError::OutOfMemory
                .to_string()
                .contains("out of memory")
        );
        assert!(NullPointer.to_string().contains("NULL"));
    }
}
