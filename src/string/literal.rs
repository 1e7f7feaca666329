//! BSTRs in static memory.

use super::owned::BSTR;
use crate::layout::{BlockLayout, UNIT};

/// The words of a header, as [`BlockLayout`] sizes it.
const HEADER_WORDS: usize = BlockLayout::NATIVE.header() as usize / size_of::<u32>();

/// A BSTR of `N` UTF-16 code units with all that surrounds it, for [`bstr!`](crate::bstr).
///
/// Aligned so that the data is aligned to a pointer, as the allocator's is.
#[doc(hidden)]
#[derive(Debug)]
#[repr(C, align(8))]
pub struct Literal<const N: usize> {
    /// The padding, where there is one, and the byte count.
    header: [u32; HEADER_WORDS],
    data: [u16; N],
    nul: u16,
}

impl<const N: usize> Literal<N> {
    /// The literal of `units`, of which there are `N`.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // There is no `try_from` in constants; checked.
    pub const fn new(units: &[u16]) -> Self {
        assert!(
            N <= BlockLayout::NATIVE.max_units() as usize,
            "the literal is longer than a BSTR can be"
        );
        let mut header = [0; HEADER_WORDS];
        header[HEADER_WORDS - 1] = N as u32 * UNIT;
        let mut data = [0; N];
        data.copy_from_slice(units);
        let nul = 0;
        Self { header, data, nul }
    }

    /// The string in this literal.
    ///
    /// # Safety
    ///
    /// The result is never dropped.
    #[must_use]
    pub const unsafe fn as_bstr(&'static self) -> BSTR {
        // From the whole literal and not from its data, so that the pointer reaches the header.
        let start: *const Self = self;
        // SAFETY: the header is part of the literal, and the data begins where it ends.
        let data = unsafe { start.byte_add(size_of_val(&self.header)) };
        // SAFETY: it has a BSTR's layout, and the caller does not drop it.
        unsafe { BSTR::from_raw(data.cast()) }
    }
}

/// A `&'static BSTR` in static memory, made at compile time from a string literal or constant.
///
/// It serves wherever a BSTR is read. It is nobody's to free or to reallocate: hand out a clone.
///
/// ```
/// use portable_bstr::{BSTR, bstr};
///
/// let ready: &'static BSTR = bstr!("ready ✓");
/// assert_eq!(ready, "ready ✓");
/// let mine: BSTR = ready.clone();
/// # drop(mine);
/// ```
#[macro_export]
macro_rules! bstr {
    ($text:expr) => {{
        const UNITS: &[u16] = $crate::__private::u16str!($text).as_slice();
        static LITERAL: $crate::__private::Literal<{ UNITS.len() }> =
            $crate::__private::Literal::new(UNITS);
        // SAFETY: a static is never dropped.
        static STRING: $crate::BSTR = unsafe { LITERAL.as_bstr() };
        &STRING
    }};
}
