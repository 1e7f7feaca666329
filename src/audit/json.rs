//! Reports for machines: JSON, one object a line.

use super::render::Place;
use super::report::Report;
use super::violation::{Event, Violation};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

/// A line for each violation, and one for the statistics.
pub(super) fn lines(report: &Report) -> String {
    let mut lines: String = report.violations().iter().map(violation).collect();
    let stats = report.stats();
    lines += &format!(
        "{{\"violations\":{},\"allocated\":{},\"freed\":{}}}\n",
        report.violations().len(),
        stats.allocated(),
        stats.freed()
    );
    lines
}

fn violation(violation: &Violation) -> String {
    let kind = violation.kind();
    let address = format!("{:#x}", violation.address());
    let notes = violation.notes().iter().map(|note| quoted(note));
    let history = violation.history().iter().map(event);
    format!(
        "{{\"kind\":{},\"summary\":{},\"address\":{},\"byte_len\":{},\"text\":{},\"count\":{},\
         \"notes\":{},\"history\":{},\"help\":{},\"link\":{}}}\n",
        quoted(kind.name()),
        quoted(kind.summary()),
        quoted(&address),
        or_null(violation.byte_len().map(|bytes| bytes.to_string())),
        or_null(violation.text().map(quoted)),
        violation.count(),
        list(notes),
        list(history),
        quoted(kind.help()),
        quoted(&kind.link()),
    )
}

fn event(event: &Event) -> String {
    let place = Place::of(event);
    format!(
        "{{\"action\":{},\"file\":{},\"line\":{},\"column\":{},\"thread\":{},\"call\":{}}}",
        quoted(&event.action().to_string()),
        quoted(&place.file),
        place.line,
        place.column,
        quoted(&event.thread()),
        or_null(event.call().map(quoted)),
    )
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn or_null(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".to_string())
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // Writing to a string cannot fail.
            ..' ' => drop(write!(quoted, "\\u{:04x}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_json_wants_it() {
        assert_eq!(quoted("plain ✓"), "\"plain ✓\"");
        assert_eq!(quoted("a\"b\\c\n\0"), r#""a\"b\\c\u000a\u0000""#);
    }
}
