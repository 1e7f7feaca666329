//! Runs what the fuzzer found without the fuzzer, on stable Rust and under a debugger:
//!
//! ```console
//! $ cargo run --example replay sys_ops artifacts/sys_ops/crash-…
//! $ rust-gdb --args target/debug/examples/replay sys_ops artifacts/sys_ops/crash-…
//! ```
//!
//! It prints the scenario first.

use portable_bstr_fuzz::TARGETS;
use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The fuzzer has no cache either.
    portable_bstr::sys::SetOaNoCache();
    let mut arguments = env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: replay {} FILE…", names.join("|"));
        return ExitCode::FAILURE;
    };
    for path in arguments {
        println!("{path}:");
        match std::fs::read(&path) {
            Ok(bytes) => target(&bytes, true),
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
