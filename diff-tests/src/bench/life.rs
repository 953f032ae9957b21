//! The end of a runtime, and its next beginning.

use super::calls::{timed, work};
use super::libpython::Python;
use super::{BenchError, CLOISTER, Contender, Work};
use cloister::{Runtime, Settings};

/// One cycle. It comes last: CPython's memory is not what it was after that.
pub fn finalize_and_initialize(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let (_, thread) = Runtime::start(Settings::default())?;
    let mut contenders = vec![Contender::new(CLOISTER, move |calls| {
        timed(calls, || {
            thread.finalize()?;
            thread.initialize().map_err(|_| BenchError::NoMemory)
        })
    })];
    contenders.extend(
        peer.map(|python| Contender::new(python.name(), move |calls| timed(calls, || python.restart()))),
    );
    Ok(work("Finalize + Initialize", None, contenders))
}
