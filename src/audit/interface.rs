//! Programs of calls: what a fuzzer runs against somebody's own functions.

use super::call::{Call, Outcome};
use super::report::Report;
use super::session::Session;
use super::sweep::{Sweep, sweep};
use crate::string::BSTR;
use crate::sys::SysFreeString;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::iter::repeat_n;
use core::panic::Location;

/// Functions of one's own that take and give strings, so that [programs](Program) of calls can be run
/// against them under audit.
///
/// `T` is what the functions work on, and where they keep strings from one call to the next: an object
/// with its properties. Each program has a new one.
///
/// The caller that runs a program is a good one. Its \[in\] strings are freed after the call, what it
/// gets it frees at once or, when the object is gone, in the end; slots are never NULL, and \[out\]
/// ones hold NULL. So the report is about the functions. After a mistake the caller goes on
/// as if nothing had happened, and what follows from the mistake, such as a double free, is reported
/// too.
///
/// # Examples
///
/// A program from `proptest` is in [the chapter about fuzzing](super#fuzzing-your-own-code). Here is one
/// written by hand:
///
/// ```
/// use portable_bstr::audit::{Interface, Kind};
/// use portable_bstr::{BSTR, BstrOut, BstrRef, bstr};
///
/// struct Browser(BSTR);
///
/// extern "system" fn put_status(browser: &mut Browser, text: BstrRef<'_>) -> i32 {
///     browser.0 = (*text).clone();
///     0
/// }
///
/// extern "system" fn get_status(browser: &mut Browser, text: BstrOut<'_>) -> i32 {
///     // A mistake: the browser still has it.
///     text.write(unsafe { BSTR::from_raw(browser.0.as_raw()) }).map_or(-1, |()| 0)
/// }
///
/// let interface = Interface::new(|| Browser(BSTR::new()))
///     .method("put_Status", |browser, [text], [], []| {
///         put_status(browser, unsafe { BstrRef::from_raw(text) })
///     })
///     .method("get_Status", |browser, [], [text], []| {
///         get_status(browser, unsafe { BstrOut::from_raw(text) })
///     });
///
/// let program = interface.program([(0, vec![bstr!("ready").clone()], false), (1, vec![], false)]);
/// assert_eq!(format!("{program:?}"), r#"[put_Status([in] "ready"), get_Status([out])]"#);
/// let report = interface.run(&program);
/// assert_eq!(report.violations()[0].kind(), Kind::OutputStillOwned);
/// ```
pub struct Interface<T> {
    object: Box<dyn Fn() -> T>,
    methods: Vec<Method<T>>,
}

/// A function, and how it is called.
struct Method<T> {
    signature: Signature,
    location: &'static Location<'static>,
    code: Box<Code<T>>,
}

/// Calls a function with its \[in\], \[out\] and \[in, out\] parameters, and says whether it succeeded.
type Code<T> = dyn Fn(&mut T, &[*const u16], &[*mut *const u16], &[*mut *const u16]) -> bool;

/// A function's name, and how many parameters of each direction it has.
#[derive(Clone, Copy)]
struct Signature {
    name: &'static str,
    inputs: usize,
    outputs: usize,
    inouts: usize,
}

impl Signature {
    /// How many strings a caller brings.
    fn strings(self) -> usize {
        self.inputs + self.inouts
    }
}

/// A program: calls of the functions of an [`Interface`], one after the other.
///
/// `Debug` writes the calls with their directions and strings, and `keep` before those whose answers
/// the caller keeps until the end.
#[derive(Clone)]
pub struct Program {
    steps: Vec<Step>,
}

/// One call.
#[derive(Clone)]
struct Step {
    method: usize,
    signature: Signature,
    /// The strings for the \[in\] parameters, and behind them for the \[in, out\] ones.
    strings: Vec<BSTR>,
    /// Whether the caller keeps what it gets until the end.
    keeps: bool,
}

impl<T> Interface<T> {
    /// No functions yet, over objects as `object` makes them.
    pub fn new(object: impl Fn() -> T + 'static) -> Self {
        Self {
            object: Box::new(object),
            methods: Vec::new(),
        }
    }

    /// With one more function.
    ///
    /// `code` calls it, with the object, the \[in\] strings, the \[out\] slots and the \[in, out\]
    /// slots. How many there are of each is what `code` takes: `|object, [text], [], []|` has one
    /// \[in\]. The pointers may be used as in a call of the function itself: the strings are NULL or live,
    /// and the slots may be read and written, until `code` returns.
    #[track_caller]
    #[must_use]
    pub fn method<const IN: usize, const OUT: usize, const IN_OUT: usize, R: Outcome>(
        mut self,
        name: &'static str,
        code: impl Fn(&mut T, [*const u16; IN], [*mut *const u16; OUT], [*mut *const u16; IN_OUT]) -> R
        + 'static,
    ) -> Self {
        let signature = Signature {
            name,
            inputs: IN,
            outputs: OUT,
            inouts: IN_OUT,
        };
        let code = move |object: &mut T, inputs: &[_], outputs: &[_], inouts: &[_]| {
            let (inputs, outputs, inouts) = (array(inputs), array(outputs), array(inouts));
            code(object, inputs, outputs, inouts).is_success()
        };
        self.methods.push(Method {
            signature,
            location: Location::caller(),
            code: Box::new(code),
        });
        self
    }

    /// A program of calls: each with the number of the function, the strings that the caller brings, and
    /// whether it keeps what it gets until the end.
    ///
    /// Anything makes a program, so that a fuzzer may choose freely: a number that no function has
    /// counts on from the first again, strings that are missing are NULL, and spare ones are left out.
    pub fn program(&self, calls: impl IntoIterator<Item = (usize, Vec<BSTR>, bool)>) -> Program {
        let step = |(number, mut strings, keeps): (usize, Vec<BSTR>, bool)| {
            let method = number.checked_rem(self.methods.len())?;
            let signature = self.methods[method].signature;
            strings.resize(signature.strings(), BSTR::new());
            let has_answers = signature.outputs + signature.inouts > 0;
            Some(Step {
                method,
                signature,
                strings,
                keeps: keeps && has_answers,
            })
        };
        Program {
            steps: calls.into_iter().filter_map(step).collect(),
        }
    }

    /// How many functions there are, and how many strings a caller brings to each.
    #[cfg(feature = "proptest")]
    pub(crate) fn strings(&self) -> impl Iterator<Item = usize> {
        let methods = self.methods.iter();
        methods.map(|method| method.signature.strings())
    }

    /// Runs `program` with a new object under audit, in a session of its own.
    ///
    /// # Panics
    ///
    /// Where `program` was made for another interface.
    #[track_caller]
    pub fn run(&self, program: &Program) -> Report {
        let session = Session::builder().start();
        self.drive(program);
        session.finish()
    }

    /// Runs `program` again and again, each time with another allocation failing, as
    /// [`sweep`](super::sweep()) does. Where the caller's own fails it passes NULL.
    ///
    /// # Panics
    ///
    /// As [`run`](Interface::run) does, and where a function panics though no allocation failed.
    pub fn sweep(&self, program: &Program) -> Sweep {
        sweep(|| self.drive(program))
    }

    #[track_caller]
    fn drive(&self, program: &Program) {
        let mut object = (self.object)();
        let mut kept = Vec::new();
        for step in &program.steps {
            let answers = self.methods[step.method].call(&mut object, step);
            kept.extend(answers.into_iter().flatten());
        }
        drop(object);
        for answer in kept {
            free(answer);
        }
    }
}

impl<T> Method<T> {
    /// Makes the call, and answers with what the caller keeps.
    #[track_caller]
    fn call(&self, object: &mut T, step: &Step) -> Option<Vec<BSTR>> {
        let mut strings = Vec::new();
        for string in &step.strings {
            strings.push(string.try_clone().unwrap_or_default());
        }
        let mut replaced = strings.split_off(self.signature.inputs);
        let mut answers: Vec<_> = repeat_n(BSTR::new(), self.signature.outputs).collect();

        let inputs: Vec<_> = strings.iter().map(BSTR::as_raw).collect();
        let outputs: Vec<_> = answers.iter_mut().map(BSTR::as_inout).collect();
        let inouts: Vec<_> = replaced.iter_mut().map(BSTR::as_inout).collect();
        let mut call = Call::at(self.signature.name, self.location);
        for input in &inputs {
            call = call.input(*input);
        }
        for slot in &outputs {
            // SAFETY: the slot is a string's that outlives the call, and is used by nobody else.
            call = unsafe { call.out(*slot) };
        }
        for slot in &inouts {
            // SAFETY: as above.
            call = unsafe { call.inout(*slot) };
        }
        let outcome = call.run_at(self.location, || {
            let is_success = (self.code)(object, &inputs, &outputs, &inouts);
            is_success.then_some(()).ok_or(())
        });

        for string in strings {
            free(string);
        }
        if outcome.is_err() {
            // There is nothing in them, and nobody looks.
            answers.drain(..).for_each(|answer| _ = answer.into_raw());
        }
        answers.extend(replaced);
        if step.keeps {
            return Some(answers);
        }
        for answer in answers {
            free(answer);
        }
        None
    }
}

/// Frees a string, and unlike its destructor knows who does.
#[track_caller]
fn free(string: BSTR) {
    // SAFETY: it was just given up by its owner.
    unsafe { SysFreeString(string.into_raw()) };
}

/// The pointers, as many as the function has parameters.
fn array<P: Copy, const N: usize>(pointers: &[P]) -> [P; N] {
    let pointers = <[P; N]>::try_from(pointers);
    pointers.expect("the program was made for this interface")
}

impl<T> fmt::Debug for Interface<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.methods.iter().map(|method| method.signature.name);
        f.debug_list().entries(names).finish()
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.steps).finish()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inputs, inouts) = self.strings.split_at(self.signature.inputs);
        let inputs = inputs.iter().map(|string| format!("[in] {string:#?}"));
        let outputs = repeat_n("[out]".to_string(), self.signature.outputs);
        let inouts = inouts.iter().map(|string| format!("[in, out] {string:#?}"));
        let arguments: Vec<_> = inputs.chain(outputs).chain(inouts).collect();
        let keep = if self.keeps { "keep " } else { "" };
        write!(f, "{keep}{}({})", self.signature.name, arguments.join(", "))
    }
}
