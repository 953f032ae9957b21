//! Makes a failing run short: whole calls are left out as long as it still fails.

use cloister_model::Design;
use cloister_specs::Move;

use super::generate::Mix;
use super::run::{Divergence, Ended, Lockstep};
use crate::subject::{Subject, SubjectError};

/// Do model and subject part on these moves? Calls that the mix leaves out are not made.
pub fn diverges(
    design: Design,
    subject: &mut dyn Subject,
    mix: &Mix,
    moves: &[Move],
) -> Result<Option<Divergence>, SubjectError> {
    match Lockstep::new(design, subject).leaving_out(mix.left_out).replay(mix.threads, moves)? {
        Ended::Diverged(divergence) => Ok(Some(*divergence)),
        Ended::Agreed | Ended::Poisoned => Ok(None),
    }
}

/// A shortest run, in the sense that no move can be left out.
pub fn shrink(
    design: Design,
    subject: &mut dyn Subject,
    mix: &Mix,
    found: Divergence,
) -> Result<Divergence, SubjectError> {
    let mut best = match diverges(design, subject, mix, &found.moves)? {
        Some(again) => again,
        None => return Ok(found),
    };
    let mut chunk = best.moves.len() / 2;
    while chunk > 0 {
        let before = best.moves.len();
        let mut at = 0;
        while at < best.moves.len() {
            let end = (at + chunk).min(best.moves.len());
            let fewer: Vec<Move> = best.moves[..at].iter().chain(&best.moves[end..]).copied().collect();
            match diverges(design, subject, mix, &fewer)? {
                Some(shorter) if shorter.moves.len() < best.moves.len() => best = shorter,
                Some(_) | None => at += chunk,
            }
        }
        if best.moves.len() == before {
            chunk /= 2;
        }
    }
    best.seed = found.seed;
    Ok(best)
}
