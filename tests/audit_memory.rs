//! The memory behind audited strings. Freed strings wait in quarantine, and when that is full their memory
//! is a new string's: of the same backend, large enough, and not too soon.

use portable_bstr::audit::{Audited, Session};
use portable_bstr::backend::Portable;
use portable_bstr::heap::{Global, Heap};
use portable_bstr::sys::{BSTR, OleAut};
use std::collections::HashMap;
use std::ptr::NonNull;
use std::slice;
use std::sync::{LazyLock, Mutex};

/// What the quarantine may hold, in bytes.
const LIMIT: usize = 1 << 20;

/// Bytes behind each block, which must stay as they are.
const ZONE: [u8; 32] = [0xA5; 32];

/// A heap that knows its blocks, of exactly the size asked for.
#[derive(Default)]
struct Exact(Mutex<State>);

#[derive(Default)]
struct State {
    /// The size of each block, by its address.
    blocks: HashMap<usize, usize>,
    bytes: usize,
    allocations: usize,
    faults: Vec<String>,
}

// SAFETY: blocks are the global heap's, and what a block is larger by is not told.
unsafe impl Heap for Exact {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        let block = Global.allocate(size + ZONE.len())?;
        // SAFETY: the block has room for the zone behind its size.
        let zone = unsafe { block.byte_add(size) };
        // SAFETY: as above.
        unsafe { zone.cast().write(ZONE) };
        let mut state = self.0.lock().unwrap();
        state.blocks.insert(block.addr().get(), size);
        state.bytes += size;
        state.allocations += 1;
        Some(block)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>) {
        let mut state = self.0.lock().unwrap();
        let Some(size) = state.blocks.remove(&block.addr().get()) else {
            state
                .faults
                .push(format!("{block:?} is no block of this heap"));
            return;
        };
        state.bytes -= size;
        // SAFETY: the zone stands behind the block.
        let zone = unsafe { block.byte_add(size) };
        // SAFETY: as above.
        if unsafe { zone.cast::<[u8; 32]>().read() } != ZONE {
            state.faults.push(format!("written behind {block:?}"));
        }
        // SAFETY: it is the global heap's, and nobody uses it.
        unsafe { Global.deallocate(block) };
    }

    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        self.0.lock().unwrap().blocks[&block.addr().get()]
    }
}

/// A backend that stays, as those of audited strings have to.
type Lasting = LazyLock<Portable<Exact>>;

fn backend() -> Portable<Exact> {
    Portable::new(Exact::default())
}

#[track_caller]
fn allocate(ole: &OleAut<Audited>, bytes: &[u8]) -> BSTR {
    let len = u32::try_from(bytes.len()).unwrap();
    // SAFETY: a slice is readable for its length.
    let string = unsafe { ole.SysAllocStringByteLen(bytes.as_ptr(), len) };
    assert!(!string.is_null());
    string
}

#[track_caller]
fn free(ole: &OleAut<Audited>, string: BSTR) {
    // SAFETY: each string goes back where it came from, once.
    unsafe { ole.SysFreeString(string) };
}

/// Strings of two backends and many sizes come and go, and none gets what is another's.
#[test]
fn no_string_has_memory_that_is_anothers_or_too_small() {
    static BACKENDS: [Lasting; 2] = [const { LazyLock::new(backend) }; 2];
    let backends = BACKENDS.each_ref().map(|backend| &**backend);
    let oles = backends.map(|backend| OleAut::new(Audited::new(backend)));
    let session = Session::builder().quarantine(LIMIT).start();
    let mut live: Vec<(usize, BSTR, Vec<u8>)> = Vec::new();
    // A generator that Knuth published.
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for step in 0..60_000_u32 {
        if live.len() < 30 && random(2) == 0 {
            let which = random(2);
            let [low, high, ..] = step.to_le_bytes();
            let bytes: Vec<u8> = [low, high].into_iter().cycle().take(random(280)).collect();
            live.push((which, allocate(&oles[which], &bytes), bytes));
        } else if !live.is_empty() {
            let (which, string, bytes) = live.swap_remove(random(live.len()));
            // SAFETY: the string is live, and was made of so many bytes.
            let found = unsafe { slice::from_raw_parts(string.cast::<u8>(), bytes.len()) };
            assert_eq!(found, bytes, "step {step}");
            free(&oles[which], string);
        }
    }
    for (which, string, _) in live {
        free(&oles[which], string);
    }
    let bytes = |backend: &Portable<Exact>| backend.heap().0.lock().unwrap().bytes;
    let kept: usize = backends.into_iter().map(bytes).sum();
    assert!(kept < LIMIT * 5 / 4, "{kept} bytes in quarantine");
    session.finish().assert_clean();
    for backend in backends {
        let state = backend.heap().0.lock().unwrap();
        assert_eq!(state.faults, [""; 0]);
        assert_eq!(state.bytes, 0);
    }
}

#[test]
fn memory_is_used_again_when_the_quarantine_is_full_and_not_too_soon() {
    static BACKEND: Lasting = LazyLock::new(backend);
    let backend = &*BACKEND;
    let ole = OleAut::new(Audited::new(backend));
    let session = Session::builder().quarantine(LIMIT).start();
    let turn = |size| {
        let string = allocate(&ole, &vec![0x41; size]);
        free(&ole, string);
        string.addr()
    };
    (0..10_000).for_each(|_| _ = turn(40));
    let before = backend.heap().0.lock().unwrap().allocations;
    for _ in 0..50 {
        let first = turn(40);
        for later in 1..=60 {
            assert_ne!(turn(40), first, "{later} frees later");
        }
    }
    let state = backend.heap().0.lock().unwrap();
    let new = state.allocations - before;
    assert!(new < 100, "{new} new blocks for 3,050 strings");
    assert!(
        (LIMIT / 4..LIMIT * 3 / 2).contains(&state.bytes),
        "{}",
        state.bytes
    );
    drop(state);
    // Nor where only few are waiting that are as large.
    for size in (60..260).step_by(16) {
        let first = turn(size);
        for later in 1..=60 {
            assert_ne!(turn(size), first, "{later} frees later");
        }
    }
    session.finish().assert_clean();
    assert_eq!(backend.heap().0.lock().unwrap().bytes, 0);
}
