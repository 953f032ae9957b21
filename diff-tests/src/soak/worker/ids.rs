//! References to ids, and ends from outside.

use super::{Fine, Worker};
use crate::soak::{Count, Loss};
use cloister::{CallError, GateError, Interp, Thread};
use cloister_specs::{OpKind, Rule};

/// Others have thread states there; nobody has; or its only one is of another thread or was cleared.
const IN_THE_WAY: [Rule; 3] = [Rule::Life10, Rule::Id6, Rule::Tls6];

impl Worker {
    /// Tries to end one of this thread's interpreters from outside.
    pub(super) fn end_from_outside(&mut self, thread: &Thread) -> Fine {
        let Some(interp) = self.pick_own() else { return Ok(()) };
        self.shared.ledger().close(interp);
        if self.inside.is_some() && self.rng.bool() {
            self.destroy(thread, interp)
        } else {
            self.give_back_last(thread, interp)
        }
    }

    fn destroy(&mut self, thread: &Thread, interp: Interp) -> Fine {
        let call = OpKind::DestroyInterpreter;
        let head = self.shared.ledger().entrance(interp, self.me);
        let kind = self.kind_of(interp);
        let destroyed = thread.destroy_interpreter(interp).map_err(|error| match error {
            GateError::Refused(refusal) => CallError::from(refusal),
            GateError::Denied(_) | GateError::Finalized => CallError::Finalized,
        });
        if self.explained(call, destroyed, &IN_THE_WAY)?.is_some() {
            self.tally.add(Count::Destroyed, kind);
            let head = head.ok_or(Loss::Astray { call })?;
            self.ended(thread, call, interp, head)?;
        }
        Ok(())
    }

    /// Takes two references, and gives them back. The last one ends the interpreter, unless
    /// somebody is in the way.
    fn give_back_last(&mut self, thread: &Thread, interp: Interp) -> Fine {
        let call = OpKind::InterpreterLookUpId;
        if thread.interpreter_look_up_id(interp.id().unwrap_or(-1)) != Ok(interp) {
            return Err(Loss::Astray { call });
        }
        for _ in 0..2 {
            self.explained(OpKind::InterpreterIdIncref, thread.interpreter_id_incref(interp), &[])?;
        }
        let require = |worker: &mut Worker, required| {
            let answer = thread.interpreter_require_idref(interp, required);
            worker.explained(OpKind::InterpreterRequireIdRef, answer, &[])
        };
        require(self, true)?;
        let call = OpKind::InterpreterIdDecref;
        self.explained(call, thread.interpreter_id_decref(interp), &[])?;
        let head = self.shared.ledger().entrance(interp, self.me);
        let kind = self.kind_of(interp);
        if self.explained(call, thread.interpreter_id_decref(interp), &IN_THE_WAY)?.is_some() {
            self.tally.add(Count::LastRef, kind);
            let head = head.ok_or(Loss::Astray { call })?;
            return self.ended(thread, call, interp, head);
        }
        require(self, false)?;
        self.explained(call, thread.interpreter_id_decref(interp), &[])?;
        Ok(())
    }
}
