//! What a report of each kind says, word for word: `reports/<kind>.txt`, for the mistakes that
//! `reports/planted.rs` makes. Addresses are masked.
//!
//! `BLESS=1 cargo test --test audit_reports` writes the files anew.

#![allow(clippy::multiple_unsafe_ops_per_block)] // Misuse reads best in one piece.

mod common;
#[path = "reports/planted.rs"]
mod planted;

use common::wrong_free;
use planted::Left;
use portable_bstr::audit::{self, Kind, Report, Session};
use portable_bstr::sys::*;
use std::collections::BTreeMap;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, thread};

/// Set in a process that a test has started to run itself in, with an environment of its own.
const IN_CHILD: &str = "BSTR_TEST_CHILD";

/// The test of that name in a process of its own, without backtraces and what else the environment may
/// ask of a report.
fn child(test: &str) -> Command {
    let mut child = common::this_program();
    child.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    child.env(IN_CHILD, "1").env("RUST_BACKTRACE", "0");
    for name in ["RUST_LIB_BACKTRACE", "BSTR_AUDIT", "NO_COLOR"] {
        child.env_remove(name);
    }
    child
}

fn is_child() -> bool {
    env::var_os(IN_CHILD).is_some()
}

/// What a process wrote to stderr. It has to succeed.
#[track_caller]
fn stderr_of(child: &mut Command) -> String {
    let output = child.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success(),
        "{}\n{text}",
        String::from_utf8_lossy(&output.stdout)
    );
    text
}

/// Runs code that breaks a rule, and frees what is left.
fn report_of(code: impl FnOnce() -> Left) -> Report {
    let (left, report) = audit::run(code);
    for string in left {
        // SAFETY: it was left to be freed, and the session is over.
        unsafe { SysFreeString(string) };
    }
    report
}

/// Text with every address masked, and paths as they are written on Unix. No other hexadecimal number
/// is as long.
fn masked(text: &str) -> String {
    let text = text.replace("tests\\reports", "tests/reports");
    let text = text.replace("reports\\planted", "reports/planted");
    let mut parts = text.split("0x");
    let mut masked = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let behind = part.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
        let is_address = part.len() - behind.len() > 4;
        masked += "0x";
        masked += if is_address { "…" } else { "" };
        masked += if is_address { behind } else { part };
    }
    masked
}

fn file_of(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/reports").join(format!("{name}.txt"))
}

/// The lines of two texts, those marked that only one has: by the longest that both have in common.
fn diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    // How many lines the ends of both have in common, from each pair of lines on.
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for (i, left) in old.iter().enumerate().rev() {
        for (j, right) in new.iter().enumerate().rev() {
            common[i][j] = if left == right {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut text = String::new();
    while i < old.len() || j < new.len() {
        let is_old = j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]);
        let (mark, line) = if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
            (' ', old[i - 1])
        } else if is_old {
            i += 1;
            ('-', old[i - 1])
        } else {
            j += 1;
            ('+', new[j - 1])
        };
        text += &format!("{mark}{line}\n");
    }
    text
}

#[test]
fn a_diff_shows_what_changed() {
    assert_eq!(diff("a\nb\nc", "a\nx\nc\nd"), " a\n-b\n+x\n c\n+d\n");
    assert_eq!(diff("a", "a"), " a\n");
    assert_eq!(diff("", "a"), "+a\n");
    assert_eq!(diff("a", ""), "-a\n");
}

#[test]
fn addresses_are_masked() {
    assert_eq!(masked("at 0x7f00ab, not 0x7g"), "at 0x…, not 0x7g");
    assert_eq!(masked("dd dd 10 bytes"), "dd dd 10 bytes");
}

/// Compares a report with what it was, or notes it where it is to be written anew. Returns what is
/// different.
#[must_use]
fn compared(name: &str, report: &str) -> Option<String> {
    let file = file_of(name);
    let new = masked(report) + "\n";
    if env::var_os("BLESS").is_some() {
        fs::write(&file, new).unwrap();
        return None;
    }
    let old = fs::read_to_string(&file)
        .unwrap_or_default()
        .replace("\r\n", "\n");
    let explained = || format!("{}\n{}", file.display(), diff(&old, &new));
    (old != new).then(explained)
}

/// Code that breaks a rule, and returns what is left to free.
type Code = fn() -> Left;

/// Each kind's planted mistake. Those of `AllocationFailure` and `WrongDeallocator` go their own ways.
const PLANTED: &[(Kind, Code)] = &[
    (Kind::Leak, planted::leak),
    (Kind::DoubleFree, planted::double_free),
    (Kind::UseAfterFree, planted::use_after_free),
    (Kind::NotABstr, planted::not_a_bstr),
    (Kind::MovedPointer, planted::moved_pointer),
    (Kind::Overrun, planted::overrun),
    (Kind::Underrun, planted::underrun),
    (Kind::InputFreed, planted::input_freed),
    (Kind::InputChanged, planted::input_changed),
    (Kind::InputKept, planted::input_kept),
    (Kind::OutputStillOwned, planted::output_still_owned),
    (Kind::OutputForeign, planted::output_foreign),
    (Kind::OutputOverwritten, planted::output_overwritten),
    (Kind::InOutNotFreed, planted::inout_not_freed),
    (Kind::InOutNotReplaced, planted::inout_not_replaced),
    (Kind::OutputAfterFailure, planted::output_after_failure),
    (Kind::OutputNotSet, planted::output_not_set),
    (Kind::OutputTwice, planted::output_twice),
    (Kind::AliasedSource, planted::aliased_source),
    (Kind::NullSlot, planted::null_slot),
    (Kind::SourceTooShort, planted::source_too_short),
    (Kind::EmbeddedNul, planted::embedded_nul),
    (Kind::UnbalancedPin, planted::unbalanced_pin),
    (Kind::LiveResult, planted::live_result),
    (Kind::Uninitialized, planted::uninitialized),
];

/// Other reports, by the names of their files.
const OTHERS: &[(&str, Code)] = &[
    ("clean", Vec::new),
    ("dropped-twice", planted::dropped_twice),
    ("again-and-again", planted::again_and_again),
    ("on-two-threads", planted::on_two_threads),
    ("strange-text", planted::strange_text),
];

/// The report of a sweep over code that takes an allocation for granted.
fn allocation_failure() -> String {
    // Nothing is to be said of a panic that is expected.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let sweep = audit::sweep(planted::allocation_failure);
    set_hook(hook);
    sweep.to_string()
}

/// The report of a string that was released by `free`, where it can be seen.
fn wrong_deallocator() -> Option<String> {
    if !wrong_free::can_be_seen() {
        return None;
    }
    let session = Session::builder().start();
    let string = planted::wrong_deallocator();
    // SAFETY: the string is live, has 450 units, and is not used again.
    let Some(again) = (unsafe { wrong_free::free_until_it_comes_back(string, 900) }) else {
        // At its end the session would look at memory that is gone.
        session.detach();
        return None;
    };
    // SAFETY: the new string is nobody else's.
    unsafe { SysFreeString(again) };
    Some(session.finish().to_string())
}

#[test]
fn the_reports_of_all_kinds() {
    if !is_child() {
        let mut child = child("the_reports_of_all_kinds");
        stderr_of(&mut child);
        return;
    }
    let on_a_named_thread = thread::Builder::new().name("test".into()).spawn(|| {
        let mut differences = Vec::new();
        for (kind, code) in PLANTED {
            let report = report_of(code);
            assert_eq!(report.violations()[0].kind(), *kind, "{report}");
            differences.extend(compared(kind.name(), &report.to_string()));
        }
        for (name, code) in OTHERS {
            differences.extend(compared(name, &report_of(code).to_string()));
        }
        differences.extend(compared(
            Kind::AllocationFailure.name(),
            &allocation_failure(),
        ));
        match wrong_deallocator() {
            // How many strings it took to see it is the heap's affair.
            Some(report) => {
                let (report, _) = report.rsplit_once('\n').unwrap();
                differences.extend(compared(Kind::WrongDeallocator.name(), report.trim_end()));
            }
            None => println!("skipped, for it cannot be seen here: wrong-deallocator"),
        }
        differences
    });
    let differences = on_a_named_thread.unwrap().join().unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// There is a file for each kind, and none that nothing is compared with.
#[test]
fn there_is_a_report_of_each_kind() {
    let kinds = PLANTED.iter().map(|(kind, _)| kind.name());
    let names = kinds.chain(OTHERS.iter().map(|(name, _)| *name));
    let mut names: Vec<_> = names.map(file_of).collect();
    names
        .extend([Kind::AllocationFailure, Kind::WrongDeallocator].map(|kind| file_of(kind.name())));
    names.push(file_of("no-source"));
    names.sort();
    let files = fs::read_dir(file_of("any").parent().unwrap()).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|it| it == "txt"))
        .collect();
    files.sort();
    // While they are written anew, one of them may still be missing.
    assert!(
        env::var_os("BLESS").is_some() || files == names,
        "{files:?}\n{names:?}"
    );
    // Each variant of the enumeration is one of them.
    let source = include_str!("../src/audit/kind.rs");
    let (_, source) = source.split_once("pub enum Kind {").unwrap();
    let (source, _) = source.split_once("\n}").unwrap();
    let variants = source.lines().filter(|line| line.ends_with(','));
    let variants = variants.filter(|line| !line.trim_start().starts_with("//"));
    assert_eq!(variants.count(), PLANTED.len() + 2);
}

#[test]
fn without_the_source_there_are_plain_locations() {
    if is_child() {
        let report = report_of(planted::double_free).to_string();
        if let Some(difference) = compared("no-source", &report) {
            panic!("{difference}");
        }
        return;
    }
    // Where no file is found by a path relative to a package.
    let elsewhere = env::temp_dir();
    stderr_of(child("without_the_source_there_are_plain_locations").current_dir(elsewhere));
}

/// Needs debug information, without which there are no lines.
#[test]
#[cfg(debug_assertions)]
fn a_backtrace_shows_which_line_ended_a_scope() {
    if is_child() {
        eprintln!("{}", report_of(planted::dropped_twice));
        return;
    }
    let mut child = child("a_backtrace_shows_which_line_ended_a_scope");
    let text = stderr_of(child.env("RUST_BACKTRACE", "1"));
    let expected = "2. freed here, when a BSTR went out of scope";
    assert!(text.contains(expected), "{text}");
    let first = text.lines().nth(1).unwrap();
    assert!(
        first
            .trim_start()
            .starts_with("--> tests/reports/planted.rs:"),
        "{text}"
    );
    assert!(text.contains("planted::dropped_twice"), "{text}");
    // The functions' names, since a folder may be called anything.
    for not_theirs in ["clone", "_start", "portable_bstr::"] {
        let mut lines = text.lines().map(str::trim);
        let found = lines.any(|line| line.starts_with(not_theirs));
        assert!(!found, "{not_theirs} in\n{text}");
    }
    assert!(!text.contains("/rustc/"), "{text}");
}

const RED: &str = "\x1b[";

#[test]
fn what_is_no_terminal_has_no_colours() {
    if is_child() {
        eprint!("{}", report_of(planted::double_free).for_stderr());
        return;
    }
    let text = stderr_of(&mut child("what_is_no_terminal_has_no_colours"));
    assert!(
        text.starts_with("error[double-free]: a string was freed twice\n"),
        "{text}"
    );
    assert!(!text.contains(RED), "{text}");
}

/// A terminal: what is written to its end comes out of it.
#[cfg(unix)]
mod terminal {
    use std::ffi::{CStr, OsStr, c_char, c_int};
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::FromRawFd;
    use std::os::unix::ffi::OsStrExt;

    unsafe extern "C" {
        fn posix_openpt(flags: c_int) -> c_int;
        fn grantpt(fd: c_int) -> c_int;
        fn unlockpt(fd: c_int) -> c_int;
        fn ptsname(fd: c_int) -> *const c_char;
    }

    /// Both ends: what is read from, and what is written to.
    pub(super) fn open() -> Option<(File, File)> {
        const READ_AND_WRITE: c_int = 2;
        // SAFETY: plain calls; the descriptor is new and nobody else's.
        let reader = unsafe {
            let fd = posix_openpt(READ_AND_WRITE);
            if fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0 {
                return None;
            }
            let name = ptsname(fd);
            let path = OsStr::from_bytes(CStr::from_ptr(name).to_bytes()).to_owned();
            (File::from_raw_fd(fd), path)
        };
        let (reader, path) = reader;
        let writer = File::options().read(true).write(true).open(path).ok()?;
        Some((reader, writer))
    }

    /// Everything that is written until nobody has the other end.
    pub(super) fn read(mut reader: File) -> String {
        let mut bytes = Vec::new();
        // It ends with an error, as nobody can write to it any more.
        let _ = reader.read_to_end(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }
}

#[cfg(unix)]
#[test]
fn a_terminal_has_colours_unless_they_are_not_wanted() {
    let on_a_terminal = |no_colour: Option<&str>| {
        let (reader, writer) = terminal::open()?;
        // Which writes a report to stderr and is done.
        let mut child = child("what_is_no_terminal_has_no_colours");
        child.envs(no_colour.map(|value| ("NO_COLOR", value)));
        let mut process = child
            .stdout(std::process::Stdio::null())
            .stderr(writer)
            .spawn()
            .unwrap();
        drop(child); // and with it the writing end
        let text = terminal::read(reader);
        assert!(process.wait().unwrap().success());
        assert!(text.contains("a string was freed twice"), "{text}");
        Some(text)
    };
    let Some(text) = on_a_terminal(None) else {
        println!("skipped: there are no terminals here");
        return;
    };
    assert!(text.contains(RED), "{text}");
    assert!(
        on_a_terminal(Some("")).unwrap().contains(RED),
        "empty is not set"
    );
    assert!(!on_a_terminal(Some("1")).unwrap().contains(RED));
}

#[test]
fn json_is_written_where_the_environment_asks_for_it() {
    if is_child() {
        eprint!("{}", report_of(planted::double_free).for_stderr());
        return;
    }
    let mut child = child("json_is_written_where_the_environment_asks_for_it");
    let text = stderr_of(child.env("BSTR_AUDIT", "json"));
    let lines: Vec<_> = text.lines().map(Json::parse).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0].at("kind"), &Json::Text("double-free".into()));
}

/// A value of JSON. Its numbers are whole and not negative here.
#[derive(Debug, PartialEq)]
enum Json {
    Null,
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads all of `text`.
    #[track_caller]
    fn parse(text: &str) -> Self {
        let mut rest = text;
        let value = Self::read(&mut rest);
        assert_eq!(rest, "", "behind the value in {text}");
        value
    }

    fn read(rest: &mut &str) -> Self {
        match rest.chars().next() {
            Some('n') => {
                eat(rest, "null");
                Self::Null
            }
            Some('"') => Self::Text(read_text(rest)),
            Some('[') => {
                let mut items = Vec::new();
                read_items(rest, ['[', ']'], |rest| items.push(Self::read(rest)));
                Self::List(items)
            }
            Some('{') => {
                let mut items = BTreeMap::new();
                read_items(rest, ['{', '}'], |rest| {
                    let name = read_text(rest);
                    eat(rest, ":");
                    let known = items.insert(name, Self::read(rest));
                    assert_eq!(known, None, "a name twice");
                });
                Self::Object(items)
            }
            _ => {
                let len = rest.find(|digit: char| !digit.is_ascii_digit());
                let (digits, behind) = rest.split_at(len.unwrap_or(rest.len()));
                assert!(digits == "0" || !digits.starts_with('0'), "{rest}");
                *rest = behind;
                Self::Number(digits.parse().unwrap())
            }
        }
    }

    /// The value of that name.
    #[track_caller]
    fn at(&self, name: &str) -> &Self {
        match self {
            Self::Object(items) => &items[name],
            _ => panic!("no object: {self:?}"),
        }
    }

    fn text(text: &str) -> Self {
        Self::Text(text.to_string())
    }

    fn or_null<T>(value: Option<T>, json: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Null, json)
    }
}

#[track_caller]
fn eat(rest: &mut &str, expected: &str) {
    *rest = rest
        .strip_prefix(expected)
        .unwrap_or_else(|| panic!("no {expected} at {rest}"));
}

fn read_items(rest: &mut &str, [open, close]: [char; 2], mut read: impl FnMut(&mut &str)) {
    eat(rest, open.encode_utf8(&mut [0; 4]));
    if !rest.starts_with(close) {
        read(rest);
        while rest.starts_with(',') {
            eat(rest, ",");
            read(rest);
        }
    }
    eat(rest, close.encode_utf8(&mut [0; 4]));
}

fn read_text(rest: &mut &str) -> String {
    eat(rest, "\"");
    let mut text = String::new();
    loop {
        let next = rest.chars().next().expect("a quotation mark");
        *rest = &rest[next.len_utf8()..];
        match next {
            '"' => return text,
            '\\' if rest.starts_with('u') => {
                let unit = u32::from_str_radix(&rest[1..5], 16).unwrap();
                text.push(char::from_u32(unit).expect("no surrogate"));
                *rest = &rest[5..];
            }
            '\\' => {
                assert!(rest.starts_with(['"', '\\', '/']), "{rest}");
                text.push_str(&rest[..1]);
                *rest = &rest[1..];
            }
            _ => {
                assert!(next >= ' ', "a control character");
                text.push(next);
            }
        }
    }
}

#[test]
fn the_reader_of_json_reads_json_and_nothing_else() {
    assert_eq!(Json::parse("null"), Json::Null);
    assert_eq!(Json::parse(r#""a\"\\\u0041✓""#), Json::text("a\"\\A✓"));
    assert_eq!(Json::parse("[]"), Json::List(vec![]));
    assert_eq!(
        Json::parse("[1,[null]]").at_index(1),
        &Json::List(vec![Json::Null])
    );
    assert_eq!(Json::parse(r#"{"a":{},"b":10}"#).at("b"), &Json::Number(10));
    for wrong in [
        "",
        "nul",
        "[1,]",
        "[1",
        "{\"a\"}",
        "{\"a\":1,\"a\":1}",
        "01",
        "\"\n\"",
        "\"\\x\"",
        "1 ",
    ] {
        let result = catch_unwind(|| Json::parse(wrong));
        assert!(result.is_err(), "{wrong:?}");
    }
}

impl Json {
    fn at_index(&self, index: usize) -> &Self {
        match self {
            Self::List(items) => &items[index],
            _ => panic!("no list: {self:?}"),
        }
    }
}

#[test]
fn json_lines_say_what_the_accessors_say() {
    if !is_child() {
        stderr_of(&mut child("json_lines_say_what_the_accessors_say"));
        return;
    }
    let codes = PLANTED.iter().map(|(_, code)| code);
    for code in codes.chain(OTHERS.iter().map(|(_, code)| code)) {
        let report = report_of(code);
        let text = report.to_json_lines();
        assert!(text.ends_with('\n'), "{text}");
        let lines: Vec<_> = text.lines().map(Json::parse).collect();
        let (last, lines) = lines.split_last().unwrap();
        let stats = report.stats();
        assert_eq!(last.at("violations"), &Json::Number(lines.len() as u64));
        assert_eq!(last.at("allocated"), &Json::Number(stats.allocated()));
        assert_eq!(last.at("freed"), &Json::Number(stats.freed()));
        assert_eq!(lines.len(), report.violations().len());
        for (line, violation) in lines.iter().zip(report.violations()) {
            let kind = violation.kind();
            let history = violation.history().iter().map(|event| {
                let location = event.location();
                let fields = [
                    ("action", Json::text(&event.action().to_string())),
                    ("file", Json::text(location.file())),
                    ("line", Json::Number(location.line().into())),
                    ("column", Json::Number(location.column().into())),
                    ("thread", Json::text(&event.thread())),
                    ("call", Json::or_null(event.call(), Json::text)),
                ];
                Json::Object(fields.map(|(name, value)| (name.to_string(), value)).into())
            });
            let notes = violation.notes().iter().map(|note| Json::text(note));
            let byte_len = violation.byte_len().map(u64::from);
            let expected = [
                ("kind", Json::text(kind.name())),
                ("summary", Json::text(kind.summary())),
                ("address", Json::Text(format!("{:#x}", violation.address()))),
                ("byte_len", Json::or_null(byte_len, Json::Number)),
                ("text", Json::or_null(violation.text(), Json::text)),
                ("count", Json::Number(violation.count() as u64)),
                ("notes", Json::List(notes.collect())),
                ("history", Json::List(history.collect())),
                ("help", Json::text(kind.help())),
                ("link", Json::text(&kind.link())),
            ];
            let expected = expected.map(|(name, value)| (name.to_string(), value));
            assert_eq!(line, &Json::Object(expected.into()));
        }
    }
}
