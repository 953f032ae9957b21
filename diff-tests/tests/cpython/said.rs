//! What CPython does in the runs of some witnesses, word for word, release by release.

/// What a witness has to say, in 3.12.1 and in 3.13.0.
pub const SAID: &[(&str, &str, &str)] = &[
    (
        "id_released_in_another_thread_borrows_a_thread_state",
        "T0 releases the id of an interpreter of T1: t1, bound to T1, is current in T0; then released; \
         while T1 runs in it: t1 is current in T0, t1 in T1; \
         then T1 saves it: t1, T0 goes on: released, \
         T1 takes it again: died: read of freed memory: t1, interp; \
         control, T1 releases it: t1, bound to T1, is current in T1; then released",
        "T0 releases the id of an interpreter of T1: no thread state of the list is current; \
         then died: Py_EndInterpreter: not the last thread; \
         while T1 runs in it: nothing is current in T0, t1 in T1; \
         then T1 saves it: t1, T0 goes on: died: Py_EndInterpreter: not the last thread; \
         control, T1 releases it: no thread state of the list is current; \
         then died: Py_EndInterpreter: not the last thread",
    ),
    (
        "interpreter_destroyed_while_another_thread_starts_in_it",
        "running: True, when destroy goes on: died: Py_EndInterpreter: thread still has a frame; \
         control, running: True before destroy: RuntimeError('interpreter running')",
        "running: True, when destroy goes on: died: Py_EndInterpreter: not the last thread; \
         control, running: True before destroy: InterpreterError('interpreter running')",
    ),
    (
        "gilstate_of_a_fresh_thread_is_mains",
        "work of 1, the fresh thread is in 0; control: work of 0, in 0",
        "work of 1, the fresh thread is in 0; control: work of 0, in 0",
    ),
    (
        "gilstate_check_says_yes_without_a_thread_state",
        "without a current thread state, after a second interpreter has been: 1; control, before: 0",
        "without a current thread state, after a second interpreter has been: 1; control, before: 0",
    ),
    (
        "failed_thread_start_leaves_a_cleared_thread_state",
        "can't start new thread: listed beside t0, cleared: [true]; \
         control: started: [false], after its end: []",
        "can't start new thread: listed beside t0, cleared: [true]; \
         control: started: [false], after its end: []",
    ),
    (
        "waiter_exits_after_finalization",
        "T1 after Py_FinalizeEx: the thread exits; control, T0 lets the GIL go: done",
        "T1 after Py_FinalizeEx: the thread exits; control, T0 lets the GIL go: done",
    ),
    (
        "request_of_a_waiter_that_exits_is_left_behind",
        "T1 asks and exits, T0 finalizes: the thread exits, 0; \
         control, T1 exits when its turn comes: waits (Switch), the thread exits, 0",
        "T1 asks and exits, T0 finalizes: the thread exits, 0; \
         control, T1 exits when its turn comes: waits (Switch), the thread exits, 0",
    ),
    (
        "fork_beside_another_interpreter",
        "child beside an isolated interpreter: \
         died: SIGSEGV (fresh memory: zeroes), hangs (fresh memory: garbage); beside a legacy one: \
         died: SIGSEGV (fresh memory: zeroes), hangs (fresh memory: garbage); \
         controls: alone: runs; the other one ended: runs",
        "child beside an isolated interpreter: \
         died: PyThreadState_Get: the function must be called with the GIL held, after Python initialization \
         and before Python finalization, but the GIL is released (the current Python thread state is NULL); \
         beside a legacy one: \
         died: PyThreadState_Get: the function must be called with the GIL held, after Python initialization \
         and before Python finalization, but the GIL is released (the current Python thread state is NULL); \
         controls: alone: runs; the other one ended: runs",
    ),
    (
        "fork_in_a_legacy_interpreter",
        "child in a legacy interpreter: died: _PyInterpreterState_DeleteExceptMain: not main interpreter; \
         control, in main: runs",
        "child in a legacy interpreter: died: _PyInterpreterState_DeleteExceptMain: not main interpreter; \
         control, in main: runs",
    ),
    (
        "failed_legacy_creation_ends_the_process",
        "CoreInit: died: _PyUnicode_InitGlobalObjects: failed to create interned dict; \
         control, from a configuration: failed \"can't initialize the core of the interpreter\"; \
         MainInit: died: init_fs_encoding: failed to get the Python codec of the filesystem encoding; \
         control, from a configuration: failed \"can't initialize the main part of the interpreter\"",
        "CoreInit: died: _PyUnicode_InitGlobalObjects: failed to create interned dict; \
         control, from a configuration: failed \"can't initialize the core of the interpreter\"; \
         MainInit: died: Failed to import encodings module; \
         control, from a configuration: failed \"can't initialize the main part of the interpreter\"",
    ),
    (
        "creation_without_memory_uses_up_an_id",
        "a creation without memory: ok NULL; \
         then one that succeeds, id 1: denied \"unrecognized interpreter ID\", id 2: interpreter 1; \
         control, without the first, id 1: interpreter 1",
        "a creation without memory: died: _PyInterpreterState_New: memory allocation failed; \
         then one that succeeds, id 1: died: _PyInterpreterState_New: memory allocation failed, id 2: died: _PyInterpreterState_New: memory allocation failed; \
         control, without the first, id 1: interpreter 1",
    ),
    (
        "interpreter_without_a_thread_state_gets_no_other",
        "ThreadStateNew(0): died: init_threadstate: thread state already initialized; \
         control, another one is listed: t2; \
         GilStateEnsure(0): died: init_threadstate: thread state already initialized; \
         control, another one is listed: UNLOCKED",
        "ThreadStateNew(0): t0; control, another one is listed: t2; GilStateEnsure(0): UNLOCKED; \
         control, another one is listed: UNLOCKED",
    ),
    (
        "all_thread_states_but_one_deleted",
        "slot of T1 Some(TstateId(1)), which is deleted, then PyGILState_Ensure in T1: died: read of freed memory: t1, interp; \
         control, T1 deletes it first: slot None, UNLOCKED",
        "this CPython keeps _PyThreadState_DeleteExcept to itself",
    ),
    (
        "pending_call_of_another_thread_is_not_seen",
        "T1 adds, T0 polls: done, at the tenth poll: done, makes pending calls: ran succeeds; \
         controls: T0 adds, T0 polls: ran succeeds; \
         T1 adds, T0 takes its GIL again and polls: ran succeeds",
        "T1 adds, T0 polls: ran succeeds, at the tenth poll: done, makes pending calls: ran nothing; \
         controls: T0 adds, T0 polls: ran succeeds; \
         T1 adds, T0 takes its GIL again and polls: ran succeeds",
    ),
    (
        "pending_call_of_another_thread_hides_an_earlier_one",
        "T0 adds, T1 adds, T0 polls: done, makes pending calls: ran makes succeeds; \
         controls: T0 adds both, T0 polls: ran makes succeeds; \
         T1 adds nothing, T0 polls: ran makes",
        "T0 adds, T1 adds, T0 polls: ran makes succeeds, makes pending calls: ran nothing; \
         controls: T0 adds both, T0 polls: ran makes succeeds; \
         T1 adds nothing, T0 polls: ran makes",
    ),
    (
        "failing_call_forgets_the_ring_of_the_main_thread",
        "a call of the interpreter's ring fails, T1 polls, T0 polls: done, makes pending calls: ran succeeds; \
         controls: a call of the same ring fails: ran succeeds; none fails: ran succeeds",
        "a call of the interpreter's ring fails, T1 polls, T0 polls: ran succeeds, makes pending calls: ran nothing; \
         controls: a call of the same ring fails: ran succeeds; none fails: ran succeeds",
    ),
    (
        "calls_behind_a_failing_one_are_lost_at_an_end",
        "added: fails succeeds makes, the end: ran fails, failed; \
         controls: succeeds makes fails: ran succeeds makes fails, failed; \
         succeeds makes succeeds: ran succeeds makes succeeds",
        "added: fails succeeds makes, the end: ran fails succeeds makes, failed; \
         controls: succeeds makes fails: ran succeeds makes fails, failed; \
         succeeds makes succeeds: ran succeeds makes succeeds",
    ),
    (
        "ensure_without_memory_ends_the_process",
        "no memory for a new thread state: died: PyGILState_Ensure: Couldn't create thread-state for new thread; \
         controls: enough of it: UNLOCKED; none needed: LOCKED",
        "no memory for a new thread state: died: PyGILState_Ensure: Couldn't create thread-state for new thread; \
         controls: enough of it: UNLOCKED; none needed: LOCKED",
    ),
    (
        "waiter_that_has_asked_reads_its_freed_thread_state",
        "T1 asks, T0 finalizes, T1 goes on: died: read of freed memory: t1, interp; \
         controls: T1 has not asked: the thread exits; T0 lets the GIL go: done",
        "T1 asks, T0 finalizes, T1 goes on: the thread exits; \
         controls: T1 has not asked: the thread exits; T0 lets the GIL go: done",
    ),
    (
        "waiter_outlives_the_runtime_that_it_waits_for",
        "T0 finalizes and initializes, T1 goes on: died: read of freed memory: t1, interp; \
         controls: T0 only finalizes: the thread exits; T0 lets the GIL go: done",
        "T0 finalizes and initializes, T1 goes on: died: read of freed memory: t1, interp; \
         controls: T0 only finalizes: the thread exits; T0 lets the GIL go: done",
    ),
    (
        "thread_started_in_an_interpreter_that_ends",
        "started while the end runs: denied \"can't create new thread at interpreter shutdown\"; \
         control, before it begins: t2",
        "started while the end runs: t2; control, before it begins: t2",
    ),
    (
        "small_block_freed_in_another_interpreter",
        "Free(obj, b0) elsewhere: died: SIGABRT; controls, at home: done, shared: done; \
         Realloc(obj, b0, 400) elsewhere: died: SIGABRT; controls, at home: b0, shared: b0",
        "Free(obj, b0) elsewhere: died: SIGABRT; controls, at home: done, shared: done; \
         Realloc(obj, b0, 400) elsewhere: died: SIGABRT; controls, at home: b0, shared: b0",
    ),
    (
        "blocks_counted_while_another_thread_holds_their_gil",
        "while T1 has the GIL: counted; control, T1 has let it go: counted",
        "while T1 has the GIL: counted; control, T1 has let it go: counted",
    ),
    (
        "last_reference_given_back_in_another_interpreter",
        "the last reference is given back there: died: SIGABRT; control, at home: deallocated",
        "the last reference is given back there: died: SIGABRT; control, at home: deallocated",
    ),
    (
        "objects_of_an_ended_interpreter_are_released_in_main",
        "in an isolated interpreter: imported, then in main: died: SIGABRT; \
         control, in one that shares main's heap: imported, then in main: imported",
        "in an isolated interpreter: imported, then in main: imported; \
         control, in one that shares main's heap: imported, then in main: imported",
    ),
];
