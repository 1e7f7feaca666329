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
        times => format!("{}, {times} times", kind.summary()),
    };
    let title = Level::ERROR.primary_title(title).id(kind.name());
    let mut group = Group::with_title(title);
    let marks = marks(violation);
    for file in files(&marks) {
        let marks = marks.iter().filter(|mark| mark.place.file == file);
        match source(file) {
            Some(source) => group = group.element(snippet(source, file, marks)),
            None => {
                for mark in marks {
                    let note = format!("{} at {}", mark.label, mark.place);
                    group = group.element(Level::NOTE.no_name().message(note));
                }
            }
        }
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
    place: Place,
    label: String,
    /// Whether this is the line that broke the rule.
    is_culprit: bool,
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
            place: Place::of(event),
            label,
            is_culprit,
        }
    });
    marks.collect()
}

/// What to say of a line.
fn label(kind: Kind, event: &Event, is_culprit: bool) -> String {
    let call = event.call().unwrap_or_default();
    let again = matches!(kind, Kind::DoubleFree | Kind::InputKept) && is_culprit;
    let what = match event.action() {
        Action::Lent => return format!("lent to `{call}` here"),
        Action::HandedOver if call.is_empty() => return "to be stored here".to_string(),
        Action::HandedOver => return format!("handed over by `{call}` here"),
        Action::Called => return format!("`{call}` was called here"),
        Action::Allocated if kind == Kind::AllocationFailure => {
            "this allocation failed".to_string()
        }
        Action::Freed if again => "freed again here".to_string(),
        action if is_destructor(event) => format!("{action} here, when a BSTR went out of scope"),
        action => format!("{action} here"),
    };
    match event.call() {
        Some(call) => format!("{what}, in `{call}`"),
        None => what,
    }
}

/// The files of some marks, each once, in the order of the marks.
fn files(marks: &[Mark]) -> Vec<&str> {
    let mut files = Vec::new();
    for mark in marks {
        let file = mark.place.file.as_str();
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
        .map(|mark| {
            let kind = if mark.is_culprit {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let span = expression(&source, &mark.place);
            kind.span(span).label(&mark.label)
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
    let address = violation.address();
    let subject = match (violation.text(), violation.byte_len()) {
        (Some(text), Some(bytes)) => {
            format!(
                "the string is {text}, {} at {address:#x}",
                plural(bytes.into(), "byte")
            )
        }
        (_, Some(bytes)) => {
            format!(
                "the string had {} at {address:#x}",
                plural(bytes.into(), "byte")
            )
        }
        _ if address == 0 => String::new(),
        _ => format!("the pointer is {address:#x}"),
    };
    let mut notes = Vec::from([subject]);
    notes.retain(|note| !note.is_empty());
    notes.extend_from_slice(violation.notes());
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
    const NOT_THEIRS: [&str; 13] = [
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
    ];
    let mut callers: Vec<String> = Vec::new();
    let mut is_theirs = false;
    for line in backtrace.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            if let (true, Some(caller)) = (is_theirs, callers.last_mut()) {
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
    callers.retain(|caller| caller != "main");
    callers
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
