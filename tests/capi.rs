//! The exports, used from C and C++ as programs there would: libraries built by the documented
//! command, the header, and the system's compilers.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

const NAMES: [&str; 16] = [
    "BstrFromVector",
    "SafeArrayDestroy",
    "SetOaNoCache",
    "SysAddRefString",
    "SysAllocString",
    "SysAllocStringByteLen",
    "SysAllocStringLen",
    "SysFreeString",
    "SysReAllocString",
    "SysReAllocStringLen",
    "SysReleaseString",
    "SysStringByteLen",
    "SysStringLen",
    "VarBstrCat",
    "VarBstrCmp",
    "VectorFromBstr",
];

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The directory with both libraries.
static LIBRARIES: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capi");
    // What the tests themselves need is there, and so is all that the libraries do.
    let output = Command::new(env!("CARGO"))
        .args(["rustc", "--offline", "--lib", "--features", "capi,audit"])
        .args(["--crate-type", "cdylib,staticlib"])
        .arg("--manifest-path")
        .arg(Path::new(ROOT).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        // A sanitizer or another target of the tests is no matter of the C compiler's.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo runs");
    assert_success("cargo rustc", &output);
    target.join("debug")
});

#[track_caller]
fn assert_success(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A compiler of the system's, by what the environment calls it or else by its usual name. `None`,
/// and a notice, where there is none.
fn compiler(variable: &str, usual: &str) -> Option<Command> {
    let name = env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let mut words = name.split_whitespace();
    let program = words.next()?;
    if Command::new(program).arg("--version").output().is_err() {
        let notice = format!("SKIPPED: there is no compiler {program}");
        assert!(env::var_os("CI_NO_SKIP").is_none(), "{notice}");
        // Not by a macro, whose output the harness would keep.
        let _ = writeln!(io::stderr(), "{notice}");
        return None;
    }
    let mut command = Command::new(program);
    command.args(words);
    Some(command)
}

/// How a program is linked.
#[derive(Clone, Copy)]
enum Link {
    Shared,
    Static,
}

/// Compiles a program of `tests/capi` and links it. Every warning is an error.
fn build(mut compiler: Command, source: &str, name: &str, flags: &[&str], link: Link) -> PathBuf {
    let program = LIBRARIES.join(name);
    compiler
        .args(["-g", "-Wall", "-Wextra", "-pedantic", "-Werror"])
        .args(flags)
        .arg("-I")
        .arg(Path::new(ROOT).join("include"))
        .arg(Path::new(ROOT).join("tests/capi").join(source))
        .arg("-o")
        .arg(&program);
    match link {
        Link::Shared => compiler
            .arg("-L")
            .arg(&*LIBRARIES)
            .arg("-lportable_bstr")
            .arg(format!("-Wl,-rpath,{}", LIBRARIES.display())),
        Link::Static => {
            compiler
                .arg(LIBRARIES.join("libportable_bstr.a"))
                .args(["-lpthread", "-ldl", "-lm"])
        }
    };
    let output = compiler.output().expect("the compiler runs");
    assert_success(&format!("{compiler:?}"), &output);
    program
}

fn run(program: &Path) {
    let output = Command::new(program).output().expect("the program runs");
    assert_success(&program.display().to_string(), &output);
}

fn c() -> Option<Command> {
    compiler("CC", "cc")
}

fn cpp() -> Option<Command> {
    compiler("CXX", "c++")
}

#[test]
fn from_c99() {
    let Some(c) = c() else { return };
    let flags = ["-std=c99"];
    run(&build(c, "functions.c", "c99", &flags, Link::Shared));
}

#[test]
fn from_c99_with_narrow_wchar_t() {
    let Some(c) = c() else { return };
    let flags = ["-std=c99", "-fshort-wchar"];
    run(&build(c, "functions.c", "c99-short", &flags, Link::Shared));
}

#[test]
fn from_c99_by_the_static_library() {
    let Some(c) = c() else { return };
    let flags = ["-std=c99"];
    run(&build(c, "functions.c", "c99-static", &flags, Link::Static));
}

#[test]
fn from_cpp17() {
    let Some(cpp) = cpp() else { return };
    let flags = ["-std=c++17"];
    run(&build(cpp, "raii.cpp", "cpp17", &flags, Link::Shared));
}

#[test]
fn from_cpp17_with_narrow_wchar_t() {
    let Some(cpp) = cpp() else { return };
    let flags = ["-std=c++17", "-fshort-wchar"];
    run(&build(cpp, "raii.cpp", "cpp17-short", &flags, Link::Static));
}

/// What a program that breaks two rules ends with, under the audit of its environment.
fn run_broken(name: &str, environment: &[(&str, &str)]) -> Option<Output> {
    let program = build(c()?, "broken.c", name, &["-std=c99"], Link::Shared);
    let output = Command::new(program)
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUST_LIB_BACKTRACE")
        .envs(environment.iter().copied())
        .output()
        .expect("the program runs");
    // Though it exits early, what it wrote is all there.
    assert_eq!(output.stdout, b"to be flushed");
    Some(output)
}

#[test]
fn the_environment_asks_for_an_audit() {
    let Some(output) = run_broken("broken", &[("BSTR_AUDIT", "1")]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(0), "as without it");
    let report = String::from_utf8(output.stderr).expect("the report is text");
    for expected in [
        "error[leak]: ",
        "error[double-free]: ",
        "\"forgotten\"",
        "\"freed\"",
        "3 rules broken: 3 strings allocated, 1 freed",
    ] {
        assert!(report.contains(expected), "{expected}\n{report}");
    }
    // The system may lack what reads the lines of C.
    if cfg!(target_os = "linux") {
        let source = include_str!("capi/broken.c").lines();
        for (number, line) in source.enumerate() {
            if let Some((_, function)) = line.split_once("/* In ")
                && let Some(function) = function.strip_suffix(" */")
            {
                let place = format!("broken.c:{}:", number + 1);
                let known = report
                    .lines()
                    .any(|line| line.contains(function) && line.contains(&place));
                assert!(known, "{function} at {place}\n{report}");
            }
        }
    }
}

#[test]
fn the_environment_asks_for_json_and_an_exit_code() {
    for (code, expected) in [("77", 77), ("nonsense", 1)] {
        let environment = [("BSTR_AUDIT", "json"), ("BSTR_AUDIT_EXIT_CODE", code)];
        let Some(output) = run_broken(&format!("broken-json-{expected}"), &environment) else {
            return;
        };
        assert_eq!(output.status.code(), Some(expected));
        let report = String::from_utf8(output.stderr).expect("the report is text");
        let kinds = ["double-free", "leak"].map(|kind| format!("{{\"kind\":\"{kind}\","));
        for (line, kind) in report.lines().zip(kinds) {
            assert!(line.starts_with(&kind), "{report}");
        }
        let stats = report.lines().last().expect("there are lines");
        assert!(stats.ends_with("\"allocated\":3,\"freed\":1}"), "{report}");
        if cfg!(target_os = "linux") {
            assert!(stats.starts_with("{\"violations\":3,"), "{report}");
        }
    }
}

/// A new user's first program does what the README says of it.
#[test]
fn the_program_in_the_readme() {
    let Some(c) = c() else { return };
    let (_, program) = include_str!("../README.md")
        .split_once("```c\n")
        .expect("the README has a program");
    let (program, _) = program.split_once("```").expect("the program ends");
    let source = LIBRARIES.join("readme.c");
    std::fs::write(&source, program).expect("it can be written");
    let source = source.to_str().expect("paths are text");
    let program = build(c, source, "readme", &["-std=c99"], Link::Shared);
    let output = Command::new(program)
        .env("BSTR_AUDIT", "1")
        .output()
        .expect("the program runs");
    assert_success("readme", &output);
    let report = String::from_utf8(output.stderr).expect("the report is text");
    assert!(report.starts_with("error[leak]: "), "{report}");
    assert!(report.contains("\"ready\""), "{report}");
}

/// A program that breaks no rule is told so, and ends as ever. So is one that nobody audits.
#[test]
fn the_environment_of_a_program_without_mistakes() {
    let Some(cpp) = cpp() else { return };
    let program = build(
        cpp,
        "raii.cpp",
        "raii-audited",
        &["-std=c++17"],
        Link::Shared,
    );
    for (wish, expected) in [("1", "no rule broken: "), ("0", ""), ("", "")] {
        let output = Command::new(&program)
            .env("BSTR_AUDIT", wish)
            .env("BSTR_AUDIT_EXIT_CODE", "77")
            .output()
            .expect("the program runs");
        assert_success("raii-audited", &output);
        let report = String::from_utf8(output.stderr).expect("the report is text");
        assert!(report.starts_with(expected), "{report}");
        assert_eq!(report.is_empty(), expected.is_empty(), "{report}");
    }
}

/// Every one of the names, each with its second one.
fn expected_symbols() -> BTreeSet<String> {
    let with_prefix = NAMES.iter().map(|name| format!("portable_{name}"));
    with_prefix.chain(NAMES.map(str::to_owned)).collect()
}

/// The names that a library defines for others.
fn symbols(library: &str, flags: &[&str]) -> BTreeSet<String> {
    let output = Command::new("nm")
        .args(flags)
        .arg(LIBRARIES.join(library))
        .output()
        .expect("where there is a C compiler there is nm");
    assert_success("nm", &output);
    let text = String::from_utf8(output.stdout).expect("the names are text");
    let defined = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let kind = words.next()?;
        let name = words.next()?;
        // Apple's linker puts an underscore before every name.
        let name = name
            .strip_prefix('_')
            .filter(|_| cfg!(target_vendor = "apple"))
            .unwrap_or(name);
        (kind == "T").then(|| name.to_owned())
    });
    defined.collect()
}

/// No more and no fewer.
#[test]
fn the_shared_library_exports_what_it_should() {
    if c().is_none() {
        return;
    }
    let (library, flags) = if cfg!(target_vendor = "apple") {
        ("libportable_bstr.dylib", ["-g", "-U"])
    } else {
        ("libportable_bstr.so", ["-D", "--defined-only"])
    };
    assert_eq!(symbols(library, &flags), expected_symbols());
}

/// The header declares what is exported: no more and no fewer.
#[test]
fn the_header_declares_what_is_exported() {
    let header = std::fs::read_to_string(Path::new(ROOT).join("include/portable_bstr.h"));
    let header = header.expect("the header is there");
    let declared: BTreeSet<_> = header
        .lines()
        .filter_map(|line| line.strip_prefix("PORTABLE_BSTR_FUNCTION("))
        .filter_map(|declaration| declaration.split(", ").nth(1))
        .map(|name| name.trim_end_matches(','))
        .collect();
    assert_eq!(declared, BTreeSet::from(NAMES));
}
