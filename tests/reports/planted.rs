//! Code that breaks each rule once, for the reports that `audit_reports.rs` compares with the text files
//! beside this one: these lines stand in them, with their numbers. Each function returns what is left to
//! free.

use portable_bstr::audit::Call;
use portable_bstr::sys::*;
use portable_bstr::widestring::u16cstr;
use portable_bstr::{BSTR as Owned, bstr};
use std::ptr::{null, null_mut};

pub(crate) type Left = Vec<BSTR>;

pub(crate) fn leak() -> Left {
    // SAFETY: the text ends with a NUL.
    let status = unsafe { SysAllocString(u16cstr!("Looking up the host").as_ptr()) };
    vec![status]
}

pub(crate) fn double_free() -> Left {
    // SAFETY: none: the string is freed twice.
    unsafe {
        let status = SysAllocString(u16cstr!("ready").as_ptr());
        SysFreeString(status);
        SysFreeString(status);
    }
    vec![]
}

pub(crate) fn use_after_free() -> Left {
    // SAFETY: none: the string is used after it is freed.
    unsafe {
        let status = SysAllocString(u16cstr!("ready").as_ptr());
        SysFreeString(status);
        assert_eq!(SysStringLen(status), 5);
    }
    vec![]
}

pub(crate) fn not_a_bstr() -> Left {
    // SAFETY: none: a literal is no BSTR.
    unsafe { SysFreeString(u16cstr!("ready").as_ptr()) };
    vec![]
}

pub(crate) fn moved_pointer() -> Left {
    // SAFETY: none: the pointer is not the one that was allocated.
    unsafe {
        let status = SysAllocString(u16cstr!("status: ready").as_ptr());
        let mut text = status;
        while *text != u16::from(b'r') {
            text = text.add(1);
        }
        SysFreeString(text);
        vec![status]
    }
}

pub(crate) fn overrun() -> Left {
    // SAFETY: none: there is no room for a sixth unit.
    unsafe {
        let status = SysAllocString(u16cstr!("ready").as_ptr());
        status.cast_mut().add(5).write(u16::from(b'!').to_le());
        SysFreeString(status);
    }
    vec![]
}

pub(crate) fn underrun() -> Left {
    // SAFETY: none: the length is the allocator's to write.
    unsafe {
        let status = SysAllocString(u16cstr!("ready").as_ptr());
        status
            .byte_sub(4)
            .cast_mut()
            .cast::<[u8; 4]>()
            .write(4_u32.to_ne_bytes());
        SysFreeString(status);
    }
    vec![]
}

pub(crate) fn input_freed() -> Left {
    // SAFETY: none: the callee frees a string that is its caller's.
    unsafe {
        let status = SysAllocString(u16cstr!("ready").as_ptr());
        let call = Call::new("put_StatusText").input(status);
        call.run(|| SysFreeString(status));
        SysFreeString(status);
    }
    vec![]
}

pub(crate) fn input_changed() -> Left {
    // SAFETY: none: the callee changes a string that is its caller's.
    unsafe {
        let status = SysAllocString(u16cstr!("ready").as_ptr());
        let call = Call::new("put_StatusText").input(status);
        call.run(|| status.cast_mut().write(u16::from(b'R')));
        SysFreeString(status);
    }
    vec![]
}

pub(crate) fn input_kept() -> Left {
    let mut kept = null();
    // SAFETY: none: the callee uses a string after its caller has freed it.
    unsafe {
        let status = SysAllocString(u16cstr!("ready").as_ptr());
        let call = Call::new("put_StatusText").input(status);
        call.run(|| kept = status);
        SysFreeString(status);
        Call::new("Refresh").run(|| assert_eq!(SysStringLen(kept), 5));
    }
    vec![]
}

pub(crate) fn output_still_owned() -> Left {
    // SAFETY: none: the callee keeps the string that it answers.
    unsafe {
        let stored = SysAllocString(u16cstr!("ready").as_ptr());
        let mut status = null();
        let out = &raw mut status;
        let call = Call::new("get_StatusText").out(out);
        call.run(|| *out = stored);
        SysFreeString(status);
    }
    vec![]
}

pub(crate) fn output_foreign() -> Left {
    let mut status = null();
    let out = &raw mut status;
    // SAFETY: none: the callee answers a literal.
    unsafe {
        let call = Call::new("get_StatusText").out(out);
        call.run(|| *out = bstr!("ready").as_raw());
        SysFreeString(status);
    }
    vec![]
}

pub(crate) fn output_overwritten() -> Left {
    // SAFETY: none: the first answer is lost.
    unsafe {
        let mut status = SysAllocString(u16cstr!("ready").as_ptr());
        let (first, out) = (status, &raw mut status);
        let call = Call::new("get_StatusText").out(out);
        call.run(|| *out = SysAllocString(u16cstr!("done").as_ptr()));
        SysFreeString(status);
        vec![first]
    }
}

pub(crate) fn inout_not_freed() -> Left {
    // SAFETY: none: the callee loses the old string.
    unsafe {
        let mut text = SysAllocString(u16cstr!("ready").as_ptr());
        let (old, inout) = (text, &raw mut text);
        let call = Call::new("Translate").inout(inout);
        call.run(|| *inout = SysAllocString(u16cstr!("bereit").as_ptr()));
        SysFreeString(text);
        vec![old]
    }
}

pub(crate) fn inout_not_replaced() -> Left {
    // SAFETY: none: the callee leaves a pointer to what it frees.
    unsafe {
        let mut text = SysAllocString(u16cstr!("ready").as_ptr());
        let inout = &raw mut text;
        let call = Call::new("Translate").inout(inout);
        call.run(|| SysFreeString(*inout));
        SysFreeString(text);
    }
    vec![]
}

pub(crate) fn output_after_failure() -> Left {
    let mut status = null();
    let out = &raw mut status;
    // SAFETY: none: the callee answers, though it fails.
    unsafe {
        let call = Call::new("get_StatusText").out(out);
        call.run(|| {
            *out = SysAllocString(u16cstr!("ready").as_ptr());
            E_POINTER
        });
    }
    vec![status]
}

pub(crate) fn output_not_set() -> Left {
    let mut status = null();
    // SAFETY: none: the callee does not set what it should.
    let call = unsafe { Call::new("get_StatusText").out(&raw mut status) };
    call.run(|| S_OK);
    vec![]
}

pub(crate) fn output_twice() -> Left {
    // SAFETY: none: two callers are given one string.
    unsafe {
        let shared = Owned::from("ready").into_raw();
        let (mut first, mut second) = (null(), null());
        let (one, two) = (&raw mut first, &raw mut second);
        let call = Call::new("get_Names").out(one).out(two);
        call.run(|| {
            *one = SysAllocStringLen(shared, SysStringLen(shared));
            *two = *one;
        });
        SysFreeString(shared);
        SysFreeString(first);
    }
    vec![]
}

pub(crate) fn aliased_source() -> Left {
    // SAFETY: none: the source is part of what is replaced.
    unsafe {
        let mut text = SysAllocString(u16cstr!("status: ready").as_ptr());
        let source = text.add(8);
        SysReAllocString(&mut text, source);
        SysFreeString(text);
    }
    vec![]
}

pub(crate) fn null_slot() -> Left {
    // SAFETY: none: there is no variable for the string.
    unsafe { SysReAllocString(null_mut(), u16cstr!("ready").as_ptr()) };
    vec![]
}

pub(crate) fn source_too_short() -> Left {
    // SAFETY: none: the length is one in bytes, and is taken for one in units.
    unsafe {
        let status = SysAllocString(u16cstr!("ready").as_ptr());
        let copy = SysAllocStringLen(status, SysStringByteLen(status));
        SysFreeString(copy);
        SysFreeString(status);
    }
    vec![]
}

pub(crate) fn embedded_nul() -> Left {
    // SAFETY: none: the string ends with a NUL, but not with its first one.
    unsafe {
        let list = SysAllocStringLen(u16cstr!("one;two").as_ptr(), 7);
        list.add(3).cast_mut().write(0);
        let copy = SysAllocString(list);
        SysFreeString(copy);
        SysFreeString(list);
    }
    vec![]
}

pub(crate) fn unbalanced_pin() -> Left {
    // SAFETY: none: a pin is released that there is not.
    unsafe {
        let status = SysAllocString(u16cstr!("ready").as_ptr());
        SysReleaseString(status);
        SysFreeString(status);
    }
    vec![]
}

pub(crate) fn live_result() -> Left {
    // SAFETY: none: the first operand is lost.
    unsafe {
        let mut text = SysAllocString(u16cstr!("ready").as_ptr());
        let first = text;
        VarBstrCat(text, bstr!(" or not").as_raw(), &mut text);
        SysFreeString(text);
        vec![first]
    }
}

pub(crate) fn uninitialized() -> Left {
    // SAFETY: none: nobody has written to the string when it is passed on.
    unsafe {
        let buffer = SysAllocStringLen(null(), 16);
        Call::new("put_StatusText").input(buffer).run(|| {});
        SysFreeString(buffer);
    }
    vec![]
}

/// To be swept: the allocation in it is made to fail.
pub(crate) fn allocation_failure() {
    // SAFETY: none: the string may be NULL.
    unsafe {
        let status = SysAllocString(u16cstr!("ready").as_ptr());
        assert!(!status.is_null(), "a status text");
        SysFreeString(status);
    }
}

/// Allocates the string that the C library is to release.
pub(crate) fn wrong_deallocator() -> BSTR {
    // SAFETY: a NULL source has nothing to read.
    unsafe { SysAllocStringLen(null(), 450) }
}

/// Frees a string twice, once by what the compiler does at the end of a scope.
pub(crate) fn dropped_twice() -> Left {
    let status = Owned::from("ready");
    // SAFETY: none: the string is not given up.
    let stolen = unsafe { Owned::from_raw(status.as_raw()) };
    drop(stolen);
    vec![]
}

/// Makes one mistake three times, and another one once.
pub(crate) fn again_and_again() -> Left {
    // SAFETY: none: the strings are freed twice.
    unsafe {
        let mut left = vec![SysAllocString(u16cstr!("forgotten").as_ptr())];
        for text in [u16cstr!("one"), u16cstr!("two"), u16cstr!("three")] {
            let string = SysAllocString(text.as_ptr());
            SysFreeString(string);
            SysFreeString(string);
            left.push(SysAllocString(text.as_ptr()));
        }
        left
    }
}

/// Frees a string on two threads.
pub(crate) fn on_two_threads() -> Left {
    // SAFETY: a NULL source has nothing to read.
    let address = unsafe { SysAllocString(u16cstr!("ready").as_ptr()) }.expose_provenance();
    let free = move || {
        // SAFETY: none: the string is freed twice.
        unsafe { SysFreeString(std::ptr::with_exposed_provenance(address)) };
    };
    let other = std::thread::Builder::new()
        .name("worker".into())
        .spawn(free);
    other.unwrap().join().unwrap();
    free();
    vec![]
}

/// Breaks the rules of a long string of every sort of character.
pub(crate) fn strange_text() -> Left {
    let text = Owned::from("tab\t, quote\", NUL\0, escape\u{1b}, ✓, and so on and on");
    vec![text.into_raw()]
}
