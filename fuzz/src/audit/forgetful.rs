//! A heap with a `free` beside that of its strings, as the C library is one.

use portable_bstr::audit::Audited;
use portable_bstr::backend::Portable;
use portable_bstr::heap::{Global, Heap};
use portable_bstr::sys::OleAut;
use std::ptr::{NonNull, null};
use std::sync::Mutex;

/// What was released behind the strings' back is what is allocated next.
struct Forgetful(Mutex<Option<Block>>);

struct Block(NonNull<u8>);
// SAFETY: blocks may be used on any thread.
unsafe impl Send for Block {}

// SAFETY: every block comes from `Global` and goes back to it; one that was released is nobody's.
unsafe impl Heap for Forgetful {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        let released = self.0.lock().expect("nobody panics in here").take();
        released.map_or_else(|| Global.allocate(size), |block| Some(block.0))
    }
    unsafe fn deallocate(&self, block: NonNull<u8>) {
        // SAFETY: the caller's block is `Global`'s.
        unsafe { Global.deallocate(block) };
    }
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: the caller's block is `Global`'s.
        unsafe { Global.usable_size(block) }
    }
}

/// Releases a string's memory by something other than `SysFreeString`.
pub(super) fn release_behind_its_back(bytes: u8) {
    static BACKEND: Portable<Forgetful> = Portable::new(Forgetful(Mutex::new(None)));
    let ole = OleAut::new(Audited::new(&BACKEND));
    // SAFETY: a NULL source has nothing to read.
    let string = unsafe { ole.SysAllocStringByteLen(null(), bytes.into()) };
    let block = string.cast_mut().wrapping_byte_sub(size_of::<usize>());
    let released = NonNull::new(block.cast()).map(Block);
    *BACKEND.heap().0.lock().expect("nobody panics in here") = released;
    // SAFETY: as above.
    let again = unsafe { ole.SysAllocStringByteLen(null(), bytes.into()) };
    assert_eq!(again, string, "the same memory");
    // SAFETY: it is not used again.
    unsafe { ole.SysFreeString(again) };
}
