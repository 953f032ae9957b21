//! The model as a subject, under any design and in any grain.

use cloister_model::{Design, Grain, Outcome, Runtime};
use cloister_specs::{Move, Observation};

use crate::subject::{Event, Shows, Subject, SubjectError};

/// The reference model.
pub struct Model {
    design: Design,
    grain: Grain,
    runtime: Runtime,
    threads: u8,
}

impl Model {
    /// At the beginning, with one thread: [`Subject::reset`] says how many.
    pub fn new(design: Design, grain: Grain) -> Self {
        Model { design, grain, runtime: Runtime::new(&design), threads: 1 }
    }

    /// Its state.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Its design.
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// What a move would lead to; the state stays as it is.
    pub fn foresee(&self, mv: &Move) -> Option<Outcome> {
        let mut ahead = self.runtime;
        ahead.apply(&self.design, self.grain, mv).ok()
    }
}

impl Subject for Model {
    fn name(&self) -> &'static str {
        "model"
    }

    fn shows(&self) -> Shows {
        Shows { phase: true, gils: true, holder: true, refusals: true }
    }

    fn reset(&mut self, threads: u8) -> Result<(), SubjectError> {
        self.runtime = Runtime::new(&self.design);
        self.threads = threads;
        Ok(())
    }

    fn apply(&mut self, mv: &Move) -> Result<Event, SubjectError> {
        let outcome = self
            .runtime
            .apply(&self.design, self.grain, mv)
            .map_err(|bad| SubjectError { subject: "model", reason: format!("{mv}: {bad}") })?;
        Ok(match outcome {
            Outcome::Running => Event::Running,
            Outcome::Parked(parking) => Event::Parked(parking),
            Outcome::Replied(reply) => {
                Event::Replied { reply, view: self.runtime.thread_view(&self.design, mv.thread()) }
            }
            Outcome::Refused(rule) => Event::Refused(rule),
            Outcome::Died(rule) => Event::Died(rule.id().to_string()),
        })
    }

    fn observe(&mut self) -> Result<Observation, SubjectError> {
        Ok(self.runtime.observe(&self.design, self.threads))
    }
}
