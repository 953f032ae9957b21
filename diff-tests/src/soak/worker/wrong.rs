//! Calls that are wrong on purpose, and have to be refused.

use super::{Fine, Worker};
use crate::soak::Loss;
use cloister::Thread;
use cloister_specs::{OpKind, Refusal, Rule};

impl Worker {
    /// Makes a wrong call.
    pub(super) fn err(&mut self, thread: &Thread) -> Fine {
        match self.rng.u32(..3) {
            0 => self.use_what_is_gone(thread),
            1 => self.use_what_is_another_threads(thread),
            _ => match thread.current() {
                None => self.be_nowhere(thread),
                Some(_) => self.be_somewhere(thread),
            },
        }
    }

    fn refused<T>(&mut self, call: OpKind, answer: Result<T, Refusal>, by: &[Rule]) -> Fine {
        match answer {
            Err(Refusal { rule }) if by.contains(&rule) => {
                self.tally.wrong += 1;
                Ok(())
            }
            Err(Refusal { rule }) => Err(Loss::Refused { call, rule }),
            Ok(_) => Err(Loss::Accepted { call, rule: by[0] }),
        }
    }

    fn be_nowhere(&mut self, thread: &Thread) -> Fine {
        self.refused(OpKind::SaveThread, thread.save_thread(), &[Rule::Tls7])?;
        self.refused(OpKind::EvalBreakerPoll, thread.eval_breaker_poll(), &[Rule::Tls18])
    }

    fn be_somewhere(&mut self, thread: &Thread) -> Fine {
        let Some(current) = thread.current() else { return Ok(()) };
        self.refused(OpKind::RestoreThread, thread.restore_thread(current), &[Rule::Tls5])?;
        self.refused(OpKind::ThreadStateBind, thread.thread_state_bind(current), &[Rule::Tls3])?;
        self.refused(OpKind::ThreadStateClear, thread.thread_state_clear(current), &[Rule::Tls10])?;
        self.refused(OpKind::ThreadStateDelete, thread.thread_state_delete(current), &[Rule::Tls12])?;
        if self.inside.as_ref().map(|inside| inside.interp) == self.shared.runtime.main() {
            self.refused(OpKind::EndInterpreter, thread.end_interpreter(current), &[Rule::Life11])?;
        }
        Ok(())
    }

    fn use_what_is_another_threads(&mut self, thread: &Thread) -> Fine {
        let me = self.me;
        let Some(known) = self.pick(|known| known.holder.is_some_and(|holder| holder != me)) else {
            return Ok(());
        };
        let swap = thread.thread_state_swap(Some(known.tstate));
        self.refused(OpKind::ThreadStateSwap, swap, &[Rule::Tls4, Rule::Gil12])?;
        let end = thread.end_interpreter(known.tstate);
        self.refused(OpKind::EndInterpreter, end, &[Rule::Life9, Rule::Gil12])
    }

    fn use_what_is_gone(&mut self, thread: &Thread) -> Fine {
        let Some((interp, tstate)) = self.stale else { return Ok(()) };
        let by = &[Rule::Gil12];
        self.refused(OpKind::ThreadStateNew, thread.thread_state_new(interp), by)?;
        self.refused(OpKind::ThreadStateBind, thread.thread_state_bind(tstate), by)?;
        self.refused(OpKind::ThreadStateSwap, thread.thread_state_swap(Some(tstate)), by)?;
        self.refused(OpKind::ThreadStateClear, thread.thread_state_clear(tstate), by)?;
        self.refused(OpKind::ThreadStateDelete, thread.thread_state_delete(tstate), by)?;
        self.refused(OpKind::EndInterpreter, thread.end_interpreter(tstate), by)
    }
}
