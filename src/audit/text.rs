//! What a string says, for a reader: its first characters, escaped.

use alloc::string::String;
use core::char::decode_utf16;
use core::fmt::Write;

/// The bytes of a string that a report can show.
const SHOWN: usize = 32;

/// How a string begins: enough for a report, and small enough to be kept of every string.
#[derive(Clone, Copy, Default)]
pub(super) struct Beginning([u8; SHOWN]);

impl Beginning {
    /// The beginning of `data`.
    pub(super) fn of(data: &[u8]) -> Self {
        let mut beginning = Self::default();
        beginning.set(data);
        beginning
    }

    /// Makes this the beginning of `data`.
    #[inline]
    pub(super) fn set(&mut self, data: &[u8]) {
        // In two halves: what was written in halves can be read so without a wait.
        let (start, end) = self.0.split_at_mut(SHOWN / 2);
        match data.as_chunks::<{ SHOWN / 2 }>().0 {
            [first, second, ..] => {
                start.copy_from_slice(first);
                end.copy_from_slice(second);
            }
            _ => self.0[..data.len()].copy_from_slice(data),
        }
    }

    /// The text of a string of `byte_len` bytes that begins like this: quoted and escaped, with
    /// an ellipsis where it goes on.
    pub(super) fn text(&self, byte_len: u32) -> String {
        let bytes = &self.0[..SHOWN.min(byte_len as usize)];
        let units = bytes
            .chunks_exact(2)
            .map(|unit| u16::from_ne_bytes([unit[0], unit[1]]));
        let mut text = String::from("\"");
        for decoded in decode_utf16(units) {
            match decoded {
                // Writing to a string cannot fail.
                Ok(character) => drop(write!(text, "{}", character.escape_debug())),
                Err(lone) => drop(write!(text, "\\u{{{:x}}}", lone.unpaired_surrogate())),
            }
        }
        if byte_len as usize > bytes.len() {
            // A pair of surrogates may have been cut in two.
            text.push('…');
        }
        text.push('"');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn text_of(text: &str) -> String {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_ne_bytes).collect();
        Beginning::of(&bytes).text(u32::try_from(bytes.len()).unwrap())
    }

    #[test]
    fn short_text_is_shown_whole_and_long_text_is_cut() {
        assert_eq!(text_of(""), r#""""#);
        assert_eq!(text_of("ready"), r#""ready""#);
        assert_eq!(
            text_of(&"a".repeat(16)),
            alloc::format!("{:?}", "a".repeat(16))
        );
        assert_eq!(
            text_of(&"a".repeat(17)),
            alloc::format!("\"{}…\"", "a".repeat(16))
        );
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        assert_eq!(text_of("a\0\x1b[\"\n"), r#""a\0\u{1b}[\"\n""#);
    }

    #[test]
    fn a_lone_surrogate_is_shown_by_number() {
        let bytes = 0xD800_u16.to_ne_bytes();
        assert_eq!(Beginning::of(&bytes).text(2), r#""\u{d800}""#);
    }
}
