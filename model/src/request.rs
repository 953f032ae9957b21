//! Requests for a GIL, and the eval breaker: where they are left, and who sees them.

use cloister_specs::{InterpId, MAIN, ThreadId};

use crate::design::{Design, DropRequest, EvalBreaker};
use crate::runtime::Runtime;

impl Runtime {
    /// Does a thread that runs in this interpreter see a request?
    pub fn request_seen_in(&self, d: &Design, i: InterpId) -> bool {
        match d.drop_request {
            DropRequest::PerInterpreter => self.interp(i).drop_request,
            DropRequest::PerGil => self.interp(i).gil.is_some_and(|g| self.gils[g.index()].drop_request),
        }
    }

    /// Sets the request that a thread of this interpreter leaves.
    pub(crate) fn ask(&mut self, d: &Design, i: InterpId) {
        self.set_request(d, i, true);
        let gil = self.interp(i).gil;
        for k in Runtime::interp_ids() {
            let sees = match d.drop_request {
                DropRequest::PerInterpreter => k == i,
                DropRequest::PerGil => self.interp(k).gil == gil,
            };
            self.break_eval(d, k, sees || self.interp(k).breaker);
        }
    }

    /// Resets the request that a thread of this interpreter sees; done by this thread.
    pub(crate) fn reset_request(&mut self, d: &Design, h: ThreadId, i: InterpId) {
        self.set_request(d, i, false);
        self.compute_breaker(d, h, i);
    }

    fn set_request(&mut self, d: &Design, i: InterpId, on: bool) {
        match d.drop_request {
            DropRequest::PerInterpreter => self.interp_mut(i).drop_request = on,
            DropRequest::PerGil => {
                if let Some(g) = self.interp(i).gil {
                    self.gils[g.index()].drop_request = on;
                }
            }
        }
    }

    /// `COMPUTE_EVAL_BREAKER`, as this thread does it.
    pub(crate) fn compute_breaker(&mut self, d: &Design, h: ThreadId, i: InterpId) {
        let mains = h == self.main_thread && i == MAIN && self.pending_main.signalled;
        let on = self.request_seen_in(d, i) || self.interp(i).pending.signalled || mains;
        self.break_eval(d, i, on);
    }

    fn break_eval(&mut self, d: &Design, i: InterpId, on: bool) {
        match d.eval_breaker {
            EvalBreaker::AsComputed if self.interp_listed(i) => self.interp_mut(i).breaker = on,
            EvalBreaker::AsComputed | EvalBreaker::Exact => {}
        }
    }
}
