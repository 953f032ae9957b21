//! The ledger beside what the runtime lists.

use super::Loss;
use super::calls::Calls;
use super::ledger::{KnownInterp, KnownTstate, Ledger};
use cloister::{GilInfo, PoolSize, PoolSizes, RingInfo, Serial, Snapshot, Tstate, TstateInfo};
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
    calls(ledger, seen, &mut losses);
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

fn calls(ledger: &Ledger, seen: &Snapshot, losses: &mut Vec<Loss>) {
    let mut ring = |id, ring: RingInfo, calls: &Calls| {
        losses.extend(calls.lost(id, ring.calls as u64));
        // A call that failed leaves its ring signalled, even if it was the last.
        if ring.calls > 0 && !ring.signalled {
            losses.push(Loss::Signal { id });
        }
    };
    ring(None, seen.main_ring, &ledger.main_calls);
    for info in &seen.interps {
        if let Some(known) = ledger.interp(info.interp) {
            ring(Some(known.id), info.ring, &known.calls);
        }
    }
    losses.extend(ledger.ended.iter().filter_map(|(id, calls)| calls.lost(Some(*id), 0)));
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
    let kinds = [
        ("interpreters", full.interps, now.interps, seen.interps.len()),
        ("thread states", full.tstates, now.tstates, seen.tstates.len()),
        ("threads", full.threads, now.threads, seen.threads.len()),
    ];
    let mut losses = Vec::new();
    for (pool, PoolSize { made: before, .. }, PoolSize { made: after, used, .. }, listed) in kinds {
        if after != before {
            losses.push(Loss::PoolGrew { pool, before, after });
        }
        if used != listed {
            losses.push(Loss::PoolLost { pool, used, listed });
        }
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::ledger::Book;
    use cloister::{Interp, Runtime, Settings, Thread};
    use cloister_specs::InterpreterConfig;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    /// A runtime with two interpreters beside main, and what there has to be in it.
    struct Scene {
        runtime: Runtime,
        thread: Thread,
        ledger: Ledger,
        /// The thread states of main, the one with its own GIL, the one that shares main's.
        tstates: [Tstate; 3],
    }

    impl Scene {
        fn new() -> Self {
            let (runtime, thread) = Runtime::start(Settings::default()).unwrap();
            let (main, first) = (runtime.main().unwrap(), thread.current().unwrap());
            let mut ledger = Ledger::default();
            let mut know = |interp: Interp, tstate, config: InterpreterConfig| {
                let (id, book) = (interp.id().unwrap(), Book::new(0));
                ledger.interps.push(KnownInterp {
                    interp,
                    id,
                    config,
                    owner: 0,
                    closing: false,
                    book,
                    calls: Arc::default(),
                });
                let (bound, holder) = (Some(thread.serial()), Some(0));
                let known = KnownTstate { tstate, interp, maker: 0, bound, holder, cleared: false };
                ledger.tstates.push(known);
                tstate
            };
            let mut tstates = [know(main, first, InterpreterConfig::MAIN); 3];
            for (n, config) in [(1, InterpreterConfig::ISOLATED), (2, InterpreterConfig::LEGACY)] {
                let (interp, tstate) = thread.new_interpreter_from_config(&config).unwrap();
                tstates[n] = know(interp, tstate, config);
            }
            thread.save_thread().unwrap();
            Scene { runtime, thread, ledger, tstates }
        }

        /// What is lost where the runtime is said to be like this.
        fn lost(&self, current: &[Tstate], doctor: impl FnOnce(&mut Snapshot)) -> Vec<Loss> {
            let mut seen = self.runtime.snapshot();
            seen.interps.sort_by_key(|info| info.id);
            seen.tstates.sort_by_key(|info| info.tstate.serial());
            doctor(&mut seen);
            compare(&self.ledger, &Standing { current, threads: 1 }, &seen)
        }
    }

    #[test]
    fn what_is_as_it_should_be_is_no_loss_wherever_the_thread_stands() {
        let scene = Scene::new();
        assert_eq!(scene.lost(&[], |_| ()), []);
        for tstate in scene.tstates {
            scene.thread.restore_thread(tstate).unwrap();
            assert_eq!(scene.lost(&[tstate], |_| ()), []);
            let lost = scene.lost(&[], |_| ());
            assert!(matches!(lost[..], [Loss::TstateChanged { .. }, Loss::GilLocked { locked: true, .. }]));
            scene.thread.save_thread().unwrap();
        }
        let lost = scene.lost(&scene.tstates[1..2], |_| ());
        let serial = scene.tstates[1].serial().get();
        // It took its GIL last, and is no wrong last holder.
        let expected =
            [Loss::TstateChanged { serial, what: "bit `active`" }, Loss::GilLocked { id: 1, locked: false }];
        assert_eq!(lost, expected);
    }

    #[test]
    fn whatever_differs_in_an_interpreter_is_a_loss() {
        let scene = Scene::new();
        let changed = |doctor: fn(&mut cloister::InterpInfo), what| {
            let lost = scene.lost(&[], |seen| doctor(&mut seen.interps[2]));
            assert_eq!(lost, [Loss::InterpChanged { id: 2, what }]);
        };
        changed(|info| info.id = 7, "id");
        changed(|info| info.phase = Phase::Finalizing, "phase");
        changed(|info| info.flags = InterpreterConfig::ISOLATED.flags(), "settings");
        changed(|info| info.own_gil = None, "GIL");
        let lost = scene.lost(&[], |seen| _ = seen.interps.remove(2));
        assert_eq!(lost, [Loss::InterpGone { id: 2 }]);
        let mut forgetful = scene;
        forgetful.ledger.interps.pop();
        assert_eq!(forgetful.lost(&[], |_| ()), [Loss::InterpLeft { id: 2 }]);
    }

    #[test]
    fn whatever_differs_in_a_thread_state_is_a_loss() {
        let mut scene = Scene::new();
        let serial = scene.tstates[2].serial().get();
        let changed = |doctor: fn(&mut TstateInfo), what| {
            let lost = scene.lost(&[], |seen| doctor(&mut seen.tstates[2]));
            assert!(lost.contains(&Loss::TstateChanged { serial, what }), "{what}: {lost:?}");
        };
        changed(|info| info.interp = info.tstate.serial(), "interpreter");
        changed(|info| info.thread = None, "thread");
        changed(|info| info.status -= StatusBits::INITIALIZED, "bit `initialized`");
        changed(|info| info.status -= StatusBits::BOUND, "bit `bound`");
        changed(|info| info.status |= StatusBits::ACTIVE, "bit `active`");
        changed(|info| info.status |= StatusBits::FINALIZING, "bits `finalizing` and `cleared`");
        changed(|info| info.status |= StatusBits::FINALIZED, "bits `unbound` and `finalized`");
        let lost = scene.lost(&[], |seen| _ = seen.tstates.remove(2));
        assert!(lost.contains(&Loss::TstateGone { serial }), "{lost:?}");
        scene.ledger.remove(scene.tstates[2]);
        let left = Loss::TstateLeft { serial, interp: Some(2) };
        assert_eq!(scene.lost(&[], |_| ()), [left]);
    }

    #[test]
    fn whatever_differs_in_a_gil_is_a_loss() {
        let scene = Scene::new();
        let gil = |doctor: &dyn Fn(&mut GilInfo)| {
            scene.lost(&[], |seen| doctor(seen.interps[1].gil.as_mut().unwrap()))
        };
        assert_eq!(gil(&|gil| gil.locked = true), [Loss::GilLocked { id: 1, locked: true }]);
        assert_eq!(gil(&|gil| gil.drop_request = true), [Loss::GilRequested { id: 1 }]);
        let gone = scene.thread.serial();
        let lost = gil(&|gil| gil.last_holder = Some(gone));
        assert_eq!(lost, [Loss::GilHolder { id: 1, serial: gone.get() }]);
        scene.thread.restore_thread(scene.tstates[2]).unwrap();
        let lost = scene.lost(&scene.tstates[2..], |seen| {
            seen.interps[0].gil.as_mut().unwrap().last_holder = Some(scene.tstates[0].serial());
        });
        assert_eq!(lost, [Loss::GilHolder { id: 0, serial: scene.tstates[0].serial().get() }]);
    }

    #[test]
    fn whatever_differs_in_a_ring_is_a_loss() {
        let scene = Scene::new();
        let lost = scene.lost(&[], |seen| seen.interps[1].ring.calls = 1);
        let queued = |id| Loss::Calls { id, accepted: 0, ran: 0, queued: 1, dropped: 0 };
        assert_eq!(lost, [queued(Some(1)), Loss::Signal { id: Some(1) }]);
        let lost = scene.lost(&[], |seen| {
            (seen.main_ring.calls, seen.main_ring.signalled) = (1, true);
        });
        assert_eq!(lost, [queued(None)]);
        let known = &scene.ledger.interps[2];
        drop(Calls::make(&known.calls, &known.book, false));
        let dropped = Loss::Calls { id: Some(2), accepted: 0, ran: 0, queued: 0, dropped: 1 };
        assert_eq!(scene.lost(&[], |_| ()), [dropped]);
    }

    #[test]
    fn two_holders_of_one_gil_are_a_loss() {
        let scene = Scene::new();
        for known in &scene.ledger.interps {
            assert!(known.book.sign(1) && !known.book.sign(1));
            assert_eq!(counted(known), None);
            // Of two plain additions at once, one is lost.
            known.book.by_all.fetch_add(1, Ordering::Relaxed);
        }
        let counted = Loss::Counted { by_holder: 2, by_all: 3 };
        // The GIL that is shared has one book: main's.
        assert_eq!(scene.lost(&[], |_| ()), [counted.clone(), counted]);
    }

    #[test]
    fn attached_threads_and_what_their_slots_name_are_counted() {
        let scene = Scene::new();
        let lost = scene.lost(&[], |seen| seen.threads.clear());
        assert_eq!(lost, [Loss::Threads { listed: 0, expected: 1 }]);
        let (gone, other) = (scene.thread.serial(), scene.tstates[0].serial());
        for named in [gone, other] {
            let lost = scene.lost(&[], |seen| seen.threads[0].gilstate = Some(named));
            assert_eq!(lost, [Loss::Gilstate { serial: named.get() }]);
        }
    }

    #[test]
    fn pools_may_not_grow_nor_hold_what_is_not_listed() {
        let scene = Scene::new();
        let mut seen = scene.runtime.snapshot();
        let mut full = PoolSizes::default();
        (full.interps.made, full.interps.used) = (9, 3);
        (full.tstates.made, full.tstates.used) = (9, 3);
        (full.threads.made, full.threads.used) = (2, 1);
        assert_eq!(pools(&full, &full, &seen), []);
        let mut now = full;
        now.tstates.made += 1;
        let grown = Loss::PoolGrew { pool: "thread states", before: 9, after: 10 };
        assert_eq!(pools(&full, &now, &seen), [grown]);
        seen.interps.pop();
        let lost = Loss::PoolLost { pool: "interpreters", used: 3, listed: 2 };
        assert_eq!(pools(&full, &full, &seen), [lost]);
    }
}
