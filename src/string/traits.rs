//! What a [`BSTR`] is like as a value: copied, compared, ordered, hashed and written.

use super::compare;
use super::owned::{BSTR, or_panic};
use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use widestring::U16Str;

impl AsRef<[u16]> for BSTR {
    fn as_ref(&self) -> &[u16] {
        self.as_wide()
    }
}

impl AsRef<U16Str> for BSTR {
    fn as_ref(&self) -> &U16Str {
        self.as_u16str()
    }
}

/// Every byte is copied, and NULL stays NULL. Panics where there is no memory.
impl Clone for BSTR {
    #[track_caller]
    fn clone(&self) -> Self {
        or_panic(self.try_clone())
    }
}

/// NULL.
impl Default for BSTR {
    fn default() -> Self {
        Self::new()
    }
}

/// The text without quotes, lossy: what `windows_strings::BSTR` writes. `{:#?}` is for finding out what
/// a string is: `NULL`, or its text in quotes, escaped, a lone surrogate as `\<D800>`, and an odd last
/// byte behind it as `+ 0x41`.
///
/// ```
/// # use portable_bstr::BSTR;
/// assert_eq!(format!("{:#?}", BSTR::from_wide(&[0x61, 0xD800, 0])), r#""a\<D800>\0""#);
/// assert_eq!(format!("{:#?}", BSTR::from_bytes(b"A")), r#""" + 0x41"#);
/// assert_eq!(format!("{:#?}", BSTR::new()), "NULL");
/// ```
impl fmt::Debug for BSTR {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        if self.is_null() {
            return f.write_str("NULL");
        }
        fmt::Debug::fmt(self.as_u16str(), f)?;
        self.odd_byte()
            .map_or(Ok(()), |byte| write!(f, " + {byte:#04x}"))
    }
}

/// The text, lossy as [`to_string_lossy`](BSTR::to_string_lossy) is.
impl fmt::Display for BSTR {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.display(), f)
    }
}

/// Over every byte. NULL equals the empty string.
impl PartialEq for BSTR {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for BSTR {}

/// By UTF-16 code units, as slices of them are ordered; where those are equal, a string with an
/// odd last byte comes after one without, and by that byte.
impl Ord for BSTR {
    fn cmp(&self, other: &Self) -> Ordering {
        let units = compare::order(self.as_wide(), other.as_wide());
        units.then_with(|| self.odd_byte().cmp(&other.odd_byte()))
    }
}

impl PartialOrd for BSTR {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Over every byte, as equality is.
impl Hash for BSTR {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Equal where the string is exactly the text's UTF-16. A string with a lone surrogate or an odd
/// last byte equals no text.
impl<T: AsRef<str> + ?Sized> PartialEq<T> for BSTR {
    fn eq(&self, other: &T) -> bool {
        // Aligned as strings are, they are units where there is no odd byte.
        let units = bytemuck::try_cast_slice(self.as_bytes());
        units.is_ok_and(|units| compare::is_text(units, other.as_ref()))
    }
}

impl PartialEq<BSTR> for str {
    fn eq(&self, other: &BSTR) -> bool {
        other == self
    }
}

impl PartialEq<BSTR> for &str {
    fn eq(&self, other: &BSTR) -> bool {
        other == *self
    }
}

impl PartialEq<BSTR> for String {
    fn eq(&self, other: &BSTR) -> bool {
        other == self
    }
}
