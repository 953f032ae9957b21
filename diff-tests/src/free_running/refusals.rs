//! Explaining refusals.

use cloister_model::label::Label;
use cloister_model::{Grain, Runtime};
use cloister_specs::{Move, Rule, Start, ThreadId};
use cloister_traced::trace::Answer;

use super::recording::THREADS;
use super::rejection::Reason;
use super::replay::{Progress, Replay, begins_quietly, quiet};

impl Replay {
    /// Looks which calls that are going to be refused the model would refuse now.
    pub fn explain(&mut self) -> Result<(), Reason> {
        for h in Runtime::thread_ids() {
            let open = |call: super::replay::Call| call.progress == Progress::Called && !call.explained;
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
        let [one, two] = [1, 2].map(|k| ThreadId((h.0 + k) % THREADS as u8));
        let found = self.quietly(self.model, one).any(|model| self.quietly(model, two).any(|m| refuses(&m)));
        Ok(found)
    }

    /// This state of the model, and those to which this thread can come from it quietly.
    fn quietly(&self, model: Runtime, h: ThreadId) -> impl Iterator<Item = Runtime> {
        let mut begun = self.call(h).is_some_and(|call| call.progress != Progress::Called);
        std::iter::successors(Some(model), move |model| {
            let mv = if model.thread(h).top() == Label::Idle && !begun {
                begun = true;
                self.beginning(h)
            } else {
                quiet(&self.design, model, self.call(h), h)
            }?;
            let mut next = *model;
            next.apply(&self.design, Grain::Fine, &mv).ok()?;
            Some(next)
        })
    }

    /// The move that begins the call of this thread quietly.
    fn beginning(&self, h: ThreadId) -> Option<Move> {
        let refused = matches!(self.answer_ahead(h), Some(Answer::Refused(_)));
        let call = self.call(h).filter(|call| begins_quietly(call.kind) && !refused)?;
        let op = self.names.op(call.kind, call.argument, call.fault)?;
        Some(Move::Start(Start { thread: h, op, at: None, prefer: h }))
    }
}
