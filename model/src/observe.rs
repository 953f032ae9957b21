//! What can be seen of the state from outside.

use cloister_specs::{FeatureFlags, GilView, InterpView, Observation, ThreadId, ThreadView, TstateView};

use crate::design::Design;
use crate::runtime::{Interp, Runtime};

impl Interp {
    /// Its feature flags: none until they are set.
    pub fn flags(&self) -> FeatureFlags {
        if self.settled { self.config.flags() } else { FeatureFlags::empty() }
    }
}

impl Runtime {
    /// What this thread sees of itself.
    pub fn thread_view(&self, d: &Design, h: ThreadId) -> ThreadView {
        let thread = self.thread(h);
        ThreadView { current: self.current(d, h), gilstate: thread.gilstate, parked: thread.top().parking() }
    }

    /// Everything that can be seen, for this many threads.
    pub fn observe(&self, d: &Design, threads: u8) -> Observation {
        Observation {
            interps: Runtime::interp_ids()
                .filter(|i| self.interp_listed(*i))
                .map(|i| {
                    let x = self.interp(i);
                    InterpView { id: i, phase: x.phase, flags: x.flags(), own_gil: x.gil.map(|g| g == i) }
                })
                .collect(),
            tstates: Runtime::tstate_ids()
                .filter(|t| self.listed(*t))
                .map(|t| {
                    let x = self.tstate(t);
                    TstateView { id: t, interp: x.interp, status: x.status, thread: x.thread }
                })
                .collect(),
            gils: Runtime::interp_ids()
                .filter(|i| self.gils[i.index()].created)
                .map(|i| {
                    let g = &self.gils[i.index()];
                    GilView {
                        id: i,
                        locked: g.locked,
                        last_holder: g.last_holder,
                        drop_request: self.request_seen_in(d, i),
                        holder: g.holder,
                    }
                })
                .collect(),
            threads: Runtime::thread_ids().take(threads as usize).map(|h| self.thread_view(d, h)).collect(),
        }
    }
}
