//! Looking at CPython while all logical threads are stopped: its lists, and what its
//! structs say. Needs no GIL.

use super::{
    api::Address,
    baton::{Run, Stand},
    child::{Child, child},
};
use cloister_specs::{
    FeatureFlags, GilView, InterpView, Observation, Phase, StatusBits, ThreadId, TstateView,
};

/// Brings the slots up to date with CPython's lists.
pub fn follow(run: &mut Run) -> Result<(), String> {
    let Child { api, .. } = child();
    let interps: Vec<Address> = api.interpreters().collect();
    let tstates: Vec<Address> = interps.iter().flat_map(|&i| api.thread_states(i)).collect();
    if interps.is_empty() {
        // Finalizing deletes the slots of all threads; what a thread sees is from its last stop.
        run.threads.iter_mut().for_each(|t| t.gilstate = 0);
    }
    run.heaps.follow(&interps);
    run.slots.follow(&interps, &tstates)
}

/// The addresses of thread states that something names, freed or not.
pub fn named(run: &Run) -> Vec<Address> {
    let Child { api, layout, .. } = child();
    let holders = api.interpreters().filter(|_| layout.gils).map(|i| layout.gil(i).last_holder);
    let threads = run.threads.iter().flat_map(|t| [t.gilstate, t.current]);
    holders.chain(threads).filter(|&address| address != 0).collect()
}

/// Everything that can be seen.
pub fn observe(run: &Run) -> Observation {
    let Child { api, .. } = child();
    let interps: Vec<Address> = api.interpreters().collect();
    let mut seen = Observation {
        interps: interps.iter().filter_map(|&i| interp(run, i)).collect(),
        tstates: interps
            .iter()
            .flat_map(|&i| api.thread_states(i).filter_map(move |t| tstate(run, i, t)))
            .collect(),
        gils: interps.iter().filter_map(|&i| gil(run, i)).collect(),
        threads: (0..run.threads.len()).map(|t| run.view(ThreadId(t as u8))).collect(),
    };
    seen.interps.sort_by_key(|v| v.id);
    seen.tstates.sort_by_key(|v| v.id);
    seen.gils.sort_by_key(|v| v.id);
    seen
}

fn interp(run: &Run, at: Address) -> Option<InterpView> {
    let layout = &child().layout;
    let creating =
        run.threads.iter().any(|t| t.stand != Stand::Idle && t.making == at + layout.initial_thread);
    let phase = match (creating, layout.finalizing(at), layout.torn_down(at)) {
        (true, _, _) => Phase::Creating,
        (false, _, true) => Phase::Finalizing,
        (false, true, false) => Phase::Ending,
        (false, false, false) => Phase::Live,
    };
    Some(InterpView {
        id: run.slots.interp(at)?,
        phase: Some(phase),
        flags: FeatureFlags::from_bits_truncate(layout.flags(at)),
        own_gil: layout.own_gil(at),
    })
}

fn tstate(run: &Run, interp: Address, at: Address) -> Option<TstateView> {
    let layout = &child().layout;
    let status = layout.status(at);
    let ident = layout.thread_id(at);
    let bound = status.contains(StatusBits::BOUND) && !status.contains(StatusBits::UNBOUND);
    let thread = run.threads.iter().position(|t| bound && t.ident == ident);
    Some(TstateView {
        id: run.slots.tstate(at)?,
        interp: run.slots.interp(interp)?,
        status,
        thread: thread.map(|t| ThreadId(t as u8)),
    })
}

fn gil(run: &Run, interp: Address) -> Option<GilView> {
    let layout = &child().layout;
    if !layout.gils || layout.own_gil(interp) != Some(true) {
        return None;
    }
    let raw = layout.gil(interp);
    Some(GilView {
        id: run.slots.interp(interp)?,
        locked: raw.locked,
        last_holder: run.slots.tstate(raw.last_holder),
        drop_request: layout.drop_request(interp),
        holder: None,
    })
}
