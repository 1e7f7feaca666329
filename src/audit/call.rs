//! A call with directions: what a callee may do with an \[in\], an \[out\] and an \[in, out\] string.

use super::current;
use super::guard;
use super::kind::Kind;
use super::record::{Order, Record, State};
use super::shared::Shared;
use super::site::{Frame, Site};
use super::text::Beginning;
use super::violation::{Action, Event, Violation};
use crate::bstr;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::panic::Location;
use core::ptr::NonNull;

/// A call of a COM-style function, whose directions the audit is told.
///
/// Code under audit runs as it is; with a `Call` around a call the audit knows whose each string is,
/// and sees what a callee must not do: free, change or keep an \[in\], answer what it still owns or
/// what is no BSTR, leave an \[out\] unset, or set after a failure, lose the old string of an
/// \[in, out\]. What it learns becomes part of each string's history, so that a later leak or double
/// free can tell the story.
///
/// While nobody watches, the code just runs. Calls may be nested and re-entered, on every thread.
///
/// # Examples
///
/// ```
/// use portable_bstr::audit::{self, Call, Kind};
/// use portable_bstr::{BSTR, bstr};
///
/// unsafe extern "system" fn get_status(out: *mut *const u16) -> i32 {
///     unsafe { *out = bstr!("ready").as_raw() }; // a literal: it is not the caller's to free
///     0
/// }
///
/// let ((), report) = audit::run(|| {
///     let mut status = std::ptr::null();
///     // SAFETY: the slot is there for the call.
///     let call = unsafe { Call::new("IBrowser::get_StatusText").out(&mut status) };
///     call.run(|| unsafe { get_status(&mut status) });
/// });
/// assert_eq!(report.violations()[0].kind(), Kind::OutputForeign);
/// ```
#[derive(Debug)]
#[must_use = "nothing is called before `run`"]
pub struct Call {
    name: String,
    location: &'static Location<'static>,
    inputs: Vec<*const u16>,
    outputs: Vec<*mut *const u16>,
    inouts: Vec<*mut *const u16>,
}

/// What a call returned: whether it succeeded.
///
/// An HRESULT as `i32` has where it is not negative, a `Result` where it is `Ok`, and `()` always.
pub trait Outcome {
    /// Whether the call succeeded.
    fn is_success(&self) -> bool;
}

impl Outcome for () {
    fn is_success(&self) -> bool {
        true
    }
}

impl Outcome for i32 {
    fn is_success(&self) -> bool {
        *self >= 0
    }
}

impl<T, E> Outcome for Result<T, E> {
    fn is_success(&self) -> bool {
        self.is_ok()
    }
}

impl Call {
    /// A call of the function of that name: `IBrowser::get_StatusText`.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        Self::at(name, Location::caller())
    }

    /// As [`new`](Call::new), made at `location`.
    pub(super) fn at(name: impl Into<String>, location: &'static Location<'static>) -> Self {
        Self {
            name: name.into(),
            location,
            inputs: Vec::new(),
            outputs: Vec::new(),
            inouts: Vec::new(),
        }
    }

    /// With an \[in\] string, which may be NULL: the caller's, before the call and after.
    pub fn input(mut self, string: *const u16) -> Self {
        self.inputs.push(string);
        self
    }

    /// With an \[out\] parameter, which may be NULL: the callee stores a string there, which is the
    /// caller's then.
    ///
    /// For the time of the call the slot holds a pointer of the audit's, to an empty string, so that
    /// it shows whether the callee sets it.
    ///
    /// # Safety
    ///
    /// `slot` is NULL, or may be read and written until [`run`](Call::run) returns.
    pub unsafe fn out(mut self, slot: *mut *const u16) -> Self {
        self.outputs.push(slot);
        self
    }

    /// With an \[in, out\] parameter, which may be NULL: the callee may replace the string in it, and
    /// frees the old one then.
    ///
    /// # Safety
    ///
    /// `slot` is NULL, or may be read and written until [`run`](Call::run) returns.
    pub unsafe fn inout(mut self, slot: *mut *const u16) -> Self {
        self.inouts.push(slot);
        self
    }

    /// Runs `code`, which makes the call, and returns what it returned.
    #[track_caller]
    pub fn run<R: Outcome>(self, code: impl FnOnce() -> R) -> R {
        self.run_at(Location::caller(), code)
    }

    /// As [`run`](Call::run), run at `location`.
    pub(super) fn run_at<R: Outcome>(
        self,
        location: &'static Location<'static>,
        code: impl FnOnce() -> R,
    ) -> R {
        let Some(session) = current::session() else {
            return code();
        };
        let started = Started::new(self, session, location);
        let result = {
            let _running = Arc::clone(&started.frame).enter();
            code()
        };
        started.finish(result.is_success());
        result
    }
}

/// What an \[out\] slot holds until the callee sets it.
fn sentinel() -> *const u16 {
    bstr!("").as_raw()
}

/// A string as it was when it was lent.
struct Lent {
    string: NonNull<u16>,
    order: Order,
    generation: u32,
    contents: Vec<u8>,
    history: Vec<Event>,
}

impl Lent {
    /// What the string was.
    fn before(&self) -> String {
        let bytes = u32::try_from(self.contents.len()).unwrap_or(u32::MAX);
        let text = Beginning::of(&self.contents).text(bytes);
        format!("before the call it was {text}, {bytes} bytes")
    }

    /// What a callee did to the string that it may not.
    fn broken(&self, record: &Record) -> Option<Kind> {
        if record.state == State::Live {
            // SAFETY: the string is alive, and the callee has returned.
            let contents = unsafe { guard::contents(record) };
            let is_same = record.generation() == self.generation && contents == self.contents;
            return (!is_same).then_some(Kind::InputChanged);
        }
        match record.ended_by() {
            Some(Action::Reallocated) => Some(Kind::InputChanged),
            _ => Some(Kind::InputFreed),
        }
    }
}

/// The strings that a call hands over.
struct Answers {
    /// Those that it was given to do with as it likes.
    given: Vec<*const u16>,
    /// Those that were found so far.
    found: Vec<*const u16>,
}

/// A slot and what it held before the call.
struct Slot {
    slot: *mut *const u16,
    before: *const u16,
    /// Which string that was, where the session knows it and it was alive.
    order: Option<Order>,
}

/// A call between its start and its end.
struct Started {
    session: Arc<Shared>,
    frame: Arc<Frame>,
    /// Where the call was described, and so where strings are lent.
    made: Site,
    /// Where it was run, and so where strings are handed over.
    run: Site,
    lent: Vec<Lent>,
    outputs: Vec<Slot>,
    inouts: Vec<Slot>,
}

impl Started {
    fn new(call: Call, session: Arc<Shared>, run: &'static Location<'static>) -> Self {
        let slots = |slots: Vec<*mut *const u16>| {
            let slots = slots.into_iter().filter(|slot| !slot.is_null());
            slots.map(|slot| {
                // SAFETY: it is not NULL, so it may be read, as the caller of `out` or `inout` promised.
                let before = unsafe { slot.read() };
                (slot, before)
            })
        };
        let outputs: Vec<_> = slots(call.outputs).collect();
        let inouts: Vec<_> = slots(call.inouts).collect();
        let inputs = call.inputs.iter().copied();
        let arguments = inputs.chain(inouts.iter().map(|(_, before)| *before));
        let frame = Arc::new(Frame {
            name: call.name,
            arguments: arguments.map(<*const u16>::addr).collect(),
            epoch: session.next_epoch(),
        });
        let mut started = Self {
            session,
            made: Site::of_call(call.location, &frame),
            run: Site::of_call(run, &frame),
            frame,
            lent: Vec::new(),
            outputs: Vec::new(),
            inouts: Vec::new(),
        };
        for string in call.inputs {
            let lent = NonNull::new(string.cast_mut()).and_then(|string| started.lend(string));
            started.lent.extend(lent);
        }
        for (slot, before) in inouts {
            let lent = NonNull::new(before.cast_mut()).and_then(|string| started.lend(string));
            let order = lent.map(|lent| lent.order);
            let slot = Slot {
                slot,
                before,
                order,
            };
            started.inouts.push(slot);
        }
        for (slot, before) in outputs {
            let order = started.look(before, |record| {
                (record.state == State::Live).then_some(record.order())
            });
            // SAFETY: it is not NULL, so it may be written, as the caller of `out` promised.
            unsafe { slot.write(sentinel()) };
            let slot = Slot {
                slot,
                before,
                order: order.flatten(),
            };
            started.outputs.push(slot);
        }
        started
    }

    fn event(&self, action: Action) -> Event {
        let site = match action {
            Action::Lent => &self.made,
            _ => &self.run,
        };
        Event::new(action, site.clone())
    }

    /// Looks at the record of a string of this session.
    fn look<R>(&self, string: *const u16, look: impl FnOnce(&mut Record) -> R) -> Option<R> {
        let address = string.addr();
        let mut shard = self.session.ledger.shard(address).lock();
        shard.get_mut(address).map(look)
    }

    /// Notes that `string` is lent, and how it is now, where the session knows it.
    fn lend(&self, string: NonNull<u16>) -> Option<Lent> {
        let event = self.event(Action::Lent);
        self.look(string.as_ptr(), |record| {
            if record.state == State::Freed {
                let kind = record.after_free(Kind::UseAfterFree);
                self.session.accuse(kind, record, Some(event));
                return None;
            }
            self.expect_written(record, &event);
            record.note(event);
            Some(Lent {
                string,
                order: record.order(),
                generation: record.generation(),
                // SAFETY: the string is alive, and nobody writes to it while it is lent.
                contents: unsafe { guard::contents(record) }.to_vec(),
                history: record.history(),
            })
        })?
    }

    /// A string that is handed over has to have been written.
    fn expect_written(&self, record: &Record, event: &Event) {
        // SAFETY: the string is alive, and nobody writes to it while it is handed over.
        if unsafe { guard::is_unwritten(record) } {
            let event = Some(event.clone());
            self.session.accuse(Kind::Uninitialized, record, event);
        }
    }

    fn finish(mut self, is_success: bool) {
        for lent in core::mem::take(&mut self.lent) {
            self.judge_input(lent);
        }
        // What stood in an [in, out] slot and does no more, the callee may put into another one.
        let inouts = core::mem::take(&mut self.inouts);
        // SAFETY: each slot is not NULL, so it may be read, as the caller of `inout` promised.
        let is_moved = |slot: &&Slot| unsafe { slot.slot.read() } != slot.before;
        let given: Vec<_> = inouts
            .iter()
            .filter(is_moved)
            .map(|slot| slot.before)
            .collect();
        let mut answers = Answers {
            given,
            found: Vec::new(),
        };
        let mut replaced = Vec::new();
        for Slot {
            slot,
            before,
            order,
        } in core::mem::take(&mut self.outputs)
        {
            // SAFETY: it is not NULL, so it may be read, as the caller of `out` promised.
            let after = unsafe { slot.read() };
            if after == sentinel() {
                // SAFETY: as above, and written.
                unsafe { slot.write(before) };
                if is_success {
                    let event = self.event(Action::Called);
                    self.session
                        .accuse_other(Kind::OutputNotSet, slot.addr(), event);
                }
                continue;
            }
            self.judge_overwritten(before, order, Kind::OutputOverwritten);
            if is_success {
                self.judge_answer(after, &mut answers);
            } else if !after.is_null() {
                self.accuse_answer(Kind::OutputAfterFailure, after);
            }
        }
        for Slot {
            slot,
            before,
            order,
        } in inouts
        {
            // SAFETY: it is not NULL, so it may be read, as the caller of `inout` promised.
            let after = unsafe { slot.read() };
            if after == before {
                self.judge_kept(before, order);
            } else {
                replaced.push((before, order));
                self.judge_answer(after, &mut answers);
            }
        }
        for (before, order) in replaced {
            if !answers.found.contains(&before) {
                self.judge_overwritten(before, order, Kind::InOutNotFreed);
            }
        }
    }

    /// Whether an \[in\] string is what it was.
    fn judge_input(&self, lent: Lent) {
        let known = self.look(lent.string.as_ptr(), |record| {
            let is_same = record.order() == lent.order;
            if let (true, Some(kind)) = (is_same, lent.broken(record)) {
                let notes = match kind {
                    Kind::InputChanged => vec![lent.before()],
                    _ => Vec::new(),
                };
                self.session.accuse_with(kind, record, None, notes);
            }
            is_same
        });
        if known != Some(true) {
            // Freed, and even out of quarantine.
            self.session.report(Violation::of_gone(
                Kind::InputFreed,
                lent.string.addr().get(),
                &lent.contents,
                lent.history,
            ));
        }
    }

    /// Whether the string that a slot held before the call is still alive, though the slot holds
    /// another.
    fn judge_overwritten(&self, before: *const u16, order: Option<Order>, kind: Kind) {
        let Some(order) = order else { return };
        let event = self.event(Action::Called);
        self.look(before, |record| {
            if record.order() == order && record.state == State::Live {
                self.session.accuse(kind, record, Some(event));
            }
        });
    }

    /// Whether the string that an \[in, out\] slot held before the call, and holds still, is alive.
    fn judge_kept(&self, before: *const u16, order: Option<Order>) {
        let Some(order) = order else { return };
        let known = self.look(before, |record| {
            if record.order() == order && record.state != State::Live {
                self.session.accuse(Kind::InOutNotReplaced, record, None);
            }
        });
        if known.is_none() {
            self.accuse_answer(Kind::InOutNotReplaced, before);
        }
    }

    /// Whether a string may be handed over to the caller.
    fn judge_answer(&self, answer: *const u16, answers: &mut Answers) {
        if answer.is_null() {
            return;
        }
        let event = self.event(Action::HandedOver);
        let is_repeated = answers.found.contains(&answer);
        let is_given = answers.given.contains(&answer);
        answers.found.push(answer);
        let known = self.look(answer, |record| {
            let is_older = record.epoch < self.frame.epoch && !is_given;
            let is_another_callers = record
                .handed_over()
                .is_some_and(|when| when < self.frame.epoch);
            let kind = match record.state {
                State::Freed | State::Pending | State::Gone => {
                    Some(record.after_free(Kind::UseAfterFree))
                }
                State::Live if is_repeated || (is_older && is_another_callers) => {
                    Some(Kind::OutputTwice)
                }
                State::Live if is_older => Some(Kind::OutputStillOwned),
                State::Live => None,
            };
            match kind {
                Some(kind) => self.session.accuse(kind, record, Some(event.clone())),
                None => self.expect_written(record, &event),
            }
            record.rare().handed_over = Some(self.session.epoch());
            record.note(event.clone());
        });
        if known.is_none() && !current::is_known(answer.addr()) {
            self.session
                .accuse_other(Kind::OutputForeign, answer.addr(), event);
        }
    }

    /// Notes that an answer, which may be any pointer, broke a rule.
    fn accuse_answer(&self, kind: Kind, answer: *const u16) {
        let event = self.event(Action::HandedOver);
        let known = self.look(answer, |record| {
            self.session.accuse(kind, record, Some(event.clone()));
        });
        if known.is_none() {
            self.session.accuse_other(kind, answer.addr(), event);
        }
    }
}

/// Where the call panicked: what the callee did not set is as it was.
impl Drop for Started {
    fn drop(&mut self) {
        for slot in &self.outputs {
            // SAFETY: it is not NULL, so it may be read, as the caller of `out` promised.
            if unsafe { slot.slot.read() } == sentinel() {
                // SAFETY: as above, and written.
                unsafe { slot.slot.write(slot.before) };
            }
        }
    }
}
