//! `cloister explore`: the states of a design in a browser, one move after the other.

use super::args::ExploreArgs;
use super::designs::{configs, parse};
use super::{CliError, Context, Exit};
use crate::designs::rows::{apart, showing};
use cloister_model::Design;
use cloister_model::check::{Scope, serve};
use std::net::TcpListener;
use std::thread::sleep;
use std::time::Duration;

/// Serves stateright's Explorer until it is interrupted.
pub fn run(args: ExploreArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let words: Vec<String> = std::iter::once(args.design).chain(args.settings).collect();
    let design = parse(&words)?;
    let whole = Scope::whole("explored", design, args.grain, args.bounds);
    let knobs = apart(&design, &Design::CLOISTER);
    let scope = showing(Scope { configs: configs(args.gil), ..whole }, &knobs);
    // The Explorer panics where it cannot listen, so somebody else has to try before.
    let taken = |error| CliError::Usage(format!("{}: cannot listen there: {error}", args.address));
    let address = TcpListener::bind(args.address).and_then(|socket| socket.local_addr()).map_err(taken)?;
    writeln!(context.out, "{design}, {}, {}: http://{address}", scope.bounds, scope.grain)?;
    context.out.flush()?;
    std::thread::spawn(move || serve(&scope, address));
    while !context.progress.interrupted() {
        sleep(Duration::from_millis(100));
    }
    Ok(Exit::Interrupted)
}
