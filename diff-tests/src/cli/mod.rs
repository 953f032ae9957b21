//! The `cloister` command: one module per subcommand, each with a `run`.
//!
//! It exits with 0 if all is well, 1 if a check failed, 2 if it was used wrongly or given
//! a bad file (with one sentence on stderr), 130 if it was interrupted. A reader that
//! goes away, as in `cloister rules | head`, is nobody's fault: 0.

pub mod args;
pub mod ask;
pub mod bench;
pub mod check;
pub mod designs;
mod engine;
mod error;
pub mod explore;
pub mod heap;
pub mod lockstep;
pub mod replay;
pub mod rules;
pub mod shuttle;
pub mod soak;

pub use engine::{Engine, On};
pub use error::{CliError, write_json};

use crate::engine::Subjects;
use crate::progress::Progress;
use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write};

/// An executable specification of isolated interpreters, and what keeps to it.
#[derive(Debug, Parser)]
#[command(name = "cloister", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check that everything is as it is declared: the main job.
    Check(args::CheckArgs),
    /// Show what becomes of each knob, or of a design of your own.
    Designs(args::DesignsArgs),
    /// Walk through the states of a design in a browser.
    Explore(args::ExploreArgs),
    /// Run the model beside our implementation and CPython, and compare.
    Lockstep(args::LockstepArgs),
    /// Take random programs through random schedules, and check each with the model.
    Shuttle(args::ShuttleArgs),
    /// Tell a run again to the model, our implementation or CPython, and draw it.
    Replay(args::ReplayArgs),
    /// Ask whether a sequence of calls is legal, and if not, which rule forbids it.
    Ask(args::AskArgs),
    /// Measure how fast our runtime is, beside CPython and plain threads.
    Bench(args::BenchArgs),
    /// Show what a heap looks like after some work, and what it says is left.
    Heap(args::HeapArgs),
    /// List the rules, or tell all about one.
    Rules(args::RulesArgs),
    /// Create, use and end interpreters in many threads for a while, and lose nothing.
    Soak(args::SoakArgs),
}

/// How a command ended that was used rightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// A check failed.
    Failed,
    /// It was interrupted.
    Interrupted,
}

impl Exit {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Interrupted => 130,
        }
    }
}

/// What every command is given.
pub struct Context<'a> {
    /// Where its result goes.
    pub out: &'a mut dyn Write,
    /// How it tells how far it is, and learns that it should stop.
    pub progress: &'a Progress,
}

/// Does what was asked for.
pub fn run(cli: Cli, context: &mut Context<'_>) -> Result<Exit, CliError> {
    match cli.command {
        Command::Check(args) => check::run(args, context),
        Command::Designs(args) => designs::run(args, context),
        Command::Explore(args) => explore::run(args, context),
        Command::Lockstep(args) => lockstep::run(args, context),
        Command::Shuttle(args) => shuttle::run(args, context),
        Command::Replay(args) => replay::run(args, &mut subjects()?, context),
        Command::Ask(args) => ask::run(args, &mut subjects()?, context),
        Command::Bench(args) => bench::run(args, context),
        Command::Heap(args) => heap::run(args, context),
        Command::Rules(args) => rules::run(args, context),
        Command::Soak(args) => soak::run(args, context),
    }
}

fn subjects() -> Result<Subjects, CliError> {
    Ok(Subjects::new(std::env::current_exe()?))
}

/// Turns the end of a command into its exit code, and tells on `err` what went wrong.
pub fn exit_code(result: Result<Exit, CliError>, err: &mut dyn Write) -> u8 {
    match result {
        Ok(exit) => exit.code(),
        Err(CliError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => 0,
        Err(error) => {
            let _ = writeln!(err, "cloister: {error}");
            2
        }
    }
}
