//! What an audit should know, and find: the rules said once more, over a plain list of strings.

use portable_bstr::audit::Kind;
use portable_bstr::sys::BSTR;
use std::collections::BTreeSet;

/// What a string's bytes are that nobody has written.
pub(super) const UNWRITTEN: u8 = 0xDC;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// Freed, and held by a pin.
    Pending,
    Freed,
}

/// A string, from its allocation to the session's end.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) raw: BSTR,
    pub(super) bytes: Vec<u8>,
    pub(super) state: State,
    pub(super) pins: usize,
    /// Whether the session knows it: not where another thread allocated it.
    pub(super) is_ours: bool,
    /// How often it was reallocated where it is.
    pub(super) generation: usize,
    /// How many calls there were before it.
    pub(super) epoch: usize,
    was_lent: bool,
    handed_over: Option<usize>,
    is_without_source: bool,
    was_moved: bool,
    /// What was written behind it, or into it after its free: the offsets from the data.
    pub(super) flipped: BTreeSet<usize>,
    /// The same of its prefix.
    pub(super) prefix: [bool; 4],
}

impl Text {
    /// The offset of the end of data and terminator.
    pub(super) fn end(&self) -> usize {
        self.bytes.len().next_multiple_of(2) + 2
    }

    pub(super) fn is_damaged(&self) -> bool {
        !self.flipped.is_empty() || self.prefix.contains(&true)
    }

    /// Whether nobody has written to it.
    pub(super) fn is_unwritten(&self) -> bool {
        let is_blank = |byte: &u8| *byte == UNWRITTEN;
        self.is_without_source && !self.bytes.is_empty() && self.bytes.iter().all(is_blank)
    }

    /// What a look at its surroundings finds.
    fn damage(&self) -> Option<Kind> {
        match self.state {
            _ if self.flipped.is_empty() => self.prefix.contains(&true).then_some(Kind::Underrun),
            State::Freed => Some(Kind::UseAfterFree),
            State::Live | State::Pending => Some(Kind::Overrun),
        }
    }
}

/// A call that runs.
struct Frame {
    epoch: usize,
    arguments: Vec<usize>,
}

/// A string as it was when it was lent.
pub(super) struct Lent {
    id: usize,
    generation: usize,
    bytes: Vec<u8>,
}

/// An \[out\] or \[in, out\] parameter.
pub(super) struct Slot {
    pub(super) before: BSTR,
    /// The string that the slot held, where the session knew it, and it could be lent or was live.
    known: Option<usize>,
    /// What it holds when the call returns: `None` where nobody has set it.
    pub(super) after: Option<BSTR>,
}

/// What a call was given.
pub(super) struct Started {
    epoch: usize,
    inputs: Vec<Lent>,
    pub(super) inouts: Vec<Slot>,
    pub(super) outputs: Vec<Slot>,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) texts: Vec<Text>,
    pub(super) expected: Vec<Kind>,
    epoch: usize,
    frames: Vec<Frame>,
    /// How many allocations were asked for, and which of them fails.
    pub(super) asked: u64,
    pub(super) fails: Option<u64>,
    pub(super) allocated: u64,
    pub(super) freed: u64,
}

impl Model {
    /// A session in which that allocation fails, counted from 1.
    pub(super) fn new(fails: Option<u64>) -> Self {
        Self {
            fails,
            ..Self::default()
        }
    }

    pub(super) fn accuse(&mut self, kind: Kind) {
        self.expected.push(kind);
    }

    pub(super) fn accuse_if(&mut self, is_wrong: bool, kind: Kind) {
        self.expected.extend(is_wrong.then_some(kind));
    }

    /// One more allocation. Answers whether it succeeds.
    pub(super) fn asks(&mut self) -> bool {
        self.asked += 1;
        self.fails != Some(self.asked)
    }

    /// A new string of the session's.
    pub(super) fn add(&mut self, raw: BSTR, bytes: Vec<u8>, is_without_source: bool) -> usize {
        assert!(!raw.is_null(), "there was memory");
        self.allocated += 1;
        self.texts.push(Text {
            raw,
            bytes,
            state: State::Live,
            pins: 0,
            is_ours: true,
            generation: 0,
            epoch: self.epoch,
            was_lent: false,
            handed_over: None,
            is_without_source,
            was_moved: false,
            flipped: BTreeSet::new(),
            prefix: [false; 4],
        });
        self.texts.len() - 1
    }

    /// A new string that the session does not know.
    pub(super) fn add_stranger(&mut self, raw: BSTR, bytes: Vec<u8>) {
        let id = self.add(raw, bytes, false);
        self.allocated -= 1;
        self.texts[id].is_ours = false;
    }

    /// What a use of a freed string is: as a rule `kind`, but where a callee had the string from an
    /// earlier call, it has kept an \[in\].
    pub(super) fn after_free(&mut self, id: usize, kind: Kind) {
        let text = &self.texts[id];
        let is_kept = self.frames.last().is_some_and(|call| {
            text.epoch < call.epoch && text.was_lent && !call.arguments.contains(&text.raw.addr())
        });
        self.accuse(if is_kept { Kind::InputKept } else { kind });
    }

    fn inspect(&mut self, id: usize) {
        self.expected.extend(self.texts[id].damage());
    }

    /// What was damaged is as it should be again.
    fn repair(&mut self, id: usize) {
        self.texts[id].flipped.clear();
        self.texts[id].prefix = [false; 4];
    }

    fn bury(&mut self, id: usize) {
        self.inspect(id);
        self.repair(id);
        self.texts[id].state = State::Freed;
        self.freed += 1;
    }

    fn end(&mut self, id: usize) {
        match self.texts[id].pins {
            0 => self.bury(id),
            _ => self.texts[id].state = State::Pending,
        }
    }

    /// A free, by this thread or by one that is in no call.
    pub(super) fn free(&mut self, id: usize, is_here: bool) {
        let text = &mut self.texts[id];
        if !text.is_ours {
            text.state = State::Freed;
        } else if text.state == State::Live {
            self.end(id);
        } else if is_here {
            self.after_free(id, Kind::DoubleFree);
        } else {
            self.accuse(Kind::DoubleFree);
        }
    }

    pub(super) fn pin(&mut self, id: usize) {
        if self.texts[id].state == State::Freed {
            return self.after_free(id, Kind::UseAfterFree);
        }
        self.texts[id].pins += 1;
    }

    pub(super) fn unpin(&mut self, id: usize) {
        let text = &mut self.texts[id];
        if text.state == State::Freed {
            return self.after_free(id, Kind::UseAfterFree);
        }
        if text.pins == 0 {
            return self.accuse(Kind::UnbalancedPin);
        }
        text.pins -= 1;
        if text.pins == 0 && text.state == State::Pending {
            self.bury(id);
        }
    }

    /// Whether a reallocation to so many bytes leaves the string where it is.
    pub(super) fn stays(&self, id: usize, bytes: usize, is_paged: bool) -> bool {
        let text = &self.texts[id];
        text.pins == 0 && bytes <= text.bytes.len() && !is_paged
    }

    /// A live string was reallocated where it is.
    pub(super) fn shrink(&mut self, id: usize, bytes: Vec<u8>) {
        self.inspect(id);
        self.repair(id);
        self.texts[id].bytes = bytes;
        self.texts[id].generation += 1;
    }

    /// A live string was reallocated elsewhere.
    pub(super) fn moved(&mut self, id: usize, raw: BSTR, bytes: Vec<u8>) {
        self.add(raw, bytes, false);
        self.texts[id].was_moved = true;
        self.end(id);
    }

    /// The session's string at an address, alive or not.
    fn at(&self, raw: BSTR) -> Option<usize> {
        self.texts
            .iter()
            .rposition(|text| text.raw == raw && text.is_ours)
    }

    fn lend(&mut self, raw: BSTR) -> Option<Lent> {
        let id = self.at(raw)?;
        if self.texts[id].state == State::Freed {
            self.after_free(id, Kind::UseAfterFree);
            return None;
        }
        self.accuse_if(self.texts[id].is_unwritten(), Kind::Uninitialized);
        let text = &mut self.texts[id];
        text.was_lent = true;
        Some(Lent {
            id,
            generation: text.generation,
            bytes: text.bytes.clone(),
        })
    }

    /// A call begins.
    pub(super) fn start(&mut self, inputs: &[BSTR], inouts: &[BSTR], outputs: &[BSTR]) -> Started {
        self.epoch += 1;
        let epoch = self.epoch;
        let lent: Vec<_> = inputs.iter().filter_map(|raw| self.lend(*raw)).collect();
        let inout = |before: &BSTR| Slot {
            before: *before,
            known: self.lend(*before).map(|lent| lent.id),
            after: Some(*before),
        };
        let given = inouts.iter().map(inout).collect();
        let output = |before: &BSTR| Slot {
            before: *before,
            known: self.at(*before).filter(|id| self.is_live(*id)),
            after: None,
        };
        let outputs = outputs.iter().map(output).collect();
        let arguments = inputs.iter().chain(inouts).map(|raw| raw.addr()).collect();
        self.frames.push(Frame { epoch, arguments });
        Started {
            epoch,
            inputs: lent,
            inouts: given,
            outputs,
        }
    }

    fn is_live(&self, id: usize) -> bool {
        self.texts[id].state == State::Live
    }

    /// The callee returns.
    pub(super) fn finish(&mut self, started: Started, is_success: bool) {
        self.frames.pop();
        for lent in &started.inputs {
            let text = &self.texts[lent.id];
            let is_same = text.generation == lent.generation && text.bytes == lent.bytes;
            match text.state {
                State::Live => self.accuse_if(!is_same, Kind::InputChanged),
                _ if text.was_moved => self.accuse(Kind::InputChanged),
                _ => self.accuse(Kind::InputFreed),
            }
        }
        let is_replaced = |slot: &&Slot| slot.after != Some(slot.before);
        let replaced: Vec<_> = started.inouts.iter().filter(is_replaced).collect();
        let given: Vec<_> = replaced.iter().map(|slot| slot.before).collect();
        let mut found = Vec::new();
        let mut answers = |model: &mut Self, answer: BSTR| {
            if !answer.is_null() {
                let is_given = given.contains(&answer);
                model.answer(answer, started.epoch, is_given, found.contains(&answer));
                found.push(answer);
            }
            found.clone()
        };
        for slot in &started.outputs {
            let Some(after) = slot.after else {
                self.accuse_if(is_success, Kind::OutputNotSet);
                continue;
            };
            let is_lost = slot.known.is_some_and(|id| self.is_live(id));
            self.accuse_if(is_lost, Kind::OutputOverwritten);
            if is_success {
                answers(self, after);
            } else {
                self.accuse_if(!after.is_null(), Kind::OutputAfterFailure);
            }
        }
        for slot in &started.inouts {
            let after = slot.after.expect("it is set from the start");
            if after == slot.before {
                let is_gone = slot.known.is_some_and(|id| !self.is_live(id));
                // Where another string lies there now, it was replaced.
                let is_same = slot.known == self.at(after);
                self.accuse_if(is_gone && is_same, Kind::InOutNotReplaced);
            } else {
                answers(self, after);
            }
        }
        let found = answers(self, std::ptr::null());
        for slot in replaced {
            let is_lost = slot.known.is_some_and(|id| self.is_live(id));
            let is_elsewhere = found.contains(&slot.before);
            self.accuse_if(is_lost && !is_elsewhere, Kind::InOutNotFreed);
        }
    }

    /// A call hands a string over, or something that is none.
    fn answer(&mut self, answer: BSTR, call: usize, is_given: bool, is_repeated: bool) {
        let Some(id) = self.at(answer) else {
            let is_strangers = self.texts.iter().any(|text| text.raw == answer);
            return self.accuse_if(!is_strangers, Kind::OutputForeign);
        };
        let text = &self.texts[id];
        let is_older = text.epoch < call && !is_given;
        let is_anothers = text.handed_over.is_some_and(|when| when < call);
        if text.state != State::Live {
            self.after_free(id, Kind::UseAfterFree);
        } else if is_repeated || (is_older && is_anothers) {
            self.accuse(Kind::OutputTwice);
        } else if is_older {
            self.accuse(Kind::OutputStillOwned);
        } else {
            self.accuse_if(text.is_unwritten(), Kind::Uninitialized);
        }
        self.texts[id].handed_over = Some(self.epoch);
    }

    /// The session ends.
    pub(super) fn close(&mut self) {
        for id in 0..self.texts.len() {
            let text = &self.texts[id];
            let (is_ours, pins) = (text.is_ours, text.pins);
            if is_ours {
                self.inspect(id);
                let is_freed = self.texts[id].state == State::Freed;
                self.accuse_if(pins > 0 && !is_freed, Kind::UnbalancedPin);
                self.accuse_if(self.is_live(id), Kind::Leak);
            }
        }
    }
}
