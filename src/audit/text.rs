//! What a string says, for a reader: its first characters, escaped.

use alloc::string::String;
use core::char::decode_utf16;
use core::fmt::Write;

/// The bytes of a string that a report can show.
const SHOWN: usize = 32;

/// How a string begins: enough for a report, and small enough to be kept of every string.
#[derive(Clone, Copy)]
pub(super) struct Beginning {
    bytes: [u8; SHOWN],
    len: u8,
}

impl Default for Beginning {
    fn default() -> Self {
        Self {
            bytes: [0; SHOWN],
            len: 0,
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // What is shown is short.
impl Beginning {
    /// The beginning of `data`.
    #[inline]
    pub(super) fn of(data: &[u8]) -> Self {
        if let Some((&bytes, _)) = data.split_first_chunk() {
            let len = SHOWN as u8;
            return Self { bytes, len };
        }
        let mut beginning = Self::default();
        beginning.bytes[..data.len()].copy_from_slice(data);
        beginning.len = data.len() as u8;
        beginning
    }

    /// The text of a string of `byte_len` bytes that begins like this: quoted and escaped, with
    /// an ellipsis where it goes on.
    pub(super) fn text(&self, byte_len: u32) -> String {
        let bytes = &self.bytes[..usize::from(self.len)];
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
