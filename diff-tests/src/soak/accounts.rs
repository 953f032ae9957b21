//! The ledger beside what the runtime lists.

use super::Loss;
use super::ledger::{KnownInterp, KnownTstate, Ledger};
use cloister::{GilInfo, PoolSize, PoolSizes, Serial, Snapshot, Tstate, TstateInfo};
use cloister_specs::{GilKind, Phase, StatusBits};
use std::collections::BTreeMap;

/// What stands at a checkpoint, while every thread waits at the gate.
pub(super) struct Standing<'a> {
    /// The thread states that are current, each in its thread.
    pub current: &'a [Tstate],
    /// How many threads are attached.
    pub threads: usize,
}

/// Compares all of it.
pub(super) fn compare(ledger: &Ledger, standing: &Standing<'_>, seen: &Snapshot) -> Vec<Loss> {
    let mut losses = Vec::new();
    interps(ledger, seen, &mut losses);
    tstates(ledger, standing, seen, &mut losses);
    gils(ledger, standing, seen, &mut losses);
    threads(standing, seen, &mut losses);
    losses
}

fn interps(ledger: &Ledger, seen: &Snapshot, losses: &mut Vec<Loss>) {
    let mut known: BTreeMap<Serial, &KnownInterp> =
        ledger.interps.iter().map(|known| (known.interp.serial(), known)).collect();
    for info in &seen.interps {
        let Some(known) = known.remove(&info.interp.serial()) else {
            losses.push(Loss::InterpLeft { id: info.id });
            continue;
        };
        let own = known.config.gil_kind() == Some(GilKind::Own);
        let changed = [
            (info.id != known.id, "id"),
            (info.phase != Phase::Live, "phase"),
            (info.flags != known.config.flags(), "settings"),
            (info.own_gil != Some(own), "GIL"),
        ];
        let changed = changed.into_iter().filter(|(differs, _)| *differs);
        losses.extend(changed.map(|(_, what)| Loss::InterpChanged { id: known.id, what }));
    }
    losses.extend(known.values().map(|known| Loss::InterpGone { id: known.id }));
}

fn tstates(ledger: &Ledger, standing: &Standing<'_>, seen: &Snapshot, losses: &mut Vec<Loss>) {
    let mut known: BTreeMap<Serial, &KnownTstate> =
        ledger.tstates.iter().map(|known| (known.tstate.serial(), known)).collect();
    for info in &seen.tstates {
        let serial = info.tstate.serial();
        match known.remove(&serial) {
            None => {
                let interp = seen.interps.iter().find(|i| i.interp.serial() == info.interp);
                losses.push(Loss::TstateLeft { serial: serial.get(), interp: interp.map(|i| i.id) });
            }
            Some(known) => tstate(known, standing, info, losses),
        }
    }
    losses.extend(known.keys().map(|serial| Loss::TstateGone { serial: serial.get() }));
}

fn tstate(known: &KnownTstate, standing: &Standing<'_>, info: &TstateInfo, losses: &mut Vec<Loss>) {
    let status = info.status;
    let current = standing.current.contains(&known.tstate);
    let wrong = |bits: StatusBits, set: bool| {
        if set { !status.contains(bits) } else { status.intersects(bits) }
    };
    let changed = [
        (info.interp != known.interp.serial(), "interpreter"),
        (info.thread != known.bound, "thread"),
        (wrong(StatusBits::INITIALIZED, true), "bit `initialized`"),
        (wrong(StatusBits::BOUND, known.bound.is_some()), "bit `bound`"),
        (wrong(StatusBits::ACTIVE, current), "bit `active`"),
        (
            wrong(StatusBits::FINALIZING | StatusBits::CLEARED, known.cleared),
            "bits `finalizing` and `cleared`",
        ),
        (wrong(StatusBits::UNBOUND | StatusBits::FINALIZED, false), "bits `unbound` and `finalized`"),
    ];
    let serial = known.tstate.serial().get();
    let changed = changed.into_iter().filter(|(differs, _)| *differs);
    losses.extend(changed.map(|(_, what)| Loss::TstateChanged { serial, what }));
}

fn gils(ledger: &Ledger, standing: &Standing<'_>, seen: &Snapshot, losses: &mut Vec<Loss>) {
    // Who holds the GIL that this interpreter created.
    let holder = |creator: &KnownInterp| {
        let mut current = standing.current.iter();
        current.find(|tstate| {
            let known = ledger.tstates.iter().find(|known| known.tstate == **tstate);
            let interp = known.and_then(|known| ledger.interp(known.interp));
            interp.is_some_and(|i| {
                if creator.id == 0 { i.kind() == GilKind::Shared } else { i.interp == creator.interp }
            })
        })
    };
    for info in &seen.interps {
        let (Some(gil), Some(known)) = (info.gil, ledger.interp(info.interp)) else { continue };
        losses.extend(one_gil(info.id, gil, holder(known).copied(), seen));
        if known.kind() == GilKind::Own {
            losses.extend(counted(known));
        }
    }
    losses.extend(ledger.interps.iter().find(|known| known.id == 0).and_then(counted));
}

fn one_gil(id: i64, gil: GilInfo, holder: Option<Tstate>, seen: &Snapshot) -> Vec<Loss> {
    let mut losses = Vec::new();
    if gil.locked != holder.is_some() {
        losses.push(Loss::GilLocked { id, locked: gil.locked });
    }
    if gil.drop_request {
        losses.push(Loss::GilRequested { id });
    }
    let listed = |serial| seen.tstates.iter().any(|t| t.tstate.serial() == serial);
    match (holder, gil.last_holder) {
        (Some(holder), last) if last != Some(holder.serial()) => {
            losses.push(Loss::GilHolder { id, serial: last.map_or(0, Serial::get) });
        }
        (None, Some(last)) if !listed(last) => {
            losses.push(Loss::GilHolder { id, serial: last.get() });
        }
        _ => {}
    }
    losses
}

/// Did two hold its GIL at once?
pub(super) fn counted(known: &KnownInterp) -> Option<Loss> {
    let (by_holder, by_all) = known.book.counted();
    (by_holder != by_all).then_some(Loss::Counted { by_holder, by_all })
}

fn threads(standing: &Standing<'_>, seen: &Snapshot, losses: &mut Vec<Loss>) {
    let (listed, expected) = (seen.threads.len(), standing.threads);
    if listed != expected {
        losses.push(Loss::Threads { listed, expected });
    }
    for info in &seen.threads {
        let Some(serial) = info.gilstate else { continue };
        let named = seen.tstates.iter().find(|t| t.tstate.serial() == serial);
        let knows =
            |t: &TstateInfo| t.thread == Some(info.thread) && t.status.contains(StatusBits::BOUND_GILSTATE);
        if !named.is_some_and(knows) {
            losses.push(Loss::Gilstate { serial: serial.get() });
        }
    }
}

/// Compares the pools with what they were when they were full, and with what is listed.
pub(super) fn pools(full: &PoolSizes, now: &PoolSizes, seen: &Snapshot) -> Vec<Loss> {
    let kinds: [(&str, fn(&PoolSizes) -> PoolSize, usize); 3] = [
        ("interpreters", |sizes| sizes.interps, seen.interps.len()),
        ("thread states", |sizes| sizes.tstates, seen.tstates.len()),
        ("threads", |sizes| sizes.threads, seen.threads.len()),
    ];
    let mut losses = Vec::new();
    for (pool, of, listed) in kinds {
        let (before, PoolSize { made: after, used, .. }) = (of(full).made, of(now));
        if after != before {
            losses.push(Loss::PoolGrew { pool, before, after });
        }
        if used != listed {
            losses.push(Loss::PoolLost { pool, used, listed });
        }
    }
    losses
}
