//! Reports for people: what happened, the lines of code, and what to do.

use super::kind::Kind;
use super::report::Report;
use super::violation::{Action, Event, Violation};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use core::fmt;
use core::ops::Range;
use std::fs;

#[cfg(test)]
mod tests;

/// A whole report: its violations, then a line that counts them.
pub(super) fn report(report: &Report, colour: bool) -> String {
    let rendered = report.violations().iter();
    let mut text: String = rendered
        .map(|known| format!("{}\n\n", violation(known, colour)))
        .collect();
    let stats = report.stats();
    let broken: usize = report.violations().iter().map(Violation::count).sum();
    text += &format!(
        "{}: {} allocated, {} freed",
        match broken {
            0 => "no rule broken".to_string(),
            1 => "1 rule broken".to_string(),
            _ => format!("{broken} rules broken"),
        },
        plural(stats.allocated(), "string"),
        stats.freed(),
    );
    text
}

/// One violation, without a line break at its end.
pub(super) fn violation(violation: &Violation, colour: bool) -> String {
    let kind = violation.kind();
    let title = match violation.count() {
        1 => kind.summary().to_string(),
        times => format!("{} ({times} times)", kind.summary()),
    };
    let title = Level::ERROR.primary_title(title).id(kind.name());
    let mut group = Group::with_title(title);
    let marks = marks(violation);
    for file in files(&marks) {
        let marks = marks.iter().filter(|mark| mark.file() == Some(file));
        match source(file) {
            Some(source) => group = group.element(snippet(source, file, marks)),
            None => {
                for Mark { label, place, .. } in marks {
                    let place = place.iter().map(|place| format!(" at {place}"));
                    let note = format!("{label}{}", place.collect::<String>());
                    group = group.element(Level::NOTE.no_name().message(note));
                }
            }
        }
    }
    for mark in marks.iter().filter(|mark| mark.place.is_none()) {
        group = group.element(Level::NOTE.no_name().message(&mark.label));
    }
    for note in notes(violation) {
        group = group.element(Level::NOTE.message(note));
    }
    group = group.element(Level::HELP.message(wrapped(kind.help())));
    group = group.element(Level::HELP.message(format!("see {}", kind.link())));
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.render(&[group])
}

/// A line of code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Place {
    /// The line that did what an event says. Destructors and exports are not told who calls them, but
    /// a backtrace knows.
    pub(super) fn of(event: &Event) -> Self {
        let location = event.location();
        let caller = || {
            let callers = callers(&event.backtrace()?.to_string());
            let (_, place) = callers.first()?.rsplit_once(" at ")?;
            Self::parse(place)
        };
        let told = Self {
            file: location.file().to_string(),
            line: location.line() as usize,
            column: location.column() as usize,
        };
        if is_destructor(event) || is_export(event) {
            caller().unwrap_or(told)
        } else {
            told
        }
    }

    /// As [`of`](Self::of), but `None` for a line of the standard library.
    fn of_theirs(event: &Event) -> Option<Self> {
        let place = Self::of(event);
        let is_theirs = !is_destructor(event) || place.file != event.location().file();
        is_theirs.then_some(place)
    }

    /// Reads `file:line:column`.
    fn parse(text: &str) -> Option<Self> {
        let (rest, column) = text.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        Some(Self {
            file: file.strip_prefix("./").unwrap_or(file).to_string(),
            line: line.parse().ok()?,
            column: column.parse().ok()?,
        })
    }
}

/// Whether what an event says was done by the code that the compiler makes for values that go out of
/// scope.
fn is_destructor(event: &Event) -> bool {
    let file = event.location().file();
    file.ends_with("core/src/ptr/mod.rs") || file.ends_with("core\\src\\ptr\\mod.rs")
}

/// Whether what an event says was done by one of the functions exported for C.
fn is_export(event: &Event) -> bool {
    let file = event.location().file();
    file.ends_with("src/capi/mod.rs") || file.ends_with("src\\capi\\mod.rs")
}

/// A line of code to be shown, and what to say of it.
struct Mark {
    /// `None` where it is not known.
    place: Option<Place>,
    label: String,
    /// Whether this is the line that broke the rule.
    is_culprit: bool,
}

impl Mark {
    fn file(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.file.as_str())
    }
}

/// The lines of a violation's history, in order.
fn marks(violation: &Violation) -> Vec<Mark> {
    let history = violation.history();
    let mut pairs = history.windows(2);
    let on_one_thread = pairs.all(|pair| pair[0].thread() == pair[1].thread());
    let last = history.len().wrapping_sub(1);
    let marks = history.iter().enumerate().map(|(position, event)| {
        let is_culprit = position == last;
        let mut label = label(violation.kind(), event, is_culprit);
        if history.len() > 1 {
            label = format!("{}. {label}", position + 1);
        }
        if !on_one_thread {
            label += &format!(", on thread `{}`", event.thread());
        }
        Mark {
            place: Place::of_theirs(event),
            label,
            is_culprit,
        }
    });
    marks.collect()
}

/// What to say of a line.
fn label(kind: Kind, event: &Event, is_culprit: bool) -> String {
    let call = event.call().unwrap_or_default();
    let culprit_of = is_culprit.then_some(kind);
    let what = match (event.action(), culprit_of) {
        (Action::Lent, _) => return format!("lent to `{call}` here"),
        (Action::HandedOver, Some(Kind::LiveResult)) => "overwritten here".to_string(),
        (Action::HandedOver, Some(Kind::OutputAfterFailure)) => {
            return format!("left here by `{call}`, which failed");
        }
        (Action::HandedOver, Some(Kind::OutputTwice)) => {
            return format!("handed over again by `{call}` here");
        }
        (Action::HandedOver, _) => return format!("handed over by `{call}` here"),
        (Action::Called, Some(Kind::OutputNotSet)) => {
            return format!("`{call}` was called here, and did not set it");
        }
        (Action::Called, Some(Kind::OutputOverwritten)) => {
            return format!("overwritten by `{call}` here");
        }
        (Action::Called, Some(Kind::InOutNotFreed)) => return format!("replaced by `{call}` here"),
        (Action::Called, _) => return format!("`{call}` was called here"),
        (Action::Allocated, Some(Kind::AllocationFailure)) => "this allocation failed".to_string(),
        (Action::Freed, Some(Kind::DoubleFree | Kind::InputKept)) => by_line("freed again", event),
        (action, Some(Kind::Overrun | Kind::Underrun)) if action != Action::Allocated => {
            format!("{}, which is when it was noticed", by_line(action, event))
        }
        (action, _) => by_line(action, event),
    };
    match event.call() {
        Some(call) => format!("{what}, in `{call}`"),
        None => what,
    }
}

/// What was done in a line, or by the compiler.
fn by_line(what: impl fmt::Display, event: &Event) -> String {
    if !is_destructor(event) {
        format!("{what} here")
    } else if Place::of_theirs(event).is_some() {
        format!("{what} here, when a BSTR went out of scope")
    } else {
        format!("{what} when a BSTR went out of scope (RUST_BACKTRACE=1 shows where)")
    }
}

/// The files of some marks, each once, in the order of the marks.
fn files(marks: &[Mark]) -> Vec<&str> {
    let mut files = Vec::new();
    for file in marks.iter().filter_map(Mark::file) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// A file's text, where it is still to be found from here: paths are relative to the root of the
/// workspace that was compiled, tests run in the root of their package.
fn source(file: &str) -> Option<String> {
    let here = std::env::current_dir().ok()?;
    let mut roots = here.ancestors();
    roots.find_map(|root| fs::read_to_string(root.join(file)).ok())
}

/// A file's text with some of its lines marked.
fn snippet<'a>(
    source: String,
    file: &'a str,
    marks: impl Iterator<Item = &'a Mark>,
) -> Snippet<'a, Annotation<'a>> {
    let annotations: Vec<_> = marks
        .filter_map(|mark| {
            let kind = if mark.is_culprit {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let span = expression(&source, mark.place.as_ref()?);
            Some(kind.span(span).label(&mark.label))
        })
        .collect();
    Snippet::source(source).path(file).annotations(annotations)
}

/// The bytes of the expression that begins at a location: a name and what stands in brackets
/// behind it, or as much of it as there is on the line. The file may have changed since it was
/// compiled, so nothing is taken for granted.
fn expression(source: &str, place: &Place) -> Range<usize> {
    let line_number = place.line.saturating_sub(1);
    let mut lines = source.split_inclusive('\n');
    let line_start: usize = lines.by_ref().take(line_number).map(str::len).sum();
    let line = lines.next().unwrap_or("").trim_end();
    let column = place.column.saturating_sub(1);
    let start = line.char_indices().nth(column).map_or(0, |(at, _)| at);
    let mut depth = 0_i32;
    let end = line[start..].char_indices().find_map(|(at, character)| {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        let is_name = character.is_alphanumeric() || "_:!<>&.".contains(character);
        match (character, depth) {
            (')', 0) => Some(at + 1),
            (_, ..0) => Some(at),
            (_, 0) if !is_name => Some(at),
            _ => None,
        }
    });
    let end = end
        .filter(|end| *end > 0)
        .map_or(line.len(), |end| start + end);
    line_start + start..line_start + end
}

/// What else there is to say.
fn notes(violation: &Violation) -> Vec<String> {
    let kind = violation.kind();
    let address = violation.address();
    let string = if violation.count() > 1 {
        "the first of these strings"
    } else {
        "the string"
    };
    let subject = match (violation.text(), violation.byte_len()) {
        // Its text would be what the audit has filled it with.
        (Some(_), Some(bytes)) if kind == Kind::Uninitialized => {
            let bytes = plural(bytes.into(), "byte");
            format!("{string} has {bytes} at {address:#x}, all of them the audit's 0xDC still")
        }
        (Some(text), Some(bytes)) => {
            let bytes = plural(bytes.into(), "byte");
            format!("{string} is {text}, {bytes} at {address:#x}")
        }
        (_, Some(bytes)) => {
            let bytes = plural(bytes.into(), "byte");
            format!("{string} had {bytes} at {address:#x}")
        }
        _ if address == 0 => String::new(),
        _ if kind == Kind::OutputNotSet => format!("the [out] parameter is at {address:#x}"),
        _ => format!("the pointer is {address:#x}"),
    };
    let mut notes = Vec::from([subject]);
    notes.retain(|note| !note.is_empty());
    notes.extend_from_slice(violation.notes());
    if kind == Kind::WrongDeallocator {
        notes
            .push("its memory was allocated again, and SysFreeString had not freed it".to_string());
    }
    let events = violation.history().iter();
    notes.extend(events.filter_map(|event| {
        let callers = callers(&event.backtrace()?.to_string());
        Some(format!("{} in\n{}", event.action(), callers.join("\n")))
    }));
    notes
}

/// The functions in a backtrace that a reader would call theirs: not those of this crate, of
/// `std` and of the C library, which are the same in all of them.
///
/// A backtrace's text has a line `number: function`, and for most functions a line `at file` next.
fn callers(backtrace: &str) -> Vec<String> {
    /// With the exports, as C code sees their names.
    const NOT_THEIRS: [&str; 14] = [
        "portable_Sys",
        "portable_Var",
        "Sys",
        "VarBstr",
        "BstrFromVector",
        "portable_bstr::",
        "std::",
        "core::",
        "alloc::",
        "test::",
        "__",
        "_start",
        "start_thread",
        "clone3",
    ];
    let mut callers: Vec<String> = Vec::new();
    let mut is_theirs = false;
    for line in backtrace.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            if !is_theirs {
                continue;
            }
            if is_in_std(place) {
                // In a type of theirs.
                callers.pop();
            } else if let Some(caller) = callers.last_mut() {
                *caller += &format!(" at {place}");
            }
        } else if let Some((_, function)) = line.split_once(": ") {
            let path = function.trim_start_matches(['<', '&', '(']);
            let path = path.trim_start_matches("dyn ");
            is_theirs = !NOT_THEIRS.iter().any(|known| path.starts_with(known));
            if is_theirs {
                callers.push(function.to_string());
            }
        }
    }
    // That of a program in C has a line. That of a program in Rust calls the one that has.
    // Some C libraries have a name, or none, for where a thread begins.
    callers.retain(|caller| !["main", "clone", "<unknown>"].contains(&caller.as_str()));
    callers
}

/// Whether a place is in the standard library: as the compiler was built, or where its source is
/// installed.
fn is_in_std(place: &str) -> bool {
    place.starts_with("/rustc/") || place.contains("/rustlib/src/rust/library/")
}

/// Text in lines of at most 88 characters.
fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    let mut line_len = 0;
    for word in text.split(' ') {
        let len = word.chars().count();
        if line_len > 0 && line_len + 1 + len > 88 {
            wrapped.push('\n');
            line_len = 0;
        } else if line_len > 0 {
            wrapped.push(' ');
            line_len += 1;
        }
        wrapped += word;
        line_len += len;
    }
    wrapped
}

/// A number of things.
fn plural(count: u64, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{ending}")
}
