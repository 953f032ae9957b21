//! Pending calls that are queued, and that nobody is told of or that nobody runs.

use super::{
    super::{
        beyond::Beyond,
        parent::Cpython,
        script::{Script, last_of, t},
    },
    Report,
};
use crate::subject::SubjectError;

/// `T1` has a thread state, and `T0` goes on.
const SECOND_THREAD: &str = "T0: ThreadStateNew(0) at t1\nT1: ThreadStateBind(t1)";
const T0_ADDS: &str = "T0: AddPendingCall(succeeds)";
const T1_ADDS: &str = "T1: AddPendingCall(succeeds)";
const POLL: &str = "T0: EvalBreakerPoll";
const MAKE: &str = "T0: MakePendingCalls";
const AGAIN: &str = "T0: SaveThread\nT0: RestoreThread(t0)";
const RAN: &str = "ran succeeds";
const NOTHING: &str = "done";

/// Whoever adds a call computes the breaker for itself: a thread that is not the main one
/// leaves out the ring of the main thread.
pub fn not_seen(cpython: &mut Cpython) -> Report {
    let poll = last_of(cpython, &[T1_ADDS, POLL])?;
    let tenth = last_of(cpython, &[&[T1_ADDS], &[POLL; 10][..]].concat())?;
    let queued = last_of(cpython, &[T1_ADDS, POLL, MAKE])?;
    let own = last_of(cpython, &[T0_ADDS, POLL])?;
    let again = last_of(cpython, &[T1_ADDS, AGAIN, POLL])?;
    let seen = format!(
        "T1 adds, T0 polls: {poll}, at the tenth poll: {tenth}, makes pending calls: {queued}; \
         controls: T0 adds, T0 polls: {own}; T1 adds, T0 takes its GIL again and polls: {again}"
    );
    let shown = poll == NOTHING && tenth == NOTHING && queued == RAN;
    Ok((shown, own == RAN && again == RAN, seen))
}

/// So it takes back what the main thread had been told of a call that was added before.
pub fn hides_an_earlier_one(cpython: &mut Cpython) -> Report {
    const EARLIER: &str = "T0: AddPendingCall(makes)";
    let hidden = last_of(cpython, &[EARLIER, T1_ADDS, POLL])?;
    let queued = last_of(cpython, &[EARLIER, T1_ADDS, POLL, MAKE])?;
    let own = last_of(cpython, &[EARLIER, T0_ADDS, POLL])?;
    let nobody = last_of(cpython, &[EARLIER, POLL])?;
    let seen = format!(
        "T0 adds, T1 adds, T0 polls: {hidden}, makes pending calls: {queued}; \
         controls: T0 adds both, T0 polls: {own}; T1 adds nothing, T0 polls: {nobody}"
    );
    let shown = hidden == NOTHING && queued == "ran makes succeeds";
    Ok((shown, own == "ran makes succeeds" && nobody == "ran makes", seen))
}

/// A run takes the signals of both rings back. When a call of the interpreter's ring fails,
/// that one alone is set again, and the next thread that looks finds it empty.
pub fn failed_call_forgets(cpython: &mut Cpython) -> Report {
    const OTHER_POLLS: &str =
        "T0: SaveThread\nT1: RestoreThread(t1)\nT1: EvalBreakerPoll\nT1: SaveThread\nT0: RestoreThread(t0)";
    let behind = |failing: &str| [SECOND_THREAD, failing, T0_ADDS, POLL, OTHER_POLLS].join("\n");
    let others = behind("T0: AddPendingCall(0, fails)");
    let forgotten = last_of(cpython, &[&others, POLL])?;
    let queued = last_of(cpython, &[&others, POLL, MAKE])?;
    let same_ring = last_of(cpython, &[&behind("T0: AddPendingCall(fails)"), POLL])?;
    let succeeds = last_of(cpython, &[SECOND_THREAD, T0_ADDS, OTHER_POLLS, POLL])?;
    let seen = format!(
        "a call of the interpreter's ring fails, T1 polls, T0 polls: {forgotten}, makes pending calls: {queued}; \
         controls: a call of the same ring fails: {same_ring}; none fails: {succeeds}"
    );
    let shown = forgotten == NOTHING && queued == RAN;
    Ok((shown, same_ring == RAN && succeeds == RAN, seen))
}

/// The end of an interpreter runs its pending calls, up to the first that fails.
pub fn lost_at_an_end(cpython: &mut Cpython) -> Report {
    let behind = run_by_an_end(cpython, ["fails", "succeeds", "makes"])?;
    let before = run_by_an_end(cpython, ["succeeds", "makes", "fails"])?;
    let none = run_by_an_end(cpython, ["succeeds", "makes", "succeeds"])?;
    let seen = format!(
        "added: fails succeeds makes, the end: {behind}; controls: succeeds makes fails: {before}; \
         succeeds makes succeeds: {none}"
    );
    let clean = before == "ran succeeds makes fails, failed" && none == "ran succeeds makes succeeds";
    Ok((behind == "ran fails, failed", clean, seen))
}

fn run_by_an_end(cpython: &mut Cpython, calls: [&str; 3]) -> Result<String, SubjectError> {
    let mut s = Script::begin(cpython)?;
    s.lines("T0: NewInterpreter at t1")?;
    for call in calls {
        s.lines(&format!("T0: AddPendingCall(1, {call})"))?;
    }
    s.beyond(0, Beyond::End(t(1)))
}
