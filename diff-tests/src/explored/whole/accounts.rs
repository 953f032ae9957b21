//! What a schedule over the whole raw face must leave.

use cloister_shuttled::Snapshot;

/// What happened in schedules over the whole raw face, and was accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Schedules.
    pub runs: u64,
    /// Calls that did what they are for.
    pub done: u64,
    /// Calls that were refused or denied.
    pub refused: u64,
    /// Calls that were answered *finalized*.
    pub cut_off: u64,
    /// Ensures.
    pub ensured: u64,
    /// Pending calls that were added.
    pub added: u64,
    /// Those that were run.
    pub ran: u64,
    /// Threads that were started.
    pub started: u64,
    /// Interpreters that were ended from outside.
    pub outside: u64,
    /// Times that the runtime was finalized.
    pub finalized: u64,
    /// Times that blocks or references were counted, and compared with what there is.
    pub counted: u64,
}

impl Accounts {
    /// Both together.
    pub fn merge(&mut self, other: &Accounts) {
        self.runs += other.runs;
        self.done += other.done;
        self.refused += other.refused;
        self.cut_off += other.cut_off;
        self.ensured += other.ensured;
        self.added += other.added;
        self.ran += other.ran;
        self.started += other.started;
        self.outside += other.outside;
        self.finalized += other.finalized;
        self.counted += other.counted;
    }
}

/// What has to hold when all threads are at rest.
pub(super) fn judge(held: &Snapshot, added: usize, ran: &[u32]) -> Result<(), String> {
    let mut ran = ran.to_vec();
    ran.sort_unstable();
    if let Some(pair) = ran.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("the pending call {} was run twice", pair[0]));
    }
    let rings = || held.interps.iter().map(|interp| interp.ring).chain([held.main_ring]);
    let left: usize = rings().map(|ring| ring.calls).sum();
    if ran.len() + left != added {
        return Err(format!("{} calls were added, {} run, and {left} left", added, ran.len()));
    }
    if let Some(ring) = rings().find(|ring| ring.calls > 0 && !ring.signalled) {
        return Err(format!("a ring with calls is not signalled: {ring:?}"));
    }
    for interp in &held.interps {
        let gil = interp.gil.is_some_and(|gil| gil.locked || gil.drop_request);
        if interp.busy || gil {
            return Err(format!("an interpreter is not at rest: {interp:?}"));
        }
        let running = |serial| held.tstates.iter().any(|t| t.tstate.serial() == serial);
        if interp.running.is_some_and(|serial| !running(serial)) {
            return Err(format!("nobody is there that runs {interp:?}"));
        }
    }
    for tstate in &held.tstates {
        if tstate.in_use || !held.interps.iter().any(|interp| interp.interp.serial() == tstate.interp) {
            return Err(format!("a thread state is in use, or without its interpreter: {tstate:?}"));
        }
    }
    let named = |thread: &cloister_shuttled::ThreadInfo| {
        let own = |t: &cloister_shuttled::TstateInfo| {
            Some(t.tstate.serial()) == thread.gilstate && t.thread == Some(thread.thread)
        };
        thread.gilstate.is_none() || held.tstates.iter().any(own)
    };
    match held.threads.iter().find(|thread| !named(thread)) {
        Some(thread) => Err(format!("a gilstate slot names what is not there: {thread:?}")),
        None => Ok(()),
    }
}
