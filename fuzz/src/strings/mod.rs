//! Sequences of the `Sys` functions, against a naive model of what memory holds.
//!
//! A few slots hold strings or NULL. Lengths are hostile, sources lie at odd addresses and inside the
//! very string that is replaced, prefixes are rewritten, strings are pinned, and memory runs out. Behind
//! every step everything is compared.

mod memory;
mod model;
mod realloc;

use crate::heap::Limited;
use crate::ole::{Ole, Process};
use crate::strict::Strict;
use arbitrary::Arbitrary;
use model::Model;
use portable_bstr::backend::Portable;
use portable_bstr::heap::Global;
use portable_bstr::sys::OleAut;

/// How many strings there are at a time, NULLs included.
const SLOTS: usize = 4;

/// The bytes before the data.
const HEADER: usize = size_of::<usize>();

/// The bytes of the block for a string of that many bytes, where there can be one.
fn block_for(bytes: u64) -> Option<usize> {
    let sum = bytes + 2 + HEADER as u64 + 15;
    let sum = u32::try_from(sum).ok()?;
    Some(sum as usize & !15)
}

/// Strings of the process's, or over a heap that notices everything.
#[derive(Debug, Arbitrary)]
pub struct SysOps {
    is_strict: bool,
    program: Program,
}

/// What is done, step by step.
#[derive(Debug, Arbitrary)]
pub struct Program(Vec<Op>);

/// A slot, by number.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct At(u8);

/// A slot or a string that is only pinned, by number.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Any(u8);

#[derive(Debug, Arbitrary)]
enum Source {
    Null,
    /// Memory that is no string's, at an odd address or not.
    Outside {
        bytes: Vec<u8>,
        is_odd: bool,
    },
    /// So many bytes into a string.
    Inside(Any, u16),
}

/// A length, in whichever units are asked for.
#[derive(Clone, Copy, Debug, Arbitrary)]
enum Len {
    Short(u8),
    Long(u16),
    /// From the longest that a string of units can have.
    NearMostUnits(i8),
    /// From the longest that a string of bytes can have.
    NearMostBytes(i8),
    /// From where twice as many do not fit.
    NearHalf(i8),
    /// Before the largest number.
    NearEnd(u8),
    Any(u32),
}

impl Len {
    fn get(self) -> u32 {
        let most: u32 = if HEADER == 8 {
            0xFFFF_FFE6
        } else {
            0xFFFF_FFEA
        };
        match self {
            Self::Short(len) => len.into(),
            Self::Long(len) => len.into(),
            Self::NearMostUnits(by) => (most / 2).saturating_add_signed(by.into()),
            Self::NearMostBytes(by) => most.saturating_add_signed(by.into()),
            Self::NearHalf(by) => 0x8000_0000_u32.saturating_add_signed(by.into()),
            Self::NearEnd(by) => u32::MAX - u32::from(by),
            Self::Any(len) => len,
        }
    }
}

#[derive(Debug, Arbitrary)]
enum Op {
    AllocString(At, Source),
    AllocStringLen(At, Source, Len),
    AllocStringByteLen(At, Source, Len),
    ReAllocString(At, Source),
    ReAllocStringLen(At, Source, Len),
    /// Without a place for the string.
    ReAllocNowhere(Source, Len),
    Free(At),
    /// What the prefix says is changed.
    SetPrefix(At, Len),
    RestorePrefix(At),
    /// What the prefix says is changed, and then the string is reallocated from so far inside itself.
    ReAllocLiar(At, Len, u8, Len),
    /// A byte of the data is written.
    Write(At, u16, u8),
    Pin(Any),
    Unpin(Any),
    /// A string with a prefix and nothing else, as C code has them on its stack.
    Measure(Len),
    /// From now on there is no memory, or there is again.
    Memory(bool),
}
impl SysOps {
    /// Runs the scenario.
    pub fn run(self) {
        if !self.is_strict {
            return self.program.run(&Process);
        }
        let ole = OleAut::new(Portable::new(Limited::new(Strict::new(Global))));
        let heap = ole.backend().heap();
        self.program.run_over(&ole, Some(heap));
        assert_eq!(heap.below().live(), 0, "blocks that never came back");
        heap.below().check();
    }
}

impl Program {
    pub(crate) fn run(self, ole: &dyn Ole) {
        self.run_over(ole, None);
    }

    fn run_over(self, ole: &dyn Ole, heap: Option<&Limited<Strict<Global>>>) {
        let mut model = Model::new(ole, heap);
        for op in &self.0 {
            model.step(op);
            model.check();
        }
        model.finish();
    }
}
