//! States that differ in names alone, taken as one.
//!
//! Main is special; the other interpreters, all OS threads and all thread states inside
//! the bounds may be renamed. Given an order of the threads and interpreters, two thread
//! states that are named at the same places are interchangeable, so sorting them by
//! those places is exact; only threads or interpreters of the same shape have to be
//! tried in every order.

use cloister_specs::{InterpId, OpKind, StatusBits, ThreadId, TstateId};

use super::rename::{Renaming, rename};
use super::scope::{Bounds, Scope};
use crate::label::{Label, Visitor};
use crate::runtime::{Ensures, Gil, INTERPS, Interp, Runtime, THREADS, TSTATES, Thread, Totals, Tstate};

/// What a thread is but for the names in it: itself, how many thread states are bound to
/// it, whether it holds a GIL, whether it is the main thread.
type ThreadShape = (Thread, u8, bool, bool);

fn thread_shape(r: &Runtime, k: usize, sight: Sight) -> ThreadShape {
    struct Erase;
    impl Visitor for Erase {
        fn tstate(&mut self, id: &mut TstateId) {
            id.0 = 0;
        }
        fn interp(&mut self, id: &mut InterpId) {
            id.0 = u8::from(id.0 != 0);
        }
    }
    let mut shape = r.threads[k];
    shape.visit(&mut Erase);
    let here = Some(ThreadId(k as u8));
    let bound = r.tstates.iter().filter(|x| x.thread == here && !x.status.is_empty()).count() as u8;
    let main = sight.main_thread && here == Some(r.main_thread);
    (shape, bound, r.gils.iter().any(|g| g.holder == here), main)
}

/// An interpreter without the names in it.
fn interp_shape(r: &Runtime, k: usize, sight: Sight) -> (Interp, Gil, u8, u8) {
    let x = r.interps[k];
    let interp = Interp {
        gil: x.gil.map(|g| InterpId(u8::from(g.index() == k))),
        finalizing: x.finalizing.map(|_| TstateId(0)),
        running: x.running.map(|_| TstateId(0)),
        id: if sight.ids { x.id } else { 0 },
        ..x
    };
    let gil = Gil {
        last_holder: r.gils[k].last_holder.map(|_| TstateId(0)),
        holder: r.gils[k].holder.map(|_| ThreadId(0)),
        ..r.gils[k]
    };
    let here = |x: &&Tstate| !x.status.is_empty() && x.interp.index() == k;
    let own = r.tstates.iter().filter(here).count() as u8;
    let active =
        r.tstates.iter().filter(here).filter(|x| x.status.contains(StatusBits::ACTIVE)).count() as u8;
    (interp, gil, own, active)
}

const BLANK_THREAD: ThreadShape = (Thread::FRESH, 0, false, false);

/// What the calls of a scope look at. What they do not look at tells no states apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// Which thread is the main one.
    pub(super) main_thread: bool,
    /// The ids of interpreters.
    ids: bool,
    /// How many blocks ended heaps have left.
    blocks: bool,
    /// The totals of references.
    refs: bool,
}

impl Sight {
    fn blur(self, out: &mut Runtime) {
        if !self.main_thread {
            out.main_thread = ThreadId(0);
        }
        if !self.ids {
            for (slot, interp) in out.interps.iter_mut().enumerate() {
                interp.id = if interp.phase.is_some() { slot as u8 } else { 0 };
            }
            out.next_id = INTERPS as u8;
        }
        let seen = out.totals;
        out.totals = Totals { abandoned: seen.abandoned, dangling: seen.dangling, ..Totals::default() };
        if self.blocks {
            let Totals { leaks, last_final, blocks, .. } = seen;
            out.totals = Totals { leaks, last_final, blocks, ..out.totals };
        }
        let totalling = |x: &Thread| matches!(x.top(), Label::TotalStore(_));
        if self.refs || out.threads.iter().any(totalling) {
            let Totals { refs, ref_leaks, ref_last_final, legacy, all_refs, .. } = seen;
            out.totals = Totals { refs, ref_leaks, ref_last_final, legacy, all_refs, ..out.totals };
        } else {
            out.interps.iter_mut().for_each(|i| i.ref_total = 0);
        }
    }

    fn settle(self, out: &mut Runtime) {
        self.blur(out);
        if self.ids {
            rank_ids(out);
        }
    }
}

impl Scope {
    pub(super) fn sight(&self) -> Sight {
        let looks = |kinds: &[OpKind]| self.ops.iter().any(|kind| kinds.contains(kind));
        Sight {
            main_thread: looks(&[
                OpKind::AddPendingCall,
                OpKind::MakePendingCalls,
                OpKind::Finalize,
                OpKind::Fork,
            ]),
            ids: looks(&[OpKind::InterpreterLookUpId]),
            blocks: looks(&[OpKind::GlobalAllocatedBlocks]),
            refs: looks(&[OpKind::RefTotal, OpKind::GlobalRefTotal]),
        }
    }

    /// The same state without what no call of the scope looks at.
    pub fn blur(&self, r: &Runtime) -> Runtime {
        let mut out = *r;
        self.sight().blur(&mut out);
        out
    }

    /// The same state as a representative: blurred, and with ids that tell their order alone.
    pub fn settle(&self, r: &Runtime) -> Runtime {
        let mut out = *r;
        self.sight().settle(&mut out);
        out
    }

    /// The representative of all states that differ from this one in names alone, and the
    /// renaming that leads to it.
    pub fn canonical(&self, r: &Runtime) -> (Runtime, Renaming) {
        canonical(r, self)
    }
}

fn canonical(r: &Runtime, scope: &Scope) -> (Runtime, Renaming) {
    let (bounds, sight) = (scope.bounds, scope.sight());
    let n = bounds.threads as usize;
    let shapes: [_; THREADS] = std::array::from_fn(|k| thread_shape(r, k, sight));
    let mut order: [usize; THREADS] = std::array::from_fn(|k| k);
    order[..n].sort_by(|a, b| shapes[*b].cmp(&shapes[*a]));
    let tied = |a: usize, b: usize| shapes[a] == shapes[b] && shapes[a] != BLANK_THREAD;

    let subs = bounds.interps as usize;
    let mut sub_order: [usize; INTERPS] = std::array::from_fn(|k| k);
    let mut subs_tied = false;
    if subs == INTERPS {
        let (one, two) = (interp_shape(r, 1, sight), interp_shape(r, 2, sight));
        if two > one {
            sub_order.swap(1, 2);
        }
        let inside = r.threads.iter().any(|x| !x.idle());
        subs_tied = one == two && (one.0.phase.is_some() || inside);
    }

    let mut best: Option<(Runtime, Renaming)> = None;
    for_each_order(order, n, &tied, &mut |order| {
        for swap in [false, true] {
            if swap && !subs_tied {
                continue;
            }
            let mut subs = sub_order;
            if swap {
                subs.swap(1, 2);
            }
            let names = complete(r, order, subs, bounds);
            let mut candidate = rename(r, &names);
            sight.settle(&mut candidate);
            if best.as_ref().is_none_or(|(b, _)| candidate < *b) {
                best = Some((candidate, names));
            }
        }
    });
    best.unwrap_or((*r, Renaming::IDENTITY))
}

/// Ids matter by their order alone.
fn rank_ids(r: &mut Runtime) {
    let before = r.interps.map(|i| i.phase.map(|_| i.id));
    for interp in r.interps.iter_mut().filter(|i| i.phase.is_some()) {
        interp.id = before.iter().flatten().filter(|id| **id < interp.id).count() as u8;
    }
    r.next_id = before.iter().flatten().count() as u8;
}

/// Every order of the threads that keeps the sorted shapes: only ties are permuted.
fn for_each_order(
    order: [usize; THREADS],
    n: usize,
    tied: &impl Fn(usize, usize) -> bool,
    visit: &mut impl FnMut(&[usize; THREADS]),
) {
    fn go(
        order: [usize; THREADS],
        at: usize,
        n: usize,
        tied: &impl Fn(usize, usize) -> bool,
        visit: &mut impl FnMut(&[usize; THREADS]),
    ) {
        if at >= n {
            visit(&order);
            return;
        }
        for k in at..n {
            if k == at || tied(order[at], order[k]) {
                let mut next = order;
                next.swap(at, k);
                go(next, at + 1, n, tied, visit);
            }
        }
    }
    go(order, 0, n, tied, visit);
}

/// Given the order of threads and interpreters, thread states are sorted by where they are named.
fn complete(r: &Runtime, order: &[usize; THREADS], subs: [usize; INTERPS], bounds: Bounds) -> Renaming {
    let mut names = Renaming::IDENTITY;
    for (new, old) in order.iter().enumerate() {
        names.threads[*old] = new as u8;
    }
    for (new, old) in subs.iter().enumerate() {
        names.interps[*old] = new as u8;
    }

    struct Places {
        keys: [u128; TSTATES],
        at: u32,
    }
    impl Visitor for Places {
        fn tstate(&mut self, id: &mut TstateId) {
            self.keys[id.index() % TSTATES] |= 1 << self.at;
            self.at += 1;
        }
        fn interp(&mut self, _: &mut InterpId) {}
    }
    let mut places = Places { keys: [0; TSTATES], at: 0 };
    for old in order {
        let mut x = r.threads[*old];
        x.visit(&mut places);
    }
    for old in subs {
        let named = [r.gils[old].last_holder, r.interps[old].finalizing, r.interps[old].running];
        named.into_iter().for_each(|t| match t {
            Some(mut t) => places.tstate(&mut t),
            None => places.at += 1,
        });
    }
    if let Some(mut t) = r.current {
        places.tstate(&mut t);
    }
    for (k, key) in places.keys.iter_mut().enumerate() {
        let x = &r.tstates[k];
        if !x.status.is_empty() {
            let thread = x.thread.map_or(3, |h| names.threads[h.index() % THREADS]);
            let interp = names.interps[x.interp.index() % INTERPS];
            let Ensures { depth, unlocked, made } = x.ensures;
            let started = x.started.map_or(0, |s| 1 + s as u8);
            let own = [x.status.bits(), interp << 4 | thread, depth, unlocked, u8::from(made) << 2 | started];
            *key |= own.iter().fold(0, |all, byte| all << 8 | u128::from(*byte)) << 88;
        }
    }
    let n = bounds.tstates as usize;
    let mut by_key: [usize; TSTATES] = std::array::from_fn(|k| k);
    by_key[..n].sort_by_key(|k| std::cmp::Reverse(places.keys[*k]));
    for (new, old) in by_key.iter().enumerate() {
        names.tstates[*old] = new as u8;
    }
    names
}
