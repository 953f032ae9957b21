//! Rules of blocks.

use cloister_specs::{BlockId, Domain, InterpId, MAIN, Move, Op, OpKind, Reply, Rule, Start, ThreadId};

use super::step::{base, started};
use super::threads::answers;
use super::{StateRule, Step, StepRule};
use crate::design::{Design, ForeignFree, Obmalloc};
use crate::label::{Inside, Label};
use crate::machine::Outcome;
use crate::runtime::{Block, Class, Runtime};

/// Those over a state.
pub(super) static STATE_RULES: &[StateRule] = &[
    StateRule { rule: Rule::Mem1, holds: one_thread_in_a_heap },
    StateRule { rule: Rule::Mem11, holds: no_arena_is_abandoned },
];

/// Those over a step.
pub(super) static STEP_RULES: &[StepRule] = &[
    StepRule { rule: Rule::Mem2, holds: from_the_heap_of_the_caller },
    StepRule { rule: Rule::Mem3, holds: allocates_attached },
    StepRule { rule: Rule::Mem4, holds: freed_where_it_came_from },
    StepRule { rule: Rule::Mem5, holds: freed_in_its_domain },
    StepRule { rule: Rule::Mem6, holds: freed_alive },
    StepRule { rule: Rule::Mem7, holds: large_ones_are_counted },
    StepRule { rule: Rule::Mem8, holds: a_failure_changes_nothing },
    StepRule { rule: Rule::Mem9, holds: an_interpreters_blocks_are_counted },
    StepRule { rule: Rule::Mem10, holds: asked_where_there_is_a_heap },
    StepRule { rule: Rule::Mem12, holds: all_blocks_are_counted },
    StepRule { rule: Rule::Mem13, holds: a_failed_reallocation_changes_nothing },
    StepRule { rule: Rule::Mem14, holds: stays_where_it_is },
    StepRule { rule: Rule::Mem15, holds: counted_while_nobody_is_there },
    StepRule { rule: Rule::Mem16, holds: the_raw_are_freed_anywhere },
];

fn one_thread_in_a_heap(_: &Design, r: &Runtime) -> bool {
    let inside = |i: InterpId| {
        r.threads.iter().filter(|x| matches!(x.top(), Label::HeapWork(w) if w.heap == i)).count()
    };
    Runtime::interp_ids().all(|i| inside(i) <= 1)
}

fn no_arena_is_abandoned(_: &Design, r: &Runtime) -> bool {
    !r.totals.abandoned
}

/// The request that the mover's call makes: domain, bytes, and whether it is to fail.
fn request(s: &Step) -> Option<(Domain, u16, bool)> {
    match (started(s), base(s.before, s.mv.thread())) {
        (Some(Op::Malloc { domain, size, fails } | Op::Calloc { domain, size, fails }), _) => {
            Some((domain, size, fails))
        }
        (None, Label::HeapWork(w)) => match w.inside {
            Inside::Malloc { domain, size, fails } => Some((domain, size, fails)),
            Inside::Realloc { .. } | Inside::Free { .. } | Inside::New { .. } | Inside::Dealloc { .. } => {
                None
            }
        },
        _ => None,
    }
}

/// The block that the mover's call answers with.
fn allocated(s: &Step) -> Option<BlockId> {
    match answers(s, OpKind::Malloc).or(answers(s, OpKind::Calloc)) {
        Some(Reply::Block(block)) => block,
        _ => None,
    }
}

/// The interpreter whose heap this one is to use, by its configuration. Rules do not ask the
/// procedures for it.
pub(super) fn rightful(d: &Design, r: &Runtime, i: InterpId) -> InterpId {
    let own = match d.obmalloc {
        Obmalloc::PerInterpreter => !r.interp(i).config.use_main_obmalloc,
        Obmalloc::PerRuntime => false,
    };
    if own { i } else { MAIN }
}

/// The heap of the interpreter that a thread works in.
fn heap(d: &Design, r: &Runtime, h: ThreadId) -> Option<InterpId> {
    r.own_current(d, h).map(|t| rightful(d, r, r.tstate(t).interp))
}

fn from_the_heap_of_the_caller(s: &Step) -> bool {
    let asked = request(s).map(|(domain, ..)| domain);
    let here = heap(s.design, s.after, s.mv.thread());
    let block = allocated(s).map(|b| s.after.block(b));
    let object = match answers(s, OpKind::ObjectNew) {
        Some(Reply::Object(Some(o))) => Some(s.after.object(o)),
        _ => None,
    };
    let in_place = |b: &Block| match asked {
        Some(Domain::Raw) | None => b.live && b.owner.is_none(),
        Some(Domain::Mem | Domain::Obj) => b.live && b.owner == here,
    };
    block.is_none_or(in_place) && object.is_none_or(|o| o.live && o.owner == here)
}

/// The domain and the block of a call that gives one back or gives it another size.
fn uses(s: &Step) -> Option<(Domain, BlockId)> {
    match started(s) {
        Some(Op::Realloc { domain, block, .. } | Op::Free { domain, block: Some(block) }) => {
            Some((domain, block))
        }
        _ => None,
    }
}

fn allocates_attached(s: &Step) -> bool {
    let domain = match started(s) {
        Some(
            Op::Malloc { domain, .. }
            | Op::Calloc { domain, .. }
            | Op::Realloc { domain, .. }
            | Op::Free { domain, .. },
        ) => domain,
        Some(Op::AllocatedBlocks(_) | Op::GlobalAllocatedBlocks) => Domain::Obj,
        _ => return true,
    };
    domain == Domain::Raw || s.before.own_current(s.design, s.mv.thread()).is_some()
}

fn freed_where_it_came_from(s: &Step) -> bool {
    match s.design.foreign_free {
        // What comes of it is seen.
        ForeignFree::Undetected => return true,
        ForeignFree::Refused => {}
    }
    match uses(s) {
        Some((Domain::Mem | Domain::Obj, b)) => {
            s.before.block(b).owner == heap(s.design, s.before, s.mv.thread())
        }
        Some((Domain::Raw, _)) | None => true,
    }
}

fn freed_in_its_domain(s: &Step) -> bool {
    uses(s).is_none_or(|(domain, b)| s.before.block(b).domain == domain)
}

fn freed_alive(s: &Step) -> bool {
    uses(s).is_none_or(|(_, b)| s.before.block_live(b))
}

fn large_ones_are_counted(s: &Step) -> bool {
    let (Some((Domain::Mem | Domain::Obj, size, _)), Some(b)) = (request(s), allocated(s)) else {
        return true;
    };
    let block = s.after.block(b);
    let large = size == 0 || size > 512;
    let counted = block.owner.is_some_and(|i| {
        s.after.interp(i).raw_blocks == s.before.interp(i).raw_blocks.saturating_add(i16::from(large))
    });
    (block.class == Class::Large) == large && counted
}

/// What allocating changes.
fn books(r: &Runtime) -> (impl PartialEq, impl PartialEq, impl PartialEq, impl PartialEq) {
    (r.blocks, r.objects, r.totals, r.interps.map(|i| (i.raw_blocks, i.arena)))
}

fn a_failure_changes_nothing(s: &Step) -> bool {
    let none = [
        (OpKind::Malloc, Reply::Block(None)),
        (OpKind::Calloc, Reply::Block(None)),
        (OpKind::ObjectNew, Reply::Object(None)),
    ];
    let failed = none.into_iter().any(|(kind, reply)| answers(s, kind) == Some(reply));
    let asked = request(s).is_some_and(|(_, _, fails)| fails);
    (!asked || allocated(s).is_none()) && (!failed || books(s.before) == books(s.after))
}

fn an_interpreters_blocks_are_counted(s: &Step) -> bool {
    match (started(s), s.outcome) {
        (Some(Op::AllocatedBlocks(i)), Outcome::Replied(reply)) => {
            let blocks = s.before.blocks.iter().filter(|b| b.live && b.owner == Some(i)).count();
            let objects = s.before.objects.iter().filter(|o| o.live && o.owner == Some(i)).count();
            reply == Reply::Count((blocks + objects) as i32)
        }
        _ => true,
    }
}

fn asked_where_there_is_a_heap(s: &Step) -> bool {
    match started(s) {
        Some(Op::AllocatedBlocks(i)) => i == MAIN || rightful(s.design, s.before, i) == i,
        _ => true,
    }
}

fn all_blocks_are_counted(s: &Step) -> bool {
    match answers(s, OpKind::GlobalAllocatedBlocks) {
        Some(reply) => reply == Reply::Count(i32::from(s.before.totals.blocks)),
        None => true,
    }
}

fn a_failed_reallocation_changes_nothing(s: &Step) -> bool {
    answers(s, OpKind::Realloc) != Some(Reply::Block(None)) || books(s.before) == books(s.after)
}

/// Is a block to stay where it is when it gets so many bytes?
fn is_to_stay(block: &Block, size: u16) -> bool {
    match block.class {
        Class::Small(n) => {
            let room = 16 * u16::from(n);
            room.checked_sub(size).is_some_and(|spare| spare < room / 4)
        }
        Class::Large => false,
    }
}

fn stays_where_it_is(s: &Step) -> bool {
    match (started(s), s.outcome) {
        (Some(Op::Realloc { domain: Domain::Mem | Domain::Obj, block, size, .. }), Outcome::Replied(_)) => {
            let before = s.before.block(block);
            !is_to_stay(before, size) || s.after.block(block) == before
        }
        _ => true,
    }
}

fn counted_while_nobody_is_there(s: &Step) -> bool {
    let there = |i| s.before.interp_listed(i) && s.before.elsewhere_in(s.mv.thread(), i);
    match started(s) {
        Some(Op::AllocatedBlocks(i) | Op::RefTotal(i)) => !there(i),
        Some(Op::GlobalAllocatedBlocks | Op::GlobalRefTotal) => !Runtime::interp_ids().any(there),
        _ => true,
    }
}

fn the_raw_are_freed_anywhere(s: &Step) -> bool {
    let live = |b| s.before.block_live(b) && s.before.block(b).domain == Domain::Raw;
    match s.mv {
        Move::Start(Start { op: Op::Free { domain: Domain::Raw, block: Some(b) }, .. }) if live(*b) => {
            s.outcome == Outcome::Replied(Reply::Done)
        }
        _ => true,
    }
}

pub(super) fn a_raw_block_is_freed_with_nothing_current(s: &Step) -> bool {
    matches!(started(s), Some(Op::Free { domain: Domain::Raw, block: Some(_) }))
        && s.before.own_current(s.design, s.mv.thread()).is_none()
}

pub(super) fn two_heaps_are_in_use(s: &Step) -> bool {
    let of = |h| heap(s.design, s.after, h);
    let here = of(s.mv.thread());
    allocated(s).is_some()
        && Runtime::thread_ids().any(|h| h != s.mv.thread() && of(h).is_some() && of(h) != here)
}

pub(super) fn a_sub_allocates(s: &Step) -> bool {
    allocated(s).is_some_and(|b| s.after.block(b).owner.is_some_and(|i| i != MAIN))
}

pub(super) fn a_large_block_is_allocated(s: &Step) -> bool {
    allocated(s).is_some_and(|b| s.after.block(b).owner.is_some() && s.after.block(b).class == Class::Large)
}

pub(super) fn an_allocation_fails(s: &Step) -> bool {
    answers(s, OpKind::Malloc).or(answers(s, OpKind::Calloc)) == Some(Reply::Block(None))
}

pub(super) fn some_blocks_are_counted(s: &Step) -> bool {
    matches!(answers(s, OpKind::AllocatedBlocks), Some(Reply::Count(n)) if n != 0)
}

/// The interpreters whose heap this step ends.
pub(super) fn ended(s: &Step) -> impl Iterator<Item = InterpId> {
    Runtime::interp_ids().filter(|i| {
        s.before.interp_listed(*i) && !s.after.interp_listed(*i) && s.before.has_heap(s.design, *i)
    })
}

pub(super) fn a_heap_with_an_arena_ends(s: &Step) -> bool {
    ended(s).any(|i| s.before.interp(i).arena)
}

pub(super) fn what_was_left_is_counted(s: &Step) -> bool {
    let t = &s.before.totals;
    answers(s, OpKind::GlobalAllocatedBlocks).is_some() && (t.leaks != 0 || t.last_final != 0)
}

pub(super) fn a_reallocation_fails(s: &Step) -> bool {
    answers(s, OpKind::Realloc) == Some(Reply::Block(None))
}

pub(super) fn a_block_may_stay(s: &Step) -> bool {
    matches!(started(s), Some(Op::Realloc { block, size, .. }) if is_to_stay(s.before.block(block), size))
}
