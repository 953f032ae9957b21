//! Explaining refusals.

use cloister_model::label::Label;
use cloister_model::{Grain, Runtime};
use cloister_specs::{MAIN, Move, Op, OpKind, Rule, Start, ThreadId};
use cloister_traced::trace::{Answer, Effect, Event};

use super::quietly::quiet;
use super::recording::THREADS;
use super::rejection::Reason;
use super::replay::{Call, Progress, Replay};

impl Replay {
    /// Looks which calls that are going to be refused the model would refuse now.
    pub fn explain(&mut self) -> Result<(), Reason> {
        self.answer();
        for h in Runtime::thread_ids() {
            let open = |call: Call| call.progress == Progress::Called && !call.explained;
            if let Some(Answer::Refused(rule)) = self.answer_ahead(h)
                && self.call(h).is_some_and(open)
                && self.refuses(h, rule)?
            {
                self.note(h, |call| call.explained = true);
            }
        }
        Ok(())
    }

    /// Would the model refuse the call of this thread by this rule, now or after other
    /// threads went on quietly?
    fn refuses(&self, h: ThreadId, rule: Rule) -> Result<bool, Reason> {
        let op = self.op(h)?;
        let refuses = |model: &Runtime| model.check(&self.design, h, &op) == Err(rule);
        if self.not_live_yet(&op, rule) {
            return Ok(true);
        }
        let [one, two] = [1, 2].map(|k| ThreadId((h.0 + k) % THREADS as u8));
        let after = |first, then| {
            self.quietly(self.model, first).any(|model| self.quietly(model, then).any(|m| refuses(&m)))
        };
        let found = after(one, two) || after(two, one);
        Ok(found)
    }

    /// This state of the model, and those to which this thread can come from it quietly, or
    /// by the change of the lists that it is about to tell: some guards look at what is
    /// changed without the list lock, and so before it is told.
    fn quietly(&self, model: Runtime, h: ThreadId) -> impl Iterator<Item = Runtime> {
        let mut begun = self.call(h).is_some_and(|call| call.progress != Progress::Called);
        let mut changed = false;
        std::iter::successors(Some(model), move |model| {
            let beginning = if begun { None } else { self.beginning(h) };
            let going_on = beginning.or_else(|| quiet(&self.design, model, self.call(h), h));
            let mv = match going_on {
                // Whoever ends an interpreter frees it with its thread state.
                _ if changed => match model.thread(h).top() {
                    Label::EndFree(_) => Some(Move::Step { thread: h, prefer: h }),
                    _ => None,
                },
                Some(mv) => Some(mv),
                None => {
                    changed = true;
                    self.changing(h, begun, model)
                }
            }?;
            let mut next = *model;
            if !begun && matches!(self.ahead(h), Some(Event::Dropping(_))) {
                // It is no poll, or one that saw no pending calls.
                next.interps.iter_mut().for_each(|interp| interp.pending.signalled = false);
                next.pending_main.signalled = false;
            }
            begun = true;
            next.apply(&self.design, Grain::Fine, &mv).ok()?;
            Some(next)
        })
    }

    /// Does the call find the main interpreter while an Initialize is making it? That is one step in
    /// the model.
    fn not_live_yet(&self, op: &Op, rule: Rule) -> bool {
        let initializes = |h| self.call(h).is_some_and(|call| call.kind == OpKind::Initialize);
        let finds = match op {
            Op::AddPendingCall { interp, .. } => rule == Rule::Life13 && interp.is_none_or(|i| i == MAIN),
            Op::NewInterpreter { .. } | Op::NewInterpreterFromConfig { .. } => rule == Rule::Fin19,
            _ => false,
        };
        finds && Runtime::thread_ids().any(initializes)
    }

    /// The move that begins the call of this thread quietly.
    fn beginning(&self, h: ThreadId) -> Option<Move> {
        let refused = matches!(self.answer_ahead(h), Some(Answer::Refused(_)));
        let call = self.call(h).filter(|_| self.begins_quietly(h) && !refused)?;
        self.start(h, call)
    }

    /// The move by which the lists change, if this is what the thread tells next.
    fn changing(&self, h: ThreadId, begun: bool, model: &Runtime) -> Option<Move> {
        let Event::Effect(effect) = self.ahead(h)? else { return None };
        match (effect, model.thread(h).top()) {
            (
                Effect::Cleared(_) | Effect::Deleted(_) | Effect::Ending { .. } | Effect::Dereferenced(_),
                Label::Idle,
            ) if !begun => self.start(h, self.call(h)?),
            (Effect::Ended { .. }, Label::EndDelete(_))
            | (Effect::Undone { .. }, Label::UndoDelete(_))
            | (Effect::Deleted(_), Label::LeaveDelete(..) | Label::FinalOthers(_))
            | (Effect::Finalizing { .. }, Label::EndLast(_) | Label::FinalSet(_))
            | (Effect::Finalized { .. }, Label::FinalFree(_)) => Some(Move::Step { thread: h, prefer: h }),
            _ => None,
        }
    }

    fn start(&self, h: ThreadId, call: Call) -> Option<Move> {
        let op = self.names.op(&call)?;
        Some(Move::Start(Start { thread: h, op, at: None, prefer: h }))
    }
}
