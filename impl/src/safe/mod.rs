//! The *safe face*: for embedders. What would break a rule does not compile where types can
//! tell, and is refused with an [`Error`] that names the rule where they cannot.
//!
//! A [`Runtime`] owns everything; dropping it ends what is left. An [`Interpreter`] is a handle
//! that can be cloned and sent anywhere. To do something in an interpreter, any OS thread
//! *attaches* to it: [`Interpreter::attach`] takes its GIL, runs a closure, and drops the GIL,
//! also if the closure panics. The closure is handed a [`Token`], which stands for holding that
//! GIL:
//!
//! - what needs the GIL needs `&Token`;
//! - what drops it in between, if only for a moment ([`poll`](Token::poll),
//!   [`detach`](Token::detach), [`attach_other`](Token::attach_other)), needs `&mut Token`: no
//!   reference into the interpreter is alive then;
//! - its lifetime is invariant and of this closure alone, so that it cannot leave it, nor be
//!   taken for the token of another. A [`Here`] is bound to that lifetime; a [`Kept`] lives longer,
//!   and compares interpreters when it is used.
//!
//! ```
//! use cloister::safe::{Error, InterpreterConfig, Runtime, Settings};
//! use std::thread;
//!
//! let runtime = Runtime::start(Settings::default())?;
//! let worker = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
//! let sum = worker.attach(|token| token.keep(0))?;
//! thread::scope(|scope| {
//!     for amount in 1..=4 {
//!         let (worker, sum) = (&worker, &sum);
//!         scope.spawn(move || worker.attach(|token| *sum.get_mut(token).unwrap() += amount));
//!     }
//! });
//! assert_eq!(worker.attach(|token| *sum.get(token).unwrap())?, 10);
//! worker.end()?;
//! assert_eq!(worker.attach(|_| ()), Err(Error::Ended));
//! # Ok::<(), Error>(())
//! ```
//!
//! An *object* lies in the heap of the interpreter, and counts the references to it: an [`Obj`] is one
//! of those, bound to the lifetime of a token, and a [`KeptObj`] is one that lives longer. What
//! interpreters share is [`Immortal`].
//!
//! An OS thread gets a thread state in an interpreter when it first attaches to it, and keeps
//! it; ending the interpreter cleans up those that nobody uses. While it is inside a closure an
//! OS thread is attached to one runtime, and neither another runtime nor the raw face lets it in.
//!
//! What types stop, with what the compiler says, is in `tests/compile_fail/`.

mod cells;
mod desk;
mod error;
mod interpreter;
mod obj;
mod runtime;
mod seat;
mod shared;
mod token;

pub use cells::{Here, Kept};
pub use error::Error;
pub use interpreter::Interpreter;
pub use obj::{FALSE, Immortal, KeptObj, NONE, NoMemory, Obj, Shareable, TRUE, small_int};
pub use runtime::Runtime;
pub use token::Token;

pub use crate::home::Left;
pub use crate::runtime::Settings;
pub use cloister_specs::{CreationError, InterpreterConfig, Refusal, Rule};

use std::marker::PhantomData;

/// Makes a type invariant in `'i`: no other lifetime can stand in for it, longer or shorter.
type Brand<'i> = PhantomData<fn(&'i ()) -> &'i ()>;

/// Keeps a type in its OS thread.
type NotSend = PhantomData<*const ()>;
