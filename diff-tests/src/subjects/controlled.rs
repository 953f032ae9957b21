//! The traced build, under a scheduler: logical threads in one OS thread.

use crate::subject::{Shows, Subject};
use crate::subjects::face::face;
use cloister_specs::Move;
use cloister_traced::control::{Misuse, Scheduler, Step};
use cloister_traced::faults::Seeded;

face!(cloister_traced);

const NAME: &str = "implementation";

fn lost(reason: String) -> SubjectError {
    SubjectError { subject: NAME, reason }
}

/// The implementation, its threads under control.
pub struct Controlled {
    scheduler: Scheduler<Command, Answered>,
    runtime: Option<Runtime>,
    threads: Vec<Serial>,
    names: Names,
    seeded: Option<Seeded>,
}

impl Controlled {
    /// With no runtime yet: [`Subject::reset`] starts one.
    pub fn new() -> Self {
        Controlled {
            scheduler: Scheduler::new([]),
            runtime: None,
            threads: Vec::new(),
            names: Names::new(),
            seeded: None,
        }
    }

    /// With this fault switched on in every runtime.
    pub fn with_seeded(fault: Seeded) -> Self {
        let mut subject = Controlled::new();
        subject.seeded = Some(fault);
        subject
    }

    /// The runtime that runs now.
    pub fn runtime(&self) -> Option<&Runtime> {
        self.runtime.as_ref()
    }

    /// Ends the runtime: whoever waits gives up, and every thread leaves.
    fn stop(&mut self) -> Result<(), SubjectError> {
        self.scheduler.abandon();
        for thread in 0..self.threads.len() as u8 {
            let step = self.scheduler.call(thread, thread, Command::Detach);
            if !matches!(step, Ok(Step::Done(Answered::Detached))) {
                return Err(lost(format!("T{thread} could not leave its runtime")));
            }
        }
        self.threads.clear();
        self.runtime = None;
        Ok(())
    }

    fn attach(&mut self, thread: u8, command: Command) -> Result<Runtime, SubjectError> {
        match self.scheduler.call(thread, thread, command) {
            Ok(Step::Done(Answered::Attached(Ok((runtime, serial))))) => {
                self.threads.push(serial);
                Ok(runtime)
            }
            Ok(Step::Done(Answered::Attached(Err(error)))) => Err(lost(format!("T{thread}: {error}"))),
            Ok(_) => Err(lost(format!("T{thread} waits while it is attached"))),
            Err(misuse) => Err(lost(format!("T{thread}: {misuse}"))),
        }
    }

    fn event(&mut self, thread: u8, step: Result<Step<Answered>, Misuse>) -> Result<Event, SubjectError> {
        let runtime = self.runtime.as_ref().ok_or_else(|| lost("reset it first".into()))?;
        match step.map_err(|misuse| lost(format!("T{thread}: {misuse}")))? {
            Step::Parked(parking) => {
                self.names.listed(thread, runtime)?;
                Ok(Event::Parked(parking))
            }
            Step::Done(Answered::Returned(result, seen)) => self.names.event(thread, runtime, result, seen),
            Step::Done(Answered::Attached(_) | Answered::Detached | Answered::Unattached) => {
                Err(lost(format!("T{thread} is not attached; reset the subject with more threads")))
            }
        }
    }
}

impl Default for Controlled {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Controlled {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

impl Subject for Controlled {
    fn name(&self) -> &'static str {
        NAME
    }

    fn shows(&self) -> Shows {
        Shows { phase: true, gils: true, holder: true, refusals: true }
    }

    fn reset(&mut self, threads: u8) -> Result<(), SubjectError> {
        self.stop()?;
        if self.scheduler.len() < usize::from(threads) {
            let records = Records::default();
            self.scheduler = Scheduler::new(
                (0..threads)
                    .map(|_| -> Box<dyn FnMut(Command) -> Answered> { Box::new(body(records.clone())) }),
            );
        }
        let runtime = self.attach(0, Command::Start)?;
        runtime.seed(self.seeded);
        for thread in 1..threads {
            self.attach(thread, Command::Attach(runtime.clone()))?;
        }
        self.names.reset(threads, &runtime)?;
        self.runtime = Some(runtime);
        Ok(())
    }

    fn apply(&mut self, mv: &Move) -> Result<Event, SubjectError> {
        let ThreadId(thread) = mv.thread();
        let ThreadId(prefer) = mv.prefer();
        if usize::from(thread) >= self.threads.len() {
            return Err(lost(format!("there is no T{thread}; reset the subject with more threads")));
        }
        let step = match mv {
            Move::Start(start) => {
                if self.scheduler.parked(thread).is_some() {
                    return Err(lost(format!("T{thread}: {}", Misuse::Inside)));
                }
                let call = self.names.call(thread, &start.op, start.at)?;
                self.scheduler.call(thread, prefer, Command::Call(call))
            }
            Move::Step { .. } => self.scheduler.resume(thread, prefer),
            Move::Expire { .. } => self.scheduler.expire(thread, prefer),
            Move::Spurious { .. } => self.scheduler.spurious(thread, prefer),
        };
        self.event(thread, step)
    }

    fn observe(&mut self) -> Result<Observation, SubjectError> {
        let Controlled { scheduler, runtime, threads, names, .. } = self;
        let runtime = runtime.as_ref().ok_or_else(|| lost("reset it first".into()))?;
        let thread_of = |serial| (0..).zip(&*threads).find(|(_, s)| **s == serial).map(|(k, _)| k);
        let current = |k| scheduler.current(k).map(|t| t.serial());
        let seen = |k| Seen { current: current(k), gilstate: None };
        Ok(names.observe(runtime, thread_of, seen, |k| scheduler.parked(k)))
    }
}
