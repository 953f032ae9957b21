//! Two knobs at once: what a setting does where a fault is in already.
//!
//! Alone, such a setting does nothing, or something that comes first hides what it does. So a
//! fault is put *beside* it, and the knob is judged in each of its settings, ours included.

use super::GilMode;
use super::rows::{Row, bounds};
use cloister_model::check::{Bounds, Scope};
use cloister_model::design::Knob;
use cloister_model::{Design, Grain};
use cloister_specs::{OpKind, Rule};

/// The fault, the knob, and the rule that it is about; `None`: whichever is broken first.
const CROSSED: &[((&str, &str), &str, Option<Rule>)] = &[
    (("own-gil-shared-obmalloc", "accepted"), "obmalloc", Some(Rule::Mem1)),
    (("foreign-free", "undetected"), "free-goes-to", None),
    (("cross-refs", "accepted"), "counts", Some(Rule::Ref5)),
];

/// The fine grain shows nothing more here, in many times the states.
const GRAINS: [Grain; 2] = [Grain::Atomic, Grain::Merged];

/// What such a row is judged with: the scope that shows the knob, as far as the fault and the rule
/// need it.
pub(super) fn narrowed(scope: Scope, fault: &str, gil: GilMode) -> Scope {
    match fault {
        "own-gil-shared-obmalloc" => Scope { configs: gil.configs(), ..scope },
        // What becomes of a count at the end of its heap is another rule's.
        "cross-refs" => {
            let ops = scope.ops.iter().copied().filter(|op| *op != OpKind::EndInterpreter).collect();
            Scope { ops, ..scope }
        }
        _ => scope,
    }
}

fn knob(name: &str) -> Option<&'static Knob> {
    Design::KNOBS.iter().find(|knob| knob.name == name)
}

/// `cloister` with each of these faults, the knob in each of its settings, in both GIL modes.
pub fn crossed() -> Vec<Row> {
    let mut rows = Vec::new();
    for ((fault, accepted), turned, only) in CROSSED {
        let (Some(fault), Some(turned)) = (knob(fault), knob(turned)) else { continue };
        for setting in turned.settings {
            for gil in GilMode::ALL {
                rows.extend(GRAINS.map(|grain| Row {
                    base: "cloister",
                    beside: Some((fault, *accepted)),
                    turned: Some((turned, *setting)),
                    gil,
                    grain,
                    bounds: match *setting {
                        // Which heap is selected is up to the thread alone.
                        "selected" => Bounds::new(1, 2, 2),
                        other => bounds(turned.name, other, gil),
                    },
                    only: *only,
                }));
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_names_knobs_and_settings_that_there_are() {
        for ((fault, accepted), turned, _) in CROSSED {
            assert!(knob(fault).is_some_and(|knob| knob.settings.contains(accepted)), "{fault}={accepted}");
            assert!(knob(turned).is_some(), "{turned}");
        }
    }
}
