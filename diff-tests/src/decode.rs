//! Bytes as a run: every string of bytes is one, so that a fuzzer can look for a bad one.

use arbitrary::{Arbitrary, Result, Unstructured};
use cloister_model::check::{Bounds, Scope};
use cloister_model::{Design, Grain, Runtime};
use cloister_specs::{Move, Op, Start, ThreadId};

/// A run made from bytes: mostly moves that the model can make, now and then a call that it refuses.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The moves.
    pub moves: Vec<Move>,
}

/// Threads of a decoded run.
pub const THREADS: u8 = 3;
/// No run is longer.
const LIMIT: usize = 200;

impl<'a> Arbitrary<'a> for Decoded {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Decoded> {
        let scope = Scope::whole("decoded", Design::CLOISTER, Grain::Atomic, Bounds::new(THREADS, 3, 4));
        let scope = Scope { symmetry: false, reuse: false, ..scope };
        let mut runtime = Runtime::new(&scope.design);
        let mut moves = Vec::new();
        let mut enabled = Vec::new();
        while !bytes.is_empty() && moves.len() < LIMIT {
            enabled.clear();
            scope.moves(&runtime, &mut enabled, |_, _| ());
            let mv = if enabled.is_empty() || bytes.ratio(1u8, 8u8)? {
                let thread = ThreadId(bytes.int_in_range(0..=THREADS - 1)?);
                let op = Op::arbitrary(bytes)?;
                let at = op.makes_tstate().then(|| runtime.free_tstate()).flatten();
                if !runtime.has_room(thread, &op) || (op.makes_tstate() && at.is_none()) {
                    continue;
                }
                Move::Start(Start { thread, op, at, prefer: ThreadId(0) })
            } else {
                *bytes.choose(&enabled)?
            };
            if runtime.apply(&scope.design, scope.grain, &mv).is_ok() {
                moves.push(mv);
            }
        }
        Ok(Decoded { moves })
    }
}
