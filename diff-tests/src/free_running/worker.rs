//! One thread of a driver.
//!
//! It chooses among the calls that make sense as far as it can tell: others run meanwhile,
//! so some of them are refused. One choice in so many is *wild*: any call, on anything that
//! is or was there. What is made is reserved in a budget first, so that the model has a slot
//! for it. Between calls a thread *works*: it keeps the GIL for longer than the switch
//! interval, and polls.

use std::thread;

use cloister_specs::{Fault, InterpreterConfig, OpKind, memory_kinds};
use fastrand::Rng;

use super::build::Face;
use super::recording::Left;
use super::world::{Known, World, release, reserve};

/// How often each kind of call is tried, in the order of `OpKind::CORE`.
const WEIGHTS: [u32; OpKind::CORE.len()] = [8, 6, 9, 14, 14, 4, 6, 10, 16, 8];
/// One choice in so many is wild.
const WILD: u32 = 6;
/// How often a thread chooses again before it makes no call at all.
const TRIES: u32 = 8;
/// The most polls in one piece of work.
const POLLS: u32 = 20;
/// One call in so many is followed by work.
const WORK: u32 = 3;

/// A thread that makes random calls.
pub(crate) struct Worker<'a, F: Face> {
    world: &'a World<F>,
    pub thread: &'a F,
    me: usize,
    rng: Rng,
    /// Those of the creations so far.
    faults: Vec<Option<Fault>>,
}

impl<'a, F: Face> Worker<'a, F> {
    pub fn new(world: &'a World<F>, thread: &'a F, me: usize, rng: Rng) -> Self {
        Worker { world, thread, me, rng, faults: Vec::new() }
    }

    /// All threads are at rest.
    pub fn leave(self) -> Left {
        Left::of(self.thread, self.faults)
    }

    /// Now and then keeps the GIL for a while, and polls.
    pub fn work(&mut self) {
        if self.rng.u32(0..WORK) != 0 {
            return;
        }
        for _ in 0..self.rng.u32(1..=POLLS) {
            (0..self.world.spins).for_each(|_| std::hint::spin_loop());
            if self.thread.poll().is_err() {
                return thread::yield_now();
            }
        }
    }

    /// Makes a call, if there is one to make.
    pub fn call(&mut self) {
        let wild = self.rng.u32(0..WILD) == 0;
        for _ in 0..TRIES {
            let kind = self.kind();
            let made = match kind {
                OpKind::NewInterpreterFromConfig => self.create(),
                OpKind::ThreadStateNew => self.new_tstate(wild),
                OpKind::SaveThread if wild || self.thread.current().is_some() => {
                    let _ = self.thread.save();
                    true
                }
                OpKind::SaveThread => false,
                OpKind::EvalBreakerPoll => self.thread.poll().is_ok(),
                OpKind::ThreadStateSwap if self.rng.u8(0..3) == 0 => {
                    let _ = self.thread.swap(None);
                    true
                }
                OpKind::EndInterpreter
                | OpKind::ThreadStateBind
                | OpKind::ThreadStateSwap
                | OpKind::ThreadStateClear
                | OpKind::ThreadStateDelete
                | OpKind::RestoreThread => match self.tstate(kind, wild) {
                    Some(tstate) => {
                        self.use_tstate(kind, tstate);
                        true
                    }
                    None => false,
                },
                OpKind::NewInterpreter
                | OpKind::ThreadStateDeleteCurrent
                | OpKind::AcquireThread
                | OpKind::ReleaseThread
                | OpKind::GilStateEnsure
                | OpKind::GilStateRelease
                | OpKind::GilStateCheck
                | OpKind::AddPendingCall
                | OpKind::MakePendingCalls
                | OpKind::Initialize
                | OpKind::Finalize
                | OpKind::StartThread
                | OpKind::RunThread
                | OpKind::ThreadStateDeleteExcept
                | OpKind::InterpreterLookUpId
                | OpKind::InterpreterRequireIdRef
                | OpKind::InterpreterIdIncref
                | OpKind::InterpreterIdDecref
                | OpKind::SetRunningMain
                | OpKind::SetNotRunningMain
                | OpKind::DestroyInterpreter
                | OpKind::Fork
                | OpKind::Exec
                | memory_kinds!() => false,
            };
            if made {
                return;
            }
        }
    }

    fn kind(&mut self) -> OpKind {
        let mut left = self.rng.u32(0..WEIGHTS.iter().sum());
        for (kind, weight) in OpKind::CORE.into_iter().zip(WEIGHTS) {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return kind,
            }
        }
        OpKind::EvalBreakerPoll
    }

    /// A thread state with which such a call makes sense; if it is wild, any.
    fn tstate(&mut self, kind: OpKind, wild: bool) -> Option<F::Tstate> {
        let current = self.thread.current();
        let registry = self.world.registry();
        let here = current.and_then(|t| registry.interp_of(t));
        let mine = |k: &Known<F>| k.bound == Some(self.me) && !k.cleared;
        let sensible = |k: &Known<F>| match kind {
            OpKind::EndInterpreter => {
                Some(k.tstate) == current && Some(&k.interp) != registry.interps.first()
            }
            OpKind::ThreadStateBind => k.bound.is_none() && !k.cleared,
            OpKind::ThreadStateSwap => mine(k),
            OpKind::RestoreThread => mine(k) && current.is_none(),
            OpKind::ThreadStateClear => Some(k.interp) == here && Some(k.tstate) != current && !k.cleared,
            OpKind::ThreadStateDelete => k.cleared,
            OpKind::NewInterpreterFromConfig
            | OpKind::ThreadStateNew
            | OpKind::SaveThread
            | OpKind::EvalBreakerPoll
            | OpKind::NewInterpreter
            | OpKind::ThreadStateDeleteCurrent
            | OpKind::AcquireThread
            | OpKind::ReleaseThread
            | OpKind::GilStateEnsure
            | OpKind::GilStateRelease
            | OpKind::GilStateCheck
            | OpKind::AddPendingCall
            | OpKind::MakePendingCalls
            | OpKind::Initialize
            | OpKind::Finalize
            | OpKind::StartThread
            | OpKind::RunThread
            | OpKind::ThreadStateDeleteExcept
            | OpKind::InterpreterLookUpId
            | OpKind::InterpreterRequireIdRef
            | OpKind::InterpreterIdIncref
            | OpKind::InterpreterIdDecref
            | OpKind::SetRunningMain
            | OpKind::SetNotRunningMain
            | OpKind::DestroyInterpreter
            | OpKind::Fork
            | OpKind::Exec
            | memory_kinds!() => false,
        };
        let listed = registry.tstates.iter().filter(|k| wild || sensible(k)).map(|k| k.tstate);
        let dead = registry.dead_tstates.iter().copied().filter(|_| wild);
        let found: Vec<F::Tstate> = listed.chain(dead).collect();
        drop(registry);
        self.rng.choice(found)
    }

    fn use_tstate(&mut self, kind: OpKind, tstate: F::Tstate) {
        let (thread, me) = (self.thread, self.me);
        match kind {
            OpKind::EndInterpreter => {
                let interp = self.world.registry().interp_of(tstate);
                if thread.end(tstate).is_ok() {
                    let mut registry = self.world.registry();
                    registry.remove(tstate);
                    interp.into_iter().for_each(|i| registry.remove_interp(i));
                    release(&self.world.tstates);
                    release(&self.world.interps);
                }
            }
            OpKind::ThreadStateBind => {
                if thread.bind(tstate).is_ok() {
                    self.world.registry().change(tstate, |k| k.bound = Some(me));
                }
            }
            OpKind::ThreadStateClear => {
                if thread.clear(tstate).is_ok() {
                    self.world.registry().change(tstate, |k| k.cleared = true);
                }
            }
            OpKind::ThreadStateDelete => {
                if thread.delete(tstate).is_ok() {
                    self.world.registry().remove(tstate);
                    release(&self.world.tstates);
                }
            }
            OpKind::ThreadStateSwap => drop(thread.swap(Some(tstate))),
            OpKind::RestoreThread => drop(thread.restore(tstate)),
            OpKind::NewInterpreterFromConfig
            | OpKind::ThreadStateNew
            | OpKind::SaveThread
            | OpKind::EvalBreakerPoll
            | OpKind::NewInterpreter
            | OpKind::ThreadStateDeleteCurrent
            | OpKind::AcquireThread
            | OpKind::ReleaseThread
            | OpKind::GilStateEnsure
            | OpKind::GilStateRelease
            | OpKind::GilStateCheck
            | OpKind::AddPendingCall
            | OpKind::MakePendingCalls
            | OpKind::Initialize
            | OpKind::Finalize
            | OpKind::StartThread
            | OpKind::RunThread
            | OpKind::ThreadStateDeleteExcept
            | OpKind::InterpreterLookUpId
            | OpKind::InterpreterRequireIdRef
            | OpKind::InterpreterIdIncref
            | OpKind::InterpreterIdDecref
            | OpKind::SetRunningMain
            | OpKind::SetNotRunningMain
            | OpKind::DestroyInterpreter
            | OpKind::Fork
            | OpKind::Exec
            | memory_kinds!() => {}
        }
    }

    fn new_tstate(&mut self, wild: bool) -> bool {
        if !reserve(&self.world.tstates) {
            return false;
        }
        let registry = self.world.registry();
        let dead = registry.dead_interps.iter().copied().filter(|_| wild);
        let interps: Vec<F::Interp> = registry.interps.iter().copied().chain(dead).collect();
        drop(registry);
        let made = self.rng.choice(interps).map(|interp| (interp, self.thread.new_tstate(interp)));
        match made {
            Some((interp, Ok(Some(tstate)))) => {
                let known = Known { tstate, interp, bound: None, cleared: false };
                self.world.registry().tstates.push(known);
            }
            Some((_, Ok(None) | Err(_))) | None => release(&self.world.tstates),
        }
        true
    }

    fn create(&mut self) -> bool {
        if !reserve(&self.world.interps) {
            return false;
        }
        if !reserve(&self.world.tstates) {
            release(&self.world.interps);
            return false;
        }
        let config = self.config();
        let fails = self.rng.u8(0..4) == 0;
        let fault = if fails { self.rng.choice(Fault::ALL) } else { None };
        self.faults.push(fault);
        match self.thread.create(&config, fault) {
            Ok((interp, tstate)) => {
                let mut registry = self.world.registry();
                registry.interps.push(interp);
                registry.tstates.push(Known { tstate, interp, bound: Some(self.me), cleared: false });
            }
            Err(_) => {
                release(&self.world.tstates);
                release(&self.world.interps);
            }
        }
        true
    }

    fn config(&mut self) -> InterpreterConfig {
        match self.rng.u8(0..8) {
            0..3 => InterpreterConfig::ISOLATED,
            3..6 => InterpreterConfig::LEGACY,
            _ => self
                .rng
                .choice(InterpreterConfig::all().collect::<Vec<_>>())
                .unwrap_or(InterpreterConfig::LEGACY),
        }
    }
}
