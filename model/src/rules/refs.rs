//! Rules of objects and references.

use cloister_specs::{Client, InterpId, ObjectId, Op, OpKind, Reply, Rule};

use super::mem::{ended, rightful};
use super::step::started;
use super::threads::answers;
use super::{StateRule, Step, StepRule};
use crate::counts::{immortal, is_immortal};
use crate::design::{CrossRefs, Design, RefTotal};
use crate::label::{Count, Label};
use crate::machine::Outcome;
use crate::runtime::{Object, Runtime};

/// Those over a state.
pub(super) static STATE_RULES: &[StateRule] = &[
    StateRule { rule: Rule::Ref5, holds: counts_are_true },
    StateRule { rule: Rule::Ref7, holds: the_immortal_stay_so },
    StateRule { rule: Rule::Ref11, holds: the_total_is_true },
    StateRule { rule: Rule::Ref12, holds: nothing_dangles },
];

/// Those over a step.
pub(super) static STEP_RULES: &[StepRule] = &[
    StepRule { rule: Rule::Ref1, holds: used_attached },
    StepRule { rule: Rule::Ref2, holds: used_alive },
    StepRule { rule: Rule::Ref3, holds: used_in_its_heap },
    StepRule { rule: Rule::Ref4, holds: passed_inside_its_heap },
    StepRule { rule: Rule::Ref6, holds: the_immortal_are_not_written },
    StepRule { rule: Rule::Ref8, holds: deallocated_with_the_last },
    StepRule { rule: Rule::Ref9, holds: cleared_exactly },
    StepRule { rule: Rule::Ref10, holds: charged_where_it_works },
];

/// Has a thread read the count of an object, and not written it yet?
fn is_being_counted(r: &Runtime, o: ObjectId) -> bool {
    r.threads.iter().any(|x| matches!(x.top(), Label::RefStore(c) if c.count.object == o))
}

fn counts_are_true(_: &Design, r: &Runtime) -> bool {
    Runtime::object_ids().filter(|o| r.object_live(*o) && !r.object(*o).was_immortal).all(|o| {
        let object = r.object(o);
        is_being_counted(r, o) || i64::try_from(object.refcnt) == Ok(object.refs)
    })
}

fn the_immortal_stay_so(d: &Design, r: &Runtime) -> bool {
    r.objects.iter().all(|o| !o.live || !o.was_immortal || is_immortal(d.immortality, o.refcnt))
}

fn the_total_is_true(_: &Design, r: &Runtime) -> bool {
    let busy = r.threads.iter().any(|x| matches!(x.top(), Label::RefStore(_) | Label::TotalStore(_)));
    busy || r.all_refs() == i32::from(r.totals.all_refs)
}

fn nothing_dangles(_: &Design, r: &Runtime) -> bool {
    !r.totals.dangling
}

/// The object that a call which begins uses.
fn used(s: &Step) -> Option<ObjectId> {
    match started(s)? {
        Op::SetRefCnt { object, .. }
        | Op::IncRef { object, .. }
        | Op::DecRef { object, .. }
        | Op::SetImmortal(object)
        | Op::ClearImmortal(object)
        | Op::PassRef { object, .. } => Some(object),
        _ => None,
    }
}

fn used_attached(s: &Step) -> bool {
    let makes = matches!(started(s), Some(Op::ObjectNew { .. } | Op::RefTotal(_) | Op::GlobalRefTotal));
    !(makes || used(s).is_some()) || s.before.own_current(s.design, s.mv.thread()).is_some()
}

fn used_alive(s: &Step) -> bool {
    used(s).is_none_or(|o| s.before.object_live(o))
}

fn used_in_its_heap(s: &Step) -> bool {
    let Some(object) = used(s).map(|o| s.before.object(o)).filter(|o| o.live && o.owner.is_some()) else {
        return true;
    };
    let Some(t) = s.before.own_current(s.design, s.mv.thread()) else { return true };
    let here = s.before.tstate(t).interp;
    let passed = match s.design.cross_refs {
        CrossRefs::Accepted => object.away[here.index()] > 0,
        CrossRefs::Refused => false,
    };
    object.owner == Some(rightful(s.design, s.before, here)) || passed
}

fn passed_inside_its_heap(s: &Step) -> bool {
    match (s.design.cross_refs, started(s)) {
        // What comes of it is seen.
        (CrossRefs::Accepted, _) => true,
        (CrossRefs::Refused, Some(Op::PassRef { object, to })) => {
            let owner = s.before.object(object).owner;
            owner.is_none_or(|i| i == rightful(s.design, s.before, to))
        }
        (CrossRefs::Refused, _) => true,
    }
}

/// The change of a count that this step writes.
fn written(s: &Step) -> Option<Count> {
    match (started(s), s.before.thread(s.mv.thread()).top(), s.outcome) {
        (Some(Op::IncRef { object, client }), _, Outcome::Replied(_)) => {
            Some(Count { object, up: true, client })
        }
        (Some(Op::DecRef { object, client }), _, Outcome::Replied(_)) => {
            Some(Count { object, up: false, client })
        }
        (None, Label::RefStore(c), _) => Some(c.count),
        _ => None,
    }
}

fn the_immortal_are_not_written(s: &Step) -> bool {
    match written(s) {
        Some(Count { object, client: Client::Aware, .. }) => {
            let refcnt = |r: &Runtime| r.object(object).refcnt;
            let how = s.design.immortality;
            let to = refcnt(s.after);
            !is_immortal(how, refcnt(s.before)) || to == refcnt(s.before) || to == immortal(how)
        }
        Some(Count { client: Client::Unaware, .. }) | None => true,
    }
}

/// The objects that this step deallocates.
fn deallocated<'a>(s: &'a Step) -> impl Iterator<Item = &'a Object> + 'a {
    Runtime::object_ids()
        .filter(|o| s.before.object_live(*o) && !s.after.object_live(*o))
        .map(|o| s.before.object(o))
}

fn deallocated_with_the_last(s: &Step) -> bool {
    let left = |o: ObjectId| {
        let object = s.after.object(o);
        object.live && !object.was_immortal && object.refs <= 0
    };
    match (answers(s, OpKind::DecRef), written(s)) {
        (Some(Reply::Deallocated), _) => {
            let counted =
                matches!(s.before.thread(s.mv.thread()).top(), Label::TotalStore(_) | Label::HeapWork(_));
            let given_back = i64::from(!counted);
            deallocated(s).all(|o| !o.was_immortal && o.refs == given_back)
        }
        (Some(_), Some(count)) => !left(count.object),
        (Some(_) | None, _) => true,
    }
}

fn cleared_exactly(s: &Step) -> bool {
    match started(s) {
        Some(Op::ClearImmortal(o)) => {
            let object = s.before.object(o);
            object.owner.is_some() && object.refcnt == immortal(s.design.immortality)
        }
        _ => true,
    }
}

fn charged_where_it_works(s: &Step) -> bool {
    let (Some(count), Some(Op::IncRef { .. } | Op::DecRef { .. })) = (written(s), started(s)) else {
        return true;
    };
    let (RefTotal::PerInterpreter, Client::Aware) = (s.design.ref_total, count.client) else { return true };
    let refcnt = |r: &Runtime| r.object(count.object).refcnt;
    let changed = refcnt(s.before) != refcnt(s.after);
    let delta = if count.up { i32::from(changed) } else { -i32::from(changed) };
    let here = s.before.own_current(s.design, s.mv.thread()).map(|t| s.before.tstate(t).interp);
    Runtime::interp_ids().all(|i: InterpId| {
        let own = if Some(i) == here { delta } else { 0 };
        s.after.refs_of(i) == s.before.refs_of(i) + own
    })
}

fn counts(s: &Step, of: fn(&Design, &Object) -> bool, by: Client) -> bool {
    written(s).is_some_and(|c| c.client == by && of(s.design, s.before.object(c.object)))
}

fn immortal_now(d: &Design, o: &Object) -> bool {
    is_immortal(d.immortality, o.refcnt)
}

pub(super) fn a_mortal_object_is_counted(s: &Step) -> bool {
    counts(s, |d, o| !immortal_now(d, o), Client::Aware)
}

pub(super) fn an_immortal_object_is_counted(s: &Step) -> bool {
    counts(s, immortal_now, Client::Aware)
}

pub(super) fn an_unaware_client_counts_an_immortal_object(s: &Step) -> bool {
    counts(s, immortal_now, Client::Unaware)
}

pub(super) fn the_last_reference_is_given_back(s: &Step) -> bool {
    answers(s, OpKind::DecRef) == Some(Reply::Deallocated)
}

pub(super) fn a_sub_counts(s: &Step) -> bool {
    let here = s.before.own_current(s.design, s.mv.thread()).map(|t| s.before.tstate(t).interp);
    here.is_some_and(|i| i != cloister_specs::MAIN) && a_mortal_object_is_counted(s)
}

pub(super) fn references_that_were_left_are_counted(s: &Step) -> bool {
    let t = &s.before.totals;
    answers(s, OpKind::GlobalRefTotal).is_some() && (t.ref_leaks != 0 || t.ref_last_final != 0)
}

pub(super) fn a_heap_with_an_object_ends(s: &Step) -> bool {
    ended(s).any(|i| s.before.objects.iter().any(|o| o.live && o.owner == Some(i)))
}
