//! The `cloister` command.

use clap::Parser;
use cloister_diff_tests::cli::{self, Cli, Context};
use cloister_diff_tests::progress::{Interrupt, Progress};
use std::io::{BufWriter, Write, stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = cloister_diff_tests::cpython::child_main() {
        return code;
    }
    let command = Cli::parse();
    let progress = Progress::new(Interrupt::listen());
    let mut out = BufWriter::new(stdout().lock());
    let result = cli::run(command, &mut Context { out: &mut out, progress: &progress });
    let written = out.flush();
    let result = result.and_then(|exit| written.map(|()| exit).map_err(Into::into));
    ExitCode::from(cli::exit_code(result, &mut stderr()))
}
