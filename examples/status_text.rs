//! The example of Microsoft's article "Allocating and Releasing Memory for a BSTR", run under audit.
//!
//! A web browser has a status text. `put_StatusText` sets it and `get_StatusText` answers it, in the
//! manner of COM: `extern "system"`, an HRESULT, and raw BSTRs. The article has three rules:
//!
//! 1. Who calls a function with a BSTR allocates it before the call and frees it after.
//! 2. Who calls a function that returns a BSTR frees what it gets.
//! 3. Who implements such a function allocates the BSTR, hands it over and does not free it.
//!
//! First comes code that keeps the rules, then code that breaks each. `cargo run --example status_text`
//! shows what the audit says of it, and fails if that is anything but what was planted.

#![allow(clippy::multiple_unsafe_ops_per_block)] // Written as the article's C++ is.

use portable_bstr::audit::{self, Kind};
use portable_bstr::sys::{
    BSTR, E_OUTOFMEMORY, E_POINTER, HRESULT, S_OK, SysAllocString, SysAllocStringLen,
    SysFreeString, SysStringLen,
};
use portable_bstr::widestring::{U16String, u16cstr};
use std::cell::RefCell;
use std::process::ExitCode;

/// The browser. It keeps its status text as its own kind of string, as the article's `CString` is.
#[derive(Default)]
struct Browser {
    status: RefCell<U16String>,
}

/// Sets the status text. `text` is \[in\]: the caller's, before and after. So this takes a copy.
unsafe extern "system" fn put_status_text(browser: &Browser, text: BSTR) -> HRESULT {
    // SAFETY: callers pass NULL or a live string.
    let len = unsafe { SysStringLen(text) } as usize;
    let mut status = browser.status.borrow_mut();
    status.clear();
    if len > 0 {
        // SAFETY: a string that is not empty is not NULL and has as many units as it says.
        status.push_slice(unsafe { std::slice::from_raw_parts(text, len) });
    }
    S_OK
}

/// Answers the status text. `text` is \[out\]: this allocates, the caller frees.
unsafe extern "system" fn get_status_text(browser: &Browser, text: *mut BSTR) -> HRESULT {
    if text.is_null() {
        return E_POINTER;
    }
    let status = browser.status.borrow();
    let len = u32::try_from(status.len()).unwrap_or(u32::MAX);
    // SAFETY: the status has that many units.
    let answer = unsafe { SysAllocStringLen(status.as_ptr(), len) };
    // SAFETY: callers pass NULL or a slot that may be written.
    unsafe { text.write(answer) };
    if answer.is_null() {
        E_OUTOFMEMORY
    } else {
        S_OK
    }
}

/// As `put_status_text`, but frees the caller's string.
unsafe extern "system" fn put_status_text_and_free_it(browser: &Browser, text: BSTR) -> HRESULT {
    // SAFETY: callers pass NULL or a live string.
    let result = unsafe { put_status_text(browser, text) };
    // SAFETY: none: the string is not this function's to free.
    unsafe { SysFreeString(text) };
    result
}

/// As `get_status_text`, but frees what it hands over.
unsafe extern "system" fn get_status_text_and_free_it(
    browser: &Browser,
    text: *mut BSTR,
) -> HRESULT {
    // SAFETY: callers pass NULL or a slot that may be written.
    let result = unsafe { get_status_text(browser, text) };
    // SAFETY: none: the string in the slot is the caller's by now.
    unsafe { SysFreeString(*text) };
    result
}

/// Code that keeps every rule.
unsafe fn correct(browser: &Browser) {
    // SAFETY: the text ends with a NUL; strings are live while they are used, and freed once.
    unsafe {
        let text = SysAllocString(u16cstr!("Looking up the host").as_ptr());
        put_status_text(browser, text);
        SysFreeString(text);

        let mut answer = std::ptr::null();
        get_status_text(browser, &mut answer);
        assert_eq!(SysStringLen(answer), 19);
        SysFreeString(answer);
    }
}

/// Rule 1 broken: the callee frees the string that it was only lent.
unsafe fn callee_frees_its_argument(browser: &Browser) {
    // SAFETY: none: the string is freed by the callee and then, rightly, by its owner.
    unsafe {
        let text = SysAllocString(u16cstr!("Connected").as_ptr());
        put_status_text_and_free_it(browser, text);
        SysFreeString(text);
    }
}

/// Rule 2 broken: the caller does not free the string that it was given.
unsafe fn caller_keeps_the_answer(browser: &Browser) {
    // SAFETY: the slot may be written.
    unsafe {
        let mut answer = std::ptr::null();
        get_status_text(browser, &mut answer);
        println!(
            "   (the status text has {} characters)\n",
            SysStringLen(answer)
        );
    }
}

/// Rule 3 broken: the implementer frees the string that it hands over.
unsafe fn implementer_frees_the_answer(browser: &Browser) {
    // SAFETY: none: by the time the caller has the string, it is gone.
    unsafe {
        let mut answer = std::ptr::null();
        get_status_text_and_free_it(browser, &mut answer);
        println!(
            "   (the status text has {} characters)\n",
            SysStringLen(answer)
        );
        SysFreeString(answer);
    }
}

/// A part of the show: what it says, the code it runs, and what the audit has to find there.
struct Act {
    title: &'static str,
    code: unsafe fn(&Browser),
    planted: &'static [Kind],
}

const ACTS: [Act; 4] = [
    Act {
        title: "Every rule kept: whoever owns a string frees it, once.",
        code: correct,
        planted: &[],
    },
    Act {
        title: "Rule 1: who calls a function with a BSTR allocates it before the call and frees\n   \
                it after. Here the function frees it as well.",
        code: callee_frees_its_argument,
        planted: &[Kind::DoubleFree],
    },
    Act {
        title: "Rule 2: who calls a function that returns a BSTR frees what it gets. Here the\n   \
                caller forgets to.",
        code: caller_keeps_the_answer,
        planted: &[Kind::Leak],
    },
    Act {
        title: "Rule 3: who implements such a function hands the BSTR over and does not free it.\n   \
                Here the function frees it, and the caller is left with a string that is gone.",
        code: implementer_frees_the_answer,
        planted: &[Kind::UseAfterFree, Kind::DoubleFree],
    },
];

fn main() -> ExitCode {
    println!(
        "A BSTR is the string of COM: a pointer that one piece of code allocates and, often,\n\
         another one frees. Who frees it is a matter of rules. Here is code that keeps them,\n\
         and code that breaks them, and what the audit has to say.\n"
    );
    let browser = Browser::default();
    let mut as_planted = true;
    for (number, act) in ACTS.iter().enumerate() {
        println!("{}. {}\n", number + 1, act.title);
        // SAFETY: where the code breaks a rule, the audit keeps the harm off: what is freed stays
        // in quarantine, and a wrong free does nothing.
        let ((), report) = audit::run(|| unsafe { (act.code)(&browser) });
        println!("{report}\n");
        let found = report.violations().iter().map(audit::Violation::kind);
        as_planted &= found.eq(act.planted.iter().copied());
    }
    if as_planted {
        println!("The audit found exactly what was planted.");
        ExitCode::SUCCESS
    } else {
        println!("The audit did not find what was planted.");
        ExitCode::FAILURE
    }
}
