//! Conversions between [`BSTR`] and the strings of `std` and `widestring`.
//!
//! Those that start from units or text keep all of it. Those that end in units or text see the
//! string's whole code units: an odd last byte is left out. The strict ones, `TryFrom`, refuse what
//! the target cannot hold. `U16String::from(&string)` is `widestring`'s own, by `AsRef<U16Str>`.

use super::decode;
use super::owned::{BSTR, or_panic};
use alloc::string::{FromUtf16Error, String};
use alloc::vec::Vec;
use core::ops::{Add, AddAssign};
use widestring::error::{ContainsNul, Utf16Error};
use widestring::{U16CStr, U16CString, U16Str, U16String, Utf16Str, Utf16String};

/// Implements `From` for several types, each with the expression that makes a BSTR of it.
macro_rules! from {
    ($($type:ty: $value:ident => $make:expr;)*) => {$(
        /// Panics where there is no memory, or the string is too long for a BSTR.
        impl From<$type> for BSTR {
            #[track_caller]
            fn from($value: $type) -> Self {
                or_panic($make)
            }
        }
    )*};
}

from! {
    &str: value => Self::try_from_str(value);
    &String: value => Self::try_from_str(value);
    String: value => Self::try_from_str(&value);
    &U16Str: value => Self::try_from_wide(value.as_slice());
    &U16String: value => Self::try_from_wide(value.as_slice());
    U16String: value => Self::try_from_wide(value.as_slice());
    &U16CStr: value => Self::try_from_wide(value.as_slice());
    &U16CString: value => Self::try_from_wide(value.as_slice());
    U16CString: value => Self::try_from_wide(value.as_slice());
    &Utf16Str: value => Self::try_from_wide(value.as_slice());
    &Utf16String: value => Self::try_from_wide(value.as_slice());
    Utf16String: value => Self::try_from_wide(value.as_slice());
}

/// Refuses lone surrogates. An odd last byte is left out.
impl TryFrom<&BSTR> for String {
    type Error = FromUtf16Error;

    fn try_from(value: &BSTR) -> Result<Self, Self::Error> {
        // The error is `std`'s to make.
        decode::text(value, |_| false).map_or_else(|| Self::from_utf16(value), Ok)
    }
}

/// Refuses lone surrogates. An odd last byte is left out.
impl TryFrom<BSTR> for String {
    type Error = FromUtf16Error;

    fn try_from(value: BSTR) -> Result<Self, Self::Error> {
        Self::try_from(&value)
    }
}

/// Refuses NULs, at the end too. An odd last byte is left out.
impl TryFrom<&BSTR> for U16CString {
    type Error = ContainsNul<u16>;

    fn try_from(value: &BSTR) -> Result<Self, Self::Error> {
        // With the terminator, which it would otherwise take a last NUL for.
        let mut units = value.to_vec();
        units.push(0);
        Self::from_vec(units)
    }
}

/// Refuses lone surrogates. An odd last byte is left out.
impl TryFrom<&BSTR> for Utf16String {
    type Error = Utf16Error;

    fn try_from(value: &BSTR) -> Result<Self, Self::Error> {
        Self::from_vec(value.to_vec())
    }
}

impl FromIterator<u16> for BSTR {
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = u16>>(units: I) -> Self {
        Self::from_utf16_iter(units)
    }
}

impl FromIterator<char> for BSTR {
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = char>>(chars: I) -> Self {
        Self::from(String::from_iter(chars))
    }
}

/// Joins bytes: where this string has an odd count, so has the result.
impl Extend<u16> for BSTR {
    #[track_caller]
    fn extend<I: IntoIterator<Item = u16>>(&mut self, units: I) {
        *self += &Self::from_utf16_iter(units);
    }
}

/// Joins bytes: where this string has an odd count, so has the result.
impl Extend<char> for BSTR {
    #[track_caller]
    fn extend<I: IntoIterator<Item = char>>(&mut self, chars: I) {
        *self += &Self::from_iter(chars);
    }
}

/// Joins bytes. Panics where there is no memory, or the string would be too long for a BSTR.
impl AddAssign<&BSTR> for BSTR {
    #[track_caller]
    fn add_assign(&mut self, other: &BSTR) {
        if other.byte_len() > 0 {
            *self = or_panic(self.try_concat(other));
        }
    }
}

/// Joins bytes. Panics where there is no memory, or the string would be too long for a BSTR.
impl AddAssign<&str> for BSTR {
    #[track_caller]
    fn add_assign(&mut self, other: &str) {
        *self += &Self::from(other);
    }
}

/// Joins bytes. Panics where there is no memory, or the string would be too long for a BSTR.
impl Add<&BSTR> for BSTR {
    type Output = BSTR;

    #[track_caller]
    fn add(mut self, other: &BSTR) -> BSTR {
        self += other;
        self
    }
}

/// Joins bytes. Panics where there is no memory, or the string would be too long for a BSTR.
impl Add<&str> for BSTR {
    type Output = BSTR;

    #[track_caller]
    fn add(mut self, other: &str) -> BSTR {
        self += other;
        self
    }
}

/// The whole code units.
impl From<&BSTR> for Vec<u16> {
    fn from(value: &BSTR) -> Self {
        value.to_vec()
    }
}
