//! Fork and exec, and what a configuration does not allow, on a real CPython. Says "not run"
//! where none is installed.

#[path = "common/on_cpython.rs"]
mod on_cpython;

use cloister_diff_tests::subject::{Event, Subject};
use cloister_specs::{Move, Op, Start, ThreadId, TstateId};
use on_cpython::{comes_out, found, modelled, seen, start};

const T0: Option<TstateId> = Some(TstateId(0));
const T1: Option<TstateId> = Some(TstateId(1));

//= specs/rules/fork.md#fork-2
//= type=test
//# A fork that is allowed MUST lead to a child that runs, with the caller's thread state current and its GIL held.
//= specs/rules/fork.md#fork-4
//= type=test
//# The child MUST have one interpreter, one thread state and one thread, and no lock that a thread of the parent holds.
#[test]
fn the_child_of_a_fork_goes_on_alone() {
    for found in found() {
        let mut cpython = start(found);
        let run = "T1: GilStateEnsure(0) => parked gil\nT1: .. expire => parked gil\nT0: Fork => forked";
        assert_eq!(seen(&comes_out(&mut cpython, run)), (T0, T0), "{}", found.version);
        let child = cpython.observe().expect("the child says what it sees");
        assert_eq!((child.interps.len(), child.tstates.len()), (1, 1));
        assert_eq!((child.gils[0].locked, child.gils[0].drop_request), (true, false));
        assert_eq!((child.threads[1].current, child.threads[1].parked), (None, None));
        let call =
            |thread, op| Move::Start(Start { thread: ThreadId(thread), op, at: None, prefer: ThreadId(0) });
        assert!(cpython.apply(&call(1, Op::GilStateCheck)).is_err(), "T1 is not in the child");
        let polled = cpython.apply(&call(0, Op::EvalBreakerPoll)).expect("the child goes on");
        assert_eq!(seen(&polled), (T0, T0));
        // The next run begins in a process of its own.
        assert_eq!(seen(&comes_out(&mut cpython, "T0: NewInterpreter => 1 t1")), (T1, T1));
    }
}

/// A thread other than the first is the only one, and the main one, in its child.
#[test]
fn another_thread_can_fork() {
    let Some(mut cpython) = modelled() else { return };
    let run =
        "T0: StartThread(daemon) => t1\nT0: SaveThread => t0\nT1: RunThread(t1) => done\nT1: Fork => forked";
    assert_eq!(seen(&comes_out(&mut cpython, run)), (T1, T1));
    let child = cpython.observe().expect("the child says what it sees");
    assert_eq!((child.tstates.len(), child.tstates[0].id), (1, TstateId(1)));
}

/// FORK-2 and FORK-3: what becomes of the child, the run process says.
#[test]
fn beside_or_in_a_sub_interpreter_the_child_dies() {
    let Some(mut cpython) = modelled() else { return };
    let inside = comes_out(&mut cpython, "T0: NewInterpreter => 1 t1\nT0: Fork");
    assert!(matches!(&inside, Event::Died(how) if how.contains("not main interpreter")), "{inside:?}");
    cpython.set_patience(2);
    let beside =
        comes_out(&mut cpython, "T0: NewInterpreter => 1 t1\nT0: ThreadStateSwap(t0) => t1\nT0: Fork");
    let Event::Died(how) = &beside else { panic!("{beside:?}") };
    assert!(["hung", "SIGSEGV"].contains(&how.as_str()), "{how}");
}

//= specs/rules/fork.md#fork-1
//= type=test
//# An interpreter MUST NOT fork unless its configuration allows it.
//= specs/rules/fork.md#fork-6
//= type=test
//# An interpreter MUST NOT replace the process unless its configuration allows it.
//= specs/rules/fork.md#fork-7
//= type=test
//# A thread MUST NOT be started in an interpreter whose configuration does not allow it.
//= specs/rules/fork.md#fork-8
//= type=test
//# A daemon MUST NOT be started in an interpreter whose configuration does not allow it.
#[test]
fn what_a_configuration_does_not_allow_raises_an_exception() {
    for found in found() {
        let mut cpython = start(found);
        let isolated = "T0: NewInterpreterFromConfig(isolated) => 1 t1\n\
                        T0: Fork => denied \"fork not supported for isolated subinterpreters\"\n\
                        T0: Exec => denied \"exec not supported for isolated subinterpreters\"\n\
                        T0: StartThread(daemon) => denied \"daemon threads are disabled in this (sub)interpreter\"";
        assert_eq!(seen(&comes_out(&mut cpython, isolated)), (T1, T1), "{}", found.version);
        let without = "T0: NewInterpreterFromConfig(isolated, allow_threads=0, allow_daemon_threads=1) => 1 t1\n\
                       T0: StartThread(daemon) => denied \"thread is not supported for isolated subinterpreters\"";
        comes_out(&mut cpython, without);
        assert_eq!(cpython.observe().expect("stopped").tstates.len(), 2, "{}", found.version);
    }
}

#[test]
fn replacing_the_process_by_what_is_not_there_changes_nothing() {
    let Some(mut cpython) = modelled() else { return };
    assert_eq!(seen(&comes_out(&mut cpython, "T0: Exec => done\nT0: EvalBreakerPoll => done")), (T0, T0));
    comes_out(&mut cpython, "T0: NewInterpreter => 1 t1\nT0: Exec => done");
}

/// 3.12.1 has a reason that the model does not know.
#[test]
fn an_interpreter_whose_end_has_begun_does_not_fork() {
    let Some(mut cpython) = modelled() else { return };
    let begun = "T0: StartThread(daemon) => t1\nT0: SaveThread => t0\nT1: RunThread(t1) => done\n\
                 T1: AddPendingCall(0, blocks) => done\nT1: SaveThread => t1\nT0: RestoreThread(t0) => done\n\
                 T1: RestoreThread(t1) => parked gil\nT1: .. expire => parked gil\n\
                 T0: Finalize => parked switch\nT1: .. step => done";
    comes_out(&mut cpython, begun);
    let fork = Start { thread: ThreadId(1), op: Op::Fork, at: None, prefer: ThreadId(0) };
    let refused = cpython.apply(&Move::Start(fork)).expect_err("it has no reply for that");
    assert!(refused.to_string().contains("can't fork at interpreter shutdown"), "{refused}");
}
