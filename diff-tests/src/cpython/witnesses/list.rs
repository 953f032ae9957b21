//! Every witness, beside the setting of the design that it shows.

use super::{
    Known, borrowing, counts, creation, fork, gilstate, heaps, known, listed, memory, os_threads, pending,
    switching,
};

const FAILED_CREATION: (&str, &str) = ("failed-creation", "swaps-back-without-gil");
const CROSS_REFS: (&str, &str) = ("cross-refs", "accepted");
const TSTATE_IN_USE: (&str, &str) = ("tstate-in-use", "unguarded");

/// Every witness, in the order in which a life meets the faults.
pub const ALL: &[Known] = &[
    known("caller_loses_its_gil_when_a_creation_fails", FAILED_CREATION, creation::lost_caller_gil)
        .not_on_3_13_0(),
    known(
        "own_gil_with_the_main_allocator_is_accepted",
        ("own-gil-shared-obmalloc", "accepted"),
        creation::configuration_hole,
    ),
    known("failed_creation_empties_the_gilstate_slot", FAILED_CREATION, creation::gilstate_slot_lost)
        .not_on_3_13_0(),
    known(
        "memory_exhaustion_answers_a_good_status",
        ("out-of-memory", "ok-with-null"),
        creation::ok_with_null,
    )
    .not_on_3_13_0(),
    known(
        "failed_legacy_creation_ends_the_process",
        ("legacy-creation", "fatal"),
        creation::fatal_when_legacy,
    ),
    known("creation_without_memory_uses_up_an_id", ("id-order", "before-allocation"), creation::id_used_up)
        .not_on_3_13_0(),
    known(
        "waiter_of_another_interpreter_starves",
        ("drop-request", "per-interpreter"),
        switching::starvation,
    )
    .not_on_3_13_0(),
    known(
        "switch_is_awaited_again_when_an_address_is_reused",
        ("last-holder", "address"),
        switching::reused_address,
    ),
    known("thread_state_deleted_during_a_poll", TSTATE_IN_USE, memory::tstate_in_use),
    known("interpreter_ended_during_a_save", TSTATE_IN_USE, memory::interp_in_use),
    known(
        "thread_state_deleted_by_another_thread",
        ("gilstate-unbind", "callers-slot"),
        memory::gilstate_slot_dangles,
    ),
    known(
        "id_released_in_another_thread_borrows_a_thread_state",
        ("head-tstate", "borrowed"),
        borrowing::head_thread_state,
    )
    .not_on_3_13_0(),
    known(
        "interpreter_destroyed_while_another_thread_starts_in_it",
        ("destroy-check", "two-steps"),
        borrowing::destroy_race,
    ),
    known(
        "interpreter_without_a_thread_state_gets_no_other",
        ("empty-interp", "fatal"),
        listed::last_one_deleted,
    )
    .not_on_3_13_0(),
    known(
        "all_thread_states_but_one_deleted",
        ("delete-except", "leaves-bindings"),
        listed::slots_left_behind,
    )
    .not_on_3_13_0(),
    known("pending_call_of_another_thread_is_not_seen", ("eval-breaker", "as-computed"), pending::not_seen)
        .not_on_3_13_0(),
    known(
        "pending_call_of_another_thread_hides_an_earlier_one",
        ("eval-breaker", "as-computed"),
        pending::hides_an_earlier_one,
    )
    .not_on_3_13_0(),
    known(
        "failing_call_forgets_the_ring_of_the_main_thread",
        ("failed-pending", "its-ring"),
        pending::failed_call_forgets,
    )
    .not_on_3_13_0(),
    known(
        "calls_behind_a_failing_one_are_lost_at_an_end",
        ("finish-pending", "until-failure"),
        pending::lost_at_an_end,
    )
    .not_on_3_13_0(),
    known("gilstate_of_a_fresh_thread_is_mains", ("gilstate-target", "main"), gilstate::always_main),
    known(
        "ensure_without_memory_ends_the_process",
        ("ensure-errors", "fatal"),
        gilstate::fatal_without_memory,
    ),
    known(
        "gilstate_check_says_yes_without_a_thread_state",
        ("gilstate-check", "off-after-sub"),
        gilstate::vacuous_check,
    ),
    known(
        "failed_thread_start_leaves_a_cleared_thread_state",
        ("failed-thread", "leaves-cleared"),
        os_threads::cleared_and_listed,
    ),
    known(
        "waiter_that_has_asked_reads_its_freed_thread_state",
        ("daemon-threads", "exit"),
        os_threads::freed_after_it_asked,
    )
    .not_on_3_13_0(),
    known(
        "waiter_outlives_the_runtime_that_it_waits_for",
        ("daemon-threads", "exit"),
        os_threads::initialized_again,
    ),
    known(
        "thread_started_in_an_interpreter_that_ends",
        ("thread-start", "allowed"),
        os_threads::started_in_an_end,
    )
    .not_on_3_12_1(),
    known("waiter_exits_after_finalization", ("daemon-threads", "exit"), os_threads::exit_after_finalization),
    known(
        "request_of_a_waiter_that_exits_is_left_behind",
        ("exiting-waiter", "leaves-request"),
        os_threads::left_behind,
    )
    .not_on_3_12_1()
    .not_on_3_13_0(),
    known("fork_beside_another_interpreter", ("fork-clear", "detached-and-locked"), fork::beside_another),
    known("fork_in_a_legacy_interpreter", ("fork-in-sub", "fatal-in-child"), fork::in_legacy),
    known("small_block_freed_in_another_interpreter", ("foreign-free", "undetected"), heaps::foreign_free),
    known("large_block_counted_where_it_is_freed", ("free-goes-to", "selected"), heaps::counted_elsewhere),
    known("ended_interpreter_leaves_its_arenas", ("arenas", "abandoned"), heaps::left_behind),
    known(
        "blocks_counted_while_another_thread_holds_their_gil",
        ("counting", "unguarded"),
        heaps::counted_without_gil,
    ),
    known("last_reference_given_back_in_another_interpreter", CROSS_REFS, heaps::last_reference_elsewhere),
    known(
        "objects_of_an_ended_interpreter_are_released_in_main",
        CROSS_REFS,
        heaps::objects_of_an_ended_interpreter,
    )
    .not_on_3_13_0(),
    known("immortality_by_overflow_is_lost", ("immortality", "sign-64"), counts::lost_immortality),
];
