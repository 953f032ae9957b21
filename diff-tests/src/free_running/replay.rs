//! The model on the way through a recording: its state, where each thread is in its own
//! events, and the moves.

use std::collections::VecDeque;

use cloister_model::label::Label;
use cloister_model::rules::{Step, broken_by};
use cloister_model::{Design, Grain, Outcome, Runtime};
use cloister_specs::{Fault, Move, Op, OpKind, PendingCall, Reply, Rule, Start, ThreadId};
use cloister_traced::trace::{Answer, Argument, Event};

use super::Report;
use super::names::Names;
use super::quietly::quiet;
use super::recording::{Recording, THREADS};
use super::rejection::{Reason, answered};

/// A call under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub kind: OpKind,
    pub argument: Argument,
    pub fault: Option<Fault>,
    /// What the pending call does that it adds.
    pub pending: Option<PendingCall>,
    pub progress: Progress,
    /// Its interpreter is live, but for the answer.
    pub live: bool,
    /// It told that it waits, and the model's thread does not wait yet.
    pub late: bool,
    /// Its refusal is explained.
    pub explained: bool,
    /// How many events it told that are one step with a later one.
    pub told: usize,
    pub inner: Inner,
}

/// What a pending call does that a call runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inner {
    /// The calls that it has still to make.
    pub due: &'static [OpKind],
    /// The one that it is in.
    pub open: Option<OpKind>,
    /// It adds another one, and the model has not taken it out of its ring yet.
    pub adds: bool,
}

/// How far the model is with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has not begun it.
    Called,
    /// It is inside it.
    Begun,
    /// It has replied to it.
    Over,
}

/// Where a thread is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its own events from the next one on.
    pub ahead: VecDeque<Event>,
    pub faults: VecDeque<Option<Fault>>,
    pub pending: VecDeque<PendingCall>,
    pub call: Option<Call>,
}

/// The model on the way through a recording.
pub(super) struct Replay {
    pub design: Design,
    pub model: Runtime,
    pub names: Names,
    pub places: [Place; THREADS],
    pub report: Report,
}

impl Replay {
    pub fn new(recording: &Recording) -> Self {
        let names = Names::new(recording);
        let place = |k: usize| {
            let own = |h: Option<ThreadId>| h.is_some_and(|h| h.index() == k);
            let ahead = recording.events.iter().filter(|e| own(names.thread(e.thread)));
            Place {
                ahead: ahead.map(|e| e.event).collect(),
                faults: recording.faults[k].iter().copied().collect(),
                pending: recording.pending[k].iter().copied().collect(),
                call: None,
            }
        };
        let places = std::array::from_fn(place);
        let design = Design::CLOISTER;
        Replay { design, model: Runtime::new(&design), names, places, report: Report::default() }
    }

    pub fn place(&mut self, h: ThreadId) -> &mut Place {
        &mut self.places[h.index() % THREADS]
    }

    pub fn call(&self, h: ThreadId) -> Option<Call> {
        self.places[h.index() % THREADS].call
    }

    /// Changes the call of this thread.
    pub fn note(&mut self, h: ThreadId, change: impl FnOnce(&mut Call)) {
        if let Some(call) = &mut self.place(h).call {
            change(call);
        }
    }

    /// The next event of this thread.
    pub fn ahead(&self, h: ThreadId) -> Option<Event> {
        self.places[h.index() % THREADS].ahead.front().copied()
    }

    /// The answer that is the next event of this thread, if it is one, and not that of a call
    /// which a pending call makes.
    pub fn answer_ahead(&self, h: ThreadId) -> Option<Answer> {
        let inside = self.call(h).is_some_and(|call| call.inner.open.is_some());
        match self.ahead(h).filter(|_| !inside) {
            Some(Event::Returned(answer)) => Some(answer),
            _ => None,
        }
    }

    /// Makes a move, and looks whether it breaks a rule.
    pub fn make(&mut self, mv: &Move) -> Result<Outcome, Reason> {
        self.make_unseen(mv, |_| (), |_| ())
    }

    /// The same, while something is hidden from the thread.
    pub fn make_unseen(
        &mut self,
        mv: &Move,
        hide: impl FnOnce(&mut Runtime),
        show: impl FnOnce(&mut Runtime),
    ) -> Result<Outcome, Reason> {
        let before = self.model;
        hide(&mut self.model);
        let outcome = self.model.apply(&self.design, Grain::Fine, mv);
        show(&mut self.model);
        let outcome = outcome?;
        let step = Step { design: &self.design, before: &before, mv, outcome, after: &self.model };
        if let Some(rule) = broken_by(&step) {
            return Err(Reason::Breaks(rule));
        }
        if let Outcome::Replied(reply) = outcome {
            self.over(mv.thread(), reply)?;
        }
        Ok(outcome)
    }

    /// The model has replied: so must the trace.
    fn over(&mut self, h: ThreadId, model: Reply) -> Result<(), Reason> {
        let answer = self.answer_ahead(h);
        if !answer.is_some_and(|a| self.names.same(a, model)) {
            let answer = answer.map_or("nothing yet".into(), |a| answered(a, &self.names));
            return Err(Reason::Replies { model, answer });
        }
        self.note(h, |call| call.progress = Progress::Over);
        Ok(())
    }

    /// Takes the label at which this thread stands.
    pub fn step(&mut self, h: ThreadId) -> Result<Outcome, Reason> {
        self.make(&Move::Step { thread: h, prefer: h })
    }

    /// Goes on with this thread by quiet labels until it stands at one like this.
    pub fn reach(&mut self, h: ThreadId, wanted: fn(&Label) -> bool) -> Result<Label, Reason> {
        if self.begins_quietly(h) {
            self.begin(h)?;
        }
        loop {
            let top = self.model.thread(h).top();
            if wanted(&top) {
                return Ok(top);
            }
            match quiet(&self.design, &self.model, self.call(h), h) {
                Some(mv) => self.make(&mv)?,
                None => return Err(stuck(top)),
            };
        }
    }

    /// Ends the call of this thread by quiet labels.
    pub fn finish(&mut self, h: ThreadId) -> Result<(), Reason> {
        let begun = self.call(h).is_some_and(|call| call.progress != Progress::Called);
        if !begun && !self.begins_quietly(h) {
            return Err(Reason::Untold);
        }
        let ended = self.reach(h, |label| *label == Label::Idle);
        match self.call(h) {
            Some(Call { progress: Progress::Over, .. }) => Ok(()),
            Some(_) | None => ended.and(Err(Reason::Untold)),
        }
    }

    /// The operation that the call of this thread is, as things are now.
    pub fn op(&self, h: ThreadId) -> Result<Op, Reason> {
        let call = self.call(h).ok_or(Reason::Outside)?;
        self.names.op(&call).ok_or(Reason::Malformed)
    }

    /// Begins the call of this thread.
    pub fn begin(&mut self, h: ThreadId) -> Result<Outcome, Reason> {
        let op = self.op(h)?;
        if let Err(rule) = self.model.check(&self.design, h, &op) {
            self.end_early(h, &op, rule)?;
        }
        let at = op.makes_tstate().then(|| self.model.free_tstate()).flatten();
        self.note(h, |call| call.progress = Progress::Begun);
        self.report.accepted += 1;
        self.report.kinds.count(op.kind());
        self.make(&Move::Start(Start { thread: h, op, at, prefer: h }))
    }

    /// The call of this thread is refused: ends another thread's call early, if that helps.
    fn end_early(&mut self, h: ThreadId, op: &Op, rule: Rule) -> Result<(), Reason> {
        for other in Runtime::thread_ids().filter(|k| *k != h) {
            let inside = self.call(other).is_some_and(|call| call.progress == Progress::Begun);
            if !inside || self.answer_ahead(other).is_none() {
                continue;
            }
            let before = (self.model, self.call(other), self.report);
            if self.finish(other).is_ok() && self.model.check(&self.design, h, op).is_ok() {
                self.report.reordered += 1;
                return Ok(());
            }
            (self.model, self.place(other).call, self.report) = before;
        }
        Err(Reason::Refuses(rule))
    }
}

/// Why a thread cannot go on quietly from this label.
fn stuck(label: Label) -> Reason {
    match label {
        Label::Idle => Reason::Stuck(None),
        Label::DropTest { .. } => Reason::SwitchSkipped,
        label => Reason::Stuck(Some(label)),
    }
}
