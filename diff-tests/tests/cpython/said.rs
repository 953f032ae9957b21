//! What CPython does in the runs of some witnesses, word for word, release by release.

/// What a witness has to say, in 3.12.1 and in 3.13.0.
pub const SAID: [(&str, &str, &str); 9] = [
    (
        "id_released_in_another_thread_borrows_a_thread_state",
        "T0 releases the id of an interpreter of T1: t1, bound to T1, is current in T0; then released; \
         while T1 runs in it: t1 is current in T0, t1 in T1; \
         then T1 saves it: Tstate(Some(TstateId(1))), T0 goes on: released, \
         T1 takes it again: died: read of freed memory: t1, interp; \
         control, T1 releases it: t1, bound to T1, is current in T1; then released",
        "T0 releases the id of an interpreter of T1: no thread state of the list is current; \
         then died: Py_EndInterpreter: not the last thread; \
         while T1 runs in it: nothing is current in T0, t1 in T1; \
         then T1 saves it: Tstate(Some(TstateId(1))), T0 goes on: died: Py_EndInterpreter: not the last thread; \
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
];
