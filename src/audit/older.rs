//! Strings that are older than every audit, and that no ledger therefore knows.
//!
//! A pointer that nobody knows is one of these, or no string at all. What has the alignment and the
//! shape of a string of the process's heap, and lies neither in a program's image nor on the stack, is
//! taken for one. The memory is not read but copied by the kernel, which knows what can be read.
//!
//! Only Linux and Android have such a copy in their C library. Elsewhere no unknown pointer is taken for
//! a string.

use crate::layout::{BlockLayout, PREFIX, UNIT, terminator};
use core::ptr::NonNull;

const HEADER: usize = BlockLayout::NATIVE.header() as usize;

/// Whether a pointer that nobody knows looks like a string of the process's heap.
pub(super) fn looks_like_a_string(string: NonNull<u16>) -> bool {
    let address = string.addr().get();
    // A block is aligned to 16 bytes, and the string in it begins behind the header. So this is not
    // what `malloc` itself returned, nor where `bstr!` puts its data on 32 bits.
    address % 16 == HEADER % 16
        && !is_in_an_image(string)
        && !is_on_this_stack(address)
        && has_shape(address).unwrap_or(false)
}

/// Whether the bytes around an address are a header and a terminator.
fn has_shape(address: usize) -> Option<bool> {
    let header: [u8; HEADER] = peek(address - HEADER)?;
    let (padding, prefix) = header.split_at(HEADER - PREFIX as usize);
    let bytes = u32::from_ne_bytes(prefix.try_into().ok()?);
    if padding.iter().any(|&byte| byte != 0) || bytes > BlockLayout::NATIVE.max_bytes() {
        return Some(false);
    }
    let terminator: [u8; UNIT as usize] = peek(address.checked_add(terminator(bytes))?)?;
    Some(terminator == [0; 2])
}

/// Whether an address lies where this thread's calls are. The stack grows down from somewhere above
/// this very function.
fn is_on_this_stack(address: usize) -> bool {
    const USUAL_SIZE: usize = 8 << 20;
    let here = (&raw const address).addr();
    address.wrapping_sub(here) < USUAL_SIZE
}

/// Whether an address lies in the program or in one of its libraries, as literals do.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_in_an_image(string: NonNull<u16>) -> bool {
    let mut info = core::mem::MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: any address may be asked for, and the answer has room.
    unsafe { libc::dladdr(string.as_ptr().cast(), info.as_mut_ptr()) != 0 }
}

/// A copy of the bytes at an address, where they can be read.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn peek<const N: usize>(address: usize) -> Option<[u8; N]> {
    let mut copy = [0; N];
    let to = libc::iovec {
        iov_base: copy.as_mut_ptr().cast(),
        iov_len: N,
    };
    let from = libc::iovec {
        iov_base: core::ptr::without_provenance_mut(address),
        iov_len: N,
    };
    // SAFETY: asking for one's own process identifier cannot go wrong.
    let process = unsafe { libc::getpid() };
    // SAFETY: the copy has room for `N` bytes; whether there are any at the other address, the kernel
    // finds out.
    let copied =
        unsafe { libc::process_vm_readv(process, &raw const to, 1, &raw const from, 1, 0) };
    (usize::try_from(copied) == Ok(N)).then_some(copy)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use elsewhere::{is_in_an_image, peek};

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod elsewhere {
    pub(super) fn is_in_an_image(_: core::ptr::NonNull<u16>) -> bool {
        true
    }

    pub(super) fn peek<const N: usize>(_: usize) -> Option<[u8; N]> {
        None
    }
}

#[cfg(test)]
#[cfg(any(target_os = "linux", target_os = "android"))]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use std::println;

    /// A block as `malloc` makes them.
    #[repr(C, align(16))]
    struct Block([u8; 64]);

    /// A block with a string of 5 bytes, changed at an offset from the string.
    fn is_one(changes: &[(isize, u8)]) -> bool {
        let mut block = Box::new(Block([0; 64]));
        let prefix = HEADER - PREFIX as usize;
        block.0[prefix..HEADER].copy_from_slice(&5_u32.to_ne_bytes());
        block.0[HEADER..HEADER + 5].fill(b'a');
        for &(offset, byte) in changes {
            block.0[HEADER.checked_add_signed(offset).unwrap()] = byte;
        }
        let string = NonNull::from(&mut block.0[HEADER]).cast();
        looks_like_a_string(string)
    }

    #[test]
    fn only_what_has_a_strings_shape_looks_like_one() {
        if std::env::var_os("EMULATOR").is_some() || cfg!(miri) {
            println!("skipped: nobody copies memory here");
            return;
        }
        assert!(is_one(&[]));
        assert!(!is_one(&[(6, 1)]), "a terminator");
        assert!(!is_one(&[(7, 1)]), "a terminator");
        assert!(
            !is_one(&[(-1, 0xFF), (-2, 0xFF), (-3, 0xFF), (-4, 0xFF)]),
            "too long"
        );
        if HEADER == 8 {
            assert!(!is_one(&[(-8, 1)]), "padding");
            assert!(!is_one(&[(-5, 1)]), "padding");
        }
        let mut block = Box::new(Block([0; 64]));
        let misplaced = NonNull::from(&mut block.0[HEADER + 8]).cast();
        assert!(!looks_like_a_string(misplaced));
    }
}
