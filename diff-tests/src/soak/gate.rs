//! The gate: opens when all have come. Who waits for it can lose patience.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A barrier that tells who is missing.
pub(super) struct Gate {
    state: Mutex<State>,
    opened: Condvar,
}

struct State {
    turn: u64,
    here: Vec<bool>,
    abandoned: bool,
}

/// Who had not come when somebody lost patience; nobody, if another did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Abandoned(pub Vec<usize>);

impl Gate {
    /// For so many.
    pub fn new(parties: usize) -> Self {
        let state = State { turn: 0, here: vec![false; parties], abandoned: false };
        Gate { state: Mutex::new(state), opened: Condvar::new() }
    }

    /// Waits until all have come; with no limit, as long as that takes.
    pub fn pass(&self, me: usize, patience: Option<Duration>) -> Result<(), Abandoned> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = state.here.get_mut(me) {
            *here = true;
        }
        if state.here.iter().all(|here| *here) && !state.abandoned {
            state.here.fill(false);
            state.turn += 1;
            self.opened.notify_all();
            return Ok(());
        }
        let turn = state.turn;
        let closed = |state: &mut State| state.turn == turn && !state.abandoned;
        state = match patience {
            None => self.opened.wait_while(state, closed).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.opened.wait_timeout_while(state, limit, closed);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if state.turn != turn {
            return Ok(());
        }
        let missing = match state.abandoned {
            true => Vec::new(),
            false => (0..state.here.len()).filter(|k| !state.here[*k]).collect(),
        };
        state.abandoned = true;
        self.opened.notify_all();
        Err(Abandoned(missing))
    }

    /// Nobody passes any more: whoever waits, or comes, learns it.
    pub fn abandon(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).abandoned = true;
        self.opened.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::{Abandoned, Gate};
    use std::time::Duration;

    #[test]
    fn all_pass_together_and_again() {
        let gate = Gate::new(3);
        std::thread::scope(|scope| {
            for me in 0..3 {
                let gate = &gate;
                scope.spawn(move || (0..100).for_each(|_| gate.pass(me, None).unwrap()));
            }
        });
    }

    #[test]
    fn who_loses_patience_learns_who_is_missing_and_lets_the_others_go() {
        let gate = Gate::new(3);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.pass(0, None));
            while !gate.state.lock().unwrap().here[0] {
                std::thread::yield_now();
            }
            assert_eq!(gate.pass(2, Some(Duration::ZERO)), Err(Abandoned(vec![1])));
            assert_eq!(waiting.join().unwrap(), Err(Abandoned(vec![])));
        });
        assert_eq!(gate.pass(1, None), Err(Abandoned(vec![])));
    }

    #[test]
    fn an_abandoned_gate_lets_nobody_pass() {
        let gate = Gate::new(1);
        gate.pass(0, None).unwrap();
        gate.abandon();
        assert_eq!(gate.pass(0, None), Err(Abandoned(vec![])));
    }
}
