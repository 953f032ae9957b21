//! `os.fork`, and what becomes of a runtime in the child; `os.execv`.
//!
//! A child has one thread. The locks of the runtime that it will need are held across the
//! fork, so that the child finds what they guard whole, and can let go of them. What a
//! thread that is no more may have held beside those is never used again: memory is left to
//! whoever had it, but for the heaps of the interpreters, which end as they do elsewhere.

use super::memory::Claims;
use crate::error::{ForkError, GateError};
use crate::faults::Seeded;
use crate::home::Raw;
use crate::interp::{INTERPS, Interp};
use crate::lists::Lists;
use crate::runtime::Inner;
use crate::sync::Guard;
use crate::thread::{THREADS, Thread};
use crate::trace::{Answer, Effect, Event};
use crate::tstate::{TSTATES, Tstate};
use crate::{gil, pending, pool, sync, thread, tstate};
use cloister_specs::{Denied, FeatureFlags, OpKind, Rule};
use std::io;

/// Where a process that was forked goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// In the parent; this is the child's process id.
    Parent(i32),
    /// In the child.
    Child,
}

/// What nobody else may change while the process is forked, beside the lists.
struct Frozen<'a> {
    pools: Option<Pools>,
    rings: Vec<(Interp, pending::Locked<'a>)>,
    main_ring: pending::Locked<'a>,
    gil: gil::Frozen<'a>,
    /// The blocks of the raw domain.
    _raw: Guard<'a, Raw>,
    /// The GILs of other interpreters that no thread holds: their heaps are whole.
    idle: Claims,
}

struct Pools {
    interps: pool::Frozen<crate::interp::InterpSlot>,
    tstates: pool::Frozen<tstate::TstateSlot>,
    threads: pool::Frozen<thread::ThreadSlot>,
}

impl Pools {
    fn freeze() -> Self {
        Pools { interps: INTERPS.freeze(), tstates: TSTATES.freeze(), threads: THREADS.freeze() }
    }

    fn abandon(self) {
        self.interps.abandon();
        self.tstates.abandon();
        self.threads.abandon();
    }
}

impl<'a> Frozen<'a> {
    fn new(inner: &'a Inner, lists: &Lists, pools: Option<Pools>) -> Self {
        let interps = || lists.interps().iter().filter_map(|slot| slot.handle());
        let mut idle = Claims::default();
        let main = &inner.main().own;
        for gil in interps().filter_map(|interp| interp.slot.gil.load()) {
            if !std::ptr::eq(gil, main) {
                idle.claim(gil);
            }
        }
        Frozen {
            pools,
            rings: interps().map(|interp| (interp, interp.slot.ring.lock())).collect(),
            main_ring: inner.main_ring.lock(),
            gil: inner.main().own.freeze(),
            _raw: inner.raw.lock(),
            idle,
        }
    }
}

impl Thread {
    /// `os.execv`, as far as a runtime has a say in it: may the current interpreter replace the
    /// process?
    ///
    /// # Errors
    ///
    /// FORK-5: there is no current thread state. Or the configuration does not allow it.
    pub fn exec_allowed(&self) -> Result<(), GateError> {
        self.called(OpKind::Exec, ());
        let result = self.may_replace();
        self.returned(result)
    }

    fn may_replace(&self) -> Result<(), GateError> {
        let (_, interp) = self.forks()?;
        //= specs/rules/fork.md#fork-6
        //# An interpreter MUST NOT replace the process unless its configuration allows it.
        let allowed = interp.slot.flags().contains(FeatureFlags::EXEC) || self.seeded(Seeded::ExecAnywhere);
        if allowed { Ok(()) } else { Err(Denied::Exec.into()) }
    }

    //= specs/rules/fork.md#fork-5
    //# A thread MUST have a current thread state when it forks, or replaces the process.
    fn forks(&self) -> Result<(Tstate, Interp), Rule> {
        let tstate = self.current().ok_or(Rule::Fork5)?;
        Ok((tstate, self.interp_of(tstate)?))
    }

    /// `os.fork`: forks the process. In the child the calling thread is the main thread, and
    /// goes on with its current thread state; other threads, thread states and interpreters are
    /// gone, and what those had in their heaps counts as [left](crate::Runtime::leaks). Other runtimes of the process cannot be used in the child.
    ///
    /// # Errors
    ///
    /// FORK-5: there is no current thread state. Or the current interpreter may not fork, or is
    /// not the main one; or the operating system cannot fork.
    ///
    /// # Safety
    ///
    /// What other threads of the process held when it was forked stays as it was in the child,
    /// locks of other libraries included: there the caller must not use anything that another
    /// thread of the parent may have been using, but this runtime and the memory allocator of
    /// an operating system that sees to that itself.
    #[cfg(unix)]
    pub unsafe fn fork(&self) -> Result<Forked, ForkError> {
        let system = || {
            // SAFETY: the caller sees to what the child must not use.
            match unsafe { libc::fork() } {
                -1 => Err(io::Error::last_os_error()),
                0 => Ok(Forked::Child),
                child => Ok(Forked::Parent(child)),
            }
        };
        self.fork_by(true, system)
    }

    /// [`Thread::fork`] by somebody else, who may only pretend: `system` answers where this
    /// thread goes on. It must not use the runtime.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there. If the threads of a parent still exist where `system` said that this is the
    /// child, they must not use the runtime any more.
    pub unsafe fn fork_with(&self, system: impl FnOnce() -> io::Result<Forked>) -> Result<Forked, ForkError> {
        self.fork_by(false, system)
    }

    fn fork_by(&self, real: bool, system: impl FnOnce() -> io::Result<Forked>) -> Result<Forked, ForkError> {
        self.called(OpKind::Fork, ());
        let result = self.fork_process(real, system);
        self.trace(|| Event::Returned(result.as_ref().map_or_else(Answer::from, |f| Answer::Forked(*f))));
        result
    }

    fn fork_process(
        &self,
        real: bool,
        system: impl FnOnce() -> io::Result<Forked>,
    ) -> Result<Forked, ForkError> {
        let (tstate, interp) = self.forks()?;
        //= specs/rules/fork.md#fork-1
        //# An interpreter MUST NOT fork unless its configuration allows it.
        if !interp.slot.flags().contains(FeatureFlags::FORK) {
            return Err(Denied::Fork.into());
        }
        //= specs/rules/fork.md#fork-3
        //# A fork that cannot go on in the child MUST be refused in the parent.
        if !self.is_main(interp) {
            return Err(Denied::ForkInSub.into());
        }
        sync::prepare_spins();
        let _ = (Interp::null(), Tstate::null());
        let mut lists = self.inner().lists();
        let frozen = Frozen::new(self.inner(), &lists, real.then(Pools::freeze));
        let forked = system()?;
        if forked == Forked::Child {
            let left = self.become_child(&mut lists, frozen, tstate);
            self.effect(Effect::Forked);
            drop(lists);
            drop(left);
        }
        Ok(forked)
    }

    /// `PyOS_AfterFork_Child`. Answers with what pending calls other interpreters leave.
    //= specs/rules/fork.md#fork-2
    //# A fork that is allowed MUST lead to a child that runs, with the caller's thread state current
    //# and its GIL held.
    //= specs/rules/fork.md#fork-4
    //# The child MUST have one interpreter, one thread state and one thread, and no lock that a thread
    //# of the parent holds.
    fn become_child(&self, lists: &mut Lists, frozen: Frozen<'_>, tstate: Tstate) -> super::finish::Left {
        let Frozen { pools, rings, main_ring, gil, _raw, idle } = frozen;
        if let Some(pools) = pools {
            sync::barrier::prepare_again();
            pools.abandon();
        }
        let keeps = self.seeded(Seeded::ForkKeepsInterps);
        lists.keep_thread(self.slot, &self.sink);
        self.inner().set_main_thread(self.identity());
        let interp = |t: &Tstate| t.slot.interp();
        let others = lists.tstates().iter().filter_map(|slot| slot.handle()).filter(|t| *t != tstate);
        let others: Vec<Tstate> =
            others.filter(|t| !keeps || interp(t).is_none_or(|interp| self.is_main(interp))).collect();
        for other in others {
            self.slot.gilstate.forget(other.serial);
            lists.unlist(other);
        }
        let mut left = super::finish::Left::new();
        for (interp, mut ring) in rings {
            if !self.is_main(interp) && !keeps {
                left.extend(ring.close());
                drop(ring);
                self.end_home_in_child(interp, &idle);
                lists.unlist_interp(interp);
            }
        }
        drop(main_ring);
        // SAFETY: this thread holds the GIL that guards it, and has no other reference to it.
        unsafe { self.inner().main().home.inside() }.forked();
        // Nobody is left to take them, but where other interpreters are kept.
        if keeps {
            drop(idle)
        } else {
            idle.keep()
        }
        self.inner().main().forget_run();
        self.inner().main().own.keep(tstate, gil);
        left
    }

    /// In the child: the heap of another interpreter ends.
    fn end_home_in_child(&self, interp: Interp, idle: &Claims) {
        let main = &self.inner().main().own;
        let nobody = interp.slot.gil.load().is_none_or(|gil| std::ptr::eq(gil, main) || idle.has(gil));
        // SAFETY: the threads that worked in it are no more.
        let home = unsafe { interp.slot.home.inside() };
        if nobody {
            home.forked();
            home.close();
        } else {
            home.close_in_child();
        }
    }
}
