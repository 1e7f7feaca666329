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
