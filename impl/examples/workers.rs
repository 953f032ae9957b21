//! Two isolated interpreters, each with a worker thread of its own.
//!
//! The main thread hands out work over channels and is attached to nothing. A worker waits for
//! work detached, computes attached, and polls between two steps, so that whoever else comes to
//! its interpreter gets a turn. What a worker finds is kept with its interpreter, where the main
//! thread reads it in the end.
//!
//!     cargo run -p cloister --example workers

use cloister::safe::{Error, Interpreter, InterpreterConfig, Kept, Runtime, Settings};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::thread::{self, JoinHandle};

/// How often each length of a Collatz sequence came up.
type Lengths = BTreeMap<u32, u32>;

/// What went wrong.
#[derive(Debug)]
pub enum Failure {
    /// The runtime refused something.
    Refused(Error),
    /// A worker ended too early.
    Gone,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(error) => error.fmt(f),
            Failure::Gone => f.write_str("a worker ended too early"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Refused(error)
    }
}

impl<T> From<SendError<T>> for Failure {
    fn from(_: SendError<T>) -> Self {
        Failure::Gone
    }
}

/// A worker thread and its interpreter, as the main thread has them.
struct Worker {
    name: &'static str,
    interp: Interpreter,
    lengths: Arc<Kept<Lengths>>,
    work: Sender<u64>,
    done: JoinHandle<Result<u32, Error>>,
}

impl Worker {
    fn start(runtime: &Runtime, name: &'static str) -> Result<Worker, Failure> {
        let interp = runtime.new_interpreter(&InterpreterConfig::ISOLATED)?;
        let lengths = Arc::new(interp.attach(|token| token.keep(Lengths::new()))?);
        let (work, received) = channel();
        let done = thread::spawn({
            let (interp, lengths) = (interp.clone(), Arc::clone(&lengths));
            move || serve(&interp, &lengths, &received)
        });
        Ok(Worker { name, interp, lengths, work, done })
    }

    /// Waits until all is done, tells what came of it, and ends the interpreter.
    fn finish(self, out: &mut String) -> Result<(), Failure> {
        drop(self.work);
        let pieces = self.done.join().map_err(|_| Failure::Gone)??;
        let id = self.interp.id().unwrap_or_default();
        let (sequences, longest) = self.interp.attach(|token| {
            let lengths = self.lengths.get(token)?;
            Ok::<_, Error>((lengths.values().sum::<u32>(), lengths.keys().max().copied().unwrap_or(0)))
        })??;
        self.interp.end()?;
        let ended = self.interp.attach(|_| ()).is_err_and(|error| error == Error::Ended);
        let ended = if ended { "ended" } else { "live" };
        let _ = writeln!(out, "{:<8} {id:>2} {pieces:>7} {sequences:>10} {longest:>8} {ended}", self.name);
        Ok(())
    }
}

/// What a worker thread does; answers how many pieces of work it was given.
fn serve(interp: &Interpreter, lengths: &Kept<Lengths>, work: &Receiver<u64>) -> Result<u32, Error> {
    let mut pieces = 0;
    interp.attach(|token| {
        while let Ok(hundred) = token.detach(|| work.recv()) {
            for start in hundred * 100 + 1..=(hundred + 1) * 100 {
                let length = collatz(start);
                *lengths.get_mut(token)?.entry(length).or_default() += 1;
                token.poll();
            }
            pieces += 1;
        }
        Ok(pieces)
    })?
}

/// How many steps it takes from there to 1.
fn collatz(start: u64) -> u32 {
    let next = |n: &u64| (*n > 1).then_some(if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 });
    std::iter::successors(Some(start), next).skip(1).map(|_| 1).sum()
}

/// Runs it all, and tells what came of it.
///
/// # Errors
///
/// None, but by a fault of the runtime.
pub fn summary() -> Result<String, Failure> {
    let runtime = Runtime::start(Settings::default())?;
    let workers = [Worker::start(&runtime, "even")?, Worker::start(&runtime, "odd")?];
    for hundred in 0..50_u64 {
        workers[(hundred % 2) as usize].work.send(hundred)?;
    }
    let mut out = String::from("worker   id  pieces  sequences  longest\n");
    for worker in workers {
        worker.finish(&mut out)?;
    }
    let left = runtime.snapshot().interps.len();
    let _ = writeln!(out, "interpreters left: {left}");
    Ok(out)
}

/// Prints it.
pub fn main() -> Result<(), Failure> {
    print!("{}", summary()?);
    Ok(())
}
