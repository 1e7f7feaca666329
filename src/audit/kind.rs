//! The ownership rules that an audit knows, one [`Kind`] each, and what there is to say of them.

use core::fmt;

/// Which ownership rule was broken.
///
/// | | kind | cause | cure |
/// |---|---|---|---|
/// | 1 | [`Leak`](Kind::Leak) | nobody freed the string | the owner frees it, on error paths too |
/// | 2 | [`DoubleFree`](Kind::DoubleFree) | two owners, or one who forgot | free once, by the owner |
/// | 3 | [`UseAfterFree`](Kind::UseAfterFree) | a pointer outlived its string | copy what is needed for longer |
/// | 4 | [`NotABstr`](Kind::NotABstr) | a literal, `malloc`'s memory, a variable never set | free only what was allocated |
/// | 5 | [`MovedPointer`](Kind::MovedPointer) | the pointer walked through the string | walk with a copy of it |
/// | 6 | [`Overrun`](Kind::Overrun) | a write behind the end | make more room first |
/// | 7 | [`Underrun`](Kind::Underrun) | a write before the start | leave the length to the allocator |
/// | 8 | [`InputFreed`](Kind::InputFreed) | the callee freed an \[in\] | the caller does that |
/// | 9 | [`InputChanged`](Kind::InputChanged) | the callee wrote to an \[in\] | work on a copy |
/// | 10 | [`InputKept`](Kind::InputKept) | the callee kept an \[in\] | keep a copy |
/// | 11 | [`OutputStillOwned`](Kind::OutputStillOwned) | the callee answered what it keeps | answer a copy |
/// | 12 | [`OutputForeign`](Kind::OutputForeign) | the callee answered a literal | allocate the answer |
/// | 13 | [`OutputOverwritten`](Kind::OutputOverwritten) | an \[out\] slot held a string | free it before the call |
/// | 14 | [`InOutNotFreed`](Kind::InOutNotFreed) | \[in, out\] replaced, the old one not freed | free it, or reallocate |
/// | 15 | [`InOutNotReplaced`](Kind::InOutNotReplaced) | \[in, out\] freed, and left there | store the new one, or NULL |
/// | 16 | [`OutputAfterFailure`](Kind::OutputAfterFailure) | a failing call answered | set the \[out\] to NULL |
/// | 17 | [`OutputNotSet`](Kind::OutputNotSet) | a call succeeded and did not answer | set the \[out\], to NULL at least |
/// | 18 | [`OutputTwice`](Kind::OutputTwice) | one string answered twice | a copy for each caller |
/// | 19 | [`AliasedSource`](Kind::AliasedSource) | a string reallocated from its own inside | `SysReAllocStringLen`, or a copy |
/// | 20 | [`NullSlot`](Kind::NullSlot) | `SysReAlloc…` without a place for the string | pass the variable's address |
/// | 21 | [`SourceTooShort`](Kind::SourceTooShort) | more asked for than the source has | ask for its length |
/// | 22 | [`EmbeddedNul`](Kind::EmbeddedNul) | `SysAllocString` stopped at a NUL inside | `SysAllocStringLen` |
/// | 23 | [`UnbalancedPin`](Kind::UnbalancedPin) | pins and releases differ in number | one release a pin |
/// | 24 | [`LiveResult`](Kind::LiveResult) | `VarBstrCat(a, b, &a)` | a variable of its own for the result |
/// | 25 | [`WrongDeallocator`](Kind::WrongDeallocator) | `free`, `CoTaskMemFree` | `SysFreeString` |
/// | 26 | [`Uninitialized`](Kind::Uninitialized) | a new string handed over unwritten | write it first |
/// | 27 | [`AllocationFailure`](Kind::AllocationFailure) | no memory, and the code gave up | handle NULL |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A string was never freed.
    Leak,
    /// A string was freed twice.
    DoubleFree,
    /// A string was used after it was freed: a call with it, or a write into it.
    UseAfterFree,
    /// Something was freed or reallocated that is no BSTR.
    NotABstr,
    /// A pointer into the middle of a string was freed or reallocated.
    MovedPointer,
    /// Something wrote behind a string's end.
    Overrun,
    /// A string's length prefix was changed behind the allocator's back.
    Underrun,
    /// A callee freed a string that it was lent as \[in\].
    InputFreed,
    /// A callee changed or reallocated a string that it was lent as \[in\].
    InputChanged,
    /// A callee kept a string that it was lent as \[in\], and used it after its owner had freed it.
    InputKept,
    /// A callee answered with a string that it still owns: one that is older than the call.
    OutputStillOwned,
    /// A callee answered with something that is no BSTR.
    OutputForeign,
    /// An \[out\] parameter overwrote a string that was not freed before.
    OutputOverwritten,
    /// A callee replaced an \[in, out\] string without freeing the old one.
    InOutNotFreed,
    /// A callee freed an \[in, out\] string and left the pointer to it there.
    InOutNotReplaced,
    /// A call failed and left its \[out\] parameter non-NULL.
    OutputAfterFailure,
    /// A call succeeded without setting its \[out\] parameter.
    OutputNotSet,
    /// One string was handed out twice.
    OutputTwice,
    /// `SysReAllocString` was given a source inside the string itself.
    AliasedSource,
    /// `SysReAllocString` or `SysReAllocStringLen` was given no place for the string.
    NullSlot,
    /// More was to be copied from a string than it has.
    SourceTooShort,
    /// `SysAllocString` cut a string off at a NUL inside it.
    EmbeddedNul,
    /// Pins and releases do not balance.
    UnbalancedPin,
    /// A result was to be stored over a string that is still alive.
    LiveResult,
    /// A string's memory was released by something other than `SysFreeString`.
    WrongDeallocator,
    /// A string was handed over that nobody had written anything to.
    Uninitialized,
    /// Code did not handle that a string could not be allocated.
    AllocationFailure,
}

/// What there is to say about a [`Kind`].
struct Words {
    /// A short name, in the manner of a lint.
    name: &'static str,
    /// What happened, in a sentence without its full stop.
    what: &'static str,
    /// The rule that was broken, and how to keep it.
    help: &'static str,
    /// The last part of the address of Microsoft's page about it.
    page: Page,
}

/// Microsoft's pages.
#[derive(Clone, Copy)]
enum Page {
    /// Who allocates and who frees, on the example of two functions.
    Ownership,
    /// The same for all of COM, \[in, out\] and failure included.
    ComRules,
    /// What a BSTR is.
    Bstr,
    /// A function of oleauto.h, in lower case.
    Function(&'static str),
}

impl Kind {
    const fn words(self) -> Words {
        use Page::{Bstr, ComRules, Function, Ownership};
        let (name, what, help, page) = match self {
            Self::Leak => (
                "leak",
                "a string was never freed",
                "whoever owns a BSTR frees it with SysFreeString, on error paths too: the caller \
                 frees what it allocated for an [in] parameter after the call, and what an [out] \
                 parameter or a return value gave it",
                Ownership,
            ),
            Self::DoubleFree => (
                "double-free",
                "a string was freed twice",
                "a BSTR has one owner at a time, who frees it once: a callee never frees an [in] \
                 string, and whoever hands a string out does not free it",
                Ownership,
            ),
            Self::UseAfterFree => (
                "use-after-free",
                "a string was used after it was freed",
                "a BSTR is gone once it is freed or reallocated: copy what is needed for longer, \
                 with SysAllocStringLen or BSTR::clone",
                Function("sysfreestring"),
            ),
            Self::NotABstr => (
                "not-a-bstr",
                "something was freed or reallocated that is no BSTR",
                "only what SysAllocString and its siblings returned may be given to SysFreeString \
                 and SysReAllocString: no literal, no memory of malloc, no variable that was \
                 never set",
                Function("sysfreestring"),
            ),
            Self::MovedPointer => (
                "moved-pointer",
                "a pointer into the middle of a string was freed or reallocated",
                "free a BSTR by the very pointer that was allocated: walk through the string \
                 with a copy of it",
                Function("sysfreestring"),
            ),
            Self::Overrun => (
                "overrun",
                "something wrote behind a string's end",
                "a BSTR has room for as many code units as were asked for and for the NUL behind \
                 them, which stays: SysReAllocStringLen makes more room",
                Bstr,
            ),
            Self::Underrun => (
                "underrun",
                "a string's length prefix was changed behind the allocator's back",
                "the four bytes before a BSTR's data are the allocator's: change a string's \
                 length with SysReAllocStringLen",
                Bstr,
            ),
            Self::InputFreed => (
                "input-freed",
                "a callee freed a string that it was only lent",
                "an [in] string is the caller's, who frees it after the call: the callee does not",
                Ownership,
            ),
            Self::InputChanged => (
                "input-changed",
                "a callee changed a string that it was only lent",
                "an [in] string is the caller's, and the callee only reads it: make a copy and \
                 change that, or declare the parameter [in, out]",
                Ownership,
            ),
            Self::InputKept => (
                "input-kept",
                "a callee kept a string that it was only lent",
                "an [in] string is gone when the caller frees it after the call: a callee that \
                 needs it for longer keeps a copy",
                Ownership,
            ),
            Self::OutputStillOwned => (
                "output-still-owned",
                "a callee answered with a string that it still owns",
                "what an [out] parameter gives is the caller's, who frees it: hand out a copy of \
                 what you keep, with SysAllocStringLen or BSTR::clone",
                Ownership,
            ),
            Self::OutputForeign => (
                "output-foreign",
                "a callee answered with something that is no BSTR",
                "the caller frees what an [out] parameter gives it: allocate the answer with \
                 SysAllocString, even where it is a literal",
                Ownership,
            ),
            Self::OutputOverwritten => (
                "output-overwritten",
                "an [out] parameter overwrote a string that was not freed",
                "a callee does not look at what is in an [out] parameter: free the string there \
                 before the call, as BSTR::put does",
                ComRules,
            ),
            Self::InOutNotFreed => (
                "inout-not-freed",
                "a callee replaced an [in, out] string without freeing the old one",
                "who puts a new string into an [in, out] parameter frees the old one first, or \
                 uses SysReAllocString",
                ComRules,
            ),
            Self::InOutNotReplaced => (
                "inout-not-replaced",
                "a callee freed an [in, out] string and left the pointer to it",
                "who frees the string in an [in, out] parameter stores the new one there, or NULL",
                ComRules,
            ),
            Self::OutputAfterFailure => (
                "output-after-failure",
                "a call failed and left its [out] parameter non-NULL",
                "a caller does not look at an [out] parameter after a failure, and frees nothing: \
                 free what there is, and set it to NULL",
                ComRules,
            ),
            Self::OutputNotSet => (
                "output-not-set",
                "a call succeeded without setting its [out] parameter",
                "a caller frees what is in an [out] parameter after a success: set it always, \
                 to NULL where there is nothing to say",
                ComRules,
            ),
            Self::OutputTwice => (
                "output-twice",
                "one string was handed out twice",
                "each caller frees the string that it is given: hand out a new copy every time",
                Ownership,
            ),
            Self::AliasedSource => (
                "aliased-source",
                "SysReAllocString was given a source inside the string itself",
                "the source may be freed before it is copied: use SysReAllocStringLen with the \
                 string's own pointer, or a copy",
                Function("sysreallocstring"),
            ),
            Self::NullSlot => (
                "null-slot",
                "SysReAllocString or SysReAllocStringLen was given no place for the string",
                "pass the address of the variable that holds the string; on Windows this crashes",
                Function("sysreallocstring"),
            ),
            Self::SourceTooShort => (
                "source-too-short",
                "more was to be copied from a string than it has",
                "ask for no more than SysStringLen or SysStringByteLen says, and mind which of \
                 units and bytes a function counts",
                Function("sysallocstringlen"),
            ),
            Self::EmbeddedNul => (
                "embedded-nul",
                "SysAllocString cut a string off at a NUL inside it",
                "a BSTR may have NULs anywhere: copy it with SysAllocStringLen and SysStringLen, \
                 or with BSTR::clone",
                Function("sysallocstring"),
            ),
            Self::UnbalancedPin => (
                "unbalanced-pin",
                "a string's pins and releases do not balance",
                "SysAddRefString and SysReleaseString come in pairs: a release without a pin frees \
                 nothing, SysFreeString does",
                Function("sysaddrefstring"),
            ),
            Self::LiveResult => (
                "live-result",
                "a result was to be stored over a string that is still alive",
                "VarBstrCat overwrites its result without freeing it, so VarBstrCat(a, b, &a) \
                 leaks a: give the result a variable of its own, and free a",
                Function("varbstrcat"),
            ),
            Self::WrongDeallocator => (
                "wrong-deallocator",
                "a string's memory was released by something other than SysFreeString",
                "a BSTR goes back where it came from, by SysFreeString: free, delete and \
                 CoTaskMemFree are for other memory",
                Function("sysfreestring"),
            ),
            Self::Uninitialized => (
                "uninitialized",
                "a string was handed over that nobody had written anything to",
                "SysAllocStringLen(NULL, n) leaves its contents unspecified: fill the string \
                 before it is used",
                Function("sysallocstringlen"),
            ),
            Self::AllocationFailure => (
                "allocation-failure",
                "code did not handle that a string could not be allocated",
                "the functions that allocate answer NULL, or FALSE, where there is no memory: \
                 look at it, and answer E_OUTOFMEMORY; the try_ functions of BSTR return an error",
                Function("sysallocstring"),
            ),
        };
        Words {
            name,
            what,
            help,
            page,
        }
    }

    /// A short name for the kind: `double-free`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.words().name
    }

    /// What happened, in a sentence without its full stop: `a string was freed twice`.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        self.words().what
    }

    /// The rule that was broken, and how to keep it.
    #[must_use]
    pub const fn help(self) -> &'static str {
        self.words().help
    }

    /// Microsoft's page about the rule.
    #[must_use]
    pub fn link(self) -> alloc::string::String {
        let page = match self.words().page {
            Page::Ownership => {
                "cpp/atl-mfc-shared/allocating-and-releasing-memory-for-a-bstr".into()
            }
            Page::ComRules => "windows/win32/com/memory-management-rules".into(),
            Page::Bstr => "previous-versions/windows/desktop/automat/bstr".into(),
            Page::Function(name) => {
                alloc::format!("windows/win32/api/oleauto/nf-oleauto-{name}")
            }
        };
        alloc::format!("https://learn.microsoft.com/{page}")
    }
}

/// The short name.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
