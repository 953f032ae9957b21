//! What is printed is read back the same, and what is no run is said to be none.

use arbitrary::{Result, Unstructured};
use cloister_specs::text::{Expect, Grain, Line, Problem, Script};
use cloister_specs::{
    Calls, CreationError, Denied, GilState, Move, Op, Parking, PendingCall, Reply, Rule, Start,
};

fn pick<T: Copy>(u: &mut Unstructured<'_>, all: &[T]) -> Result<T> {
    u.choose(all).copied()
}

fn a_move(u: &mut Unstructured<'_>) -> Result<Move> {
    let (thread, prefer) = (u.arbitrary()?, u.arbitrary()?);
    Ok(match u.int_in_range(0..=3)? {
        0 => Move::Step { thread, prefer },
        1 => Move::Expire { thread, prefer },
        2 => Move::Spurious { thread, prefer },
        _ => {
            let op: Op = u.arbitrary()?;
            let at = if op.makes_tstate() { u.arbitrary()? } else { None };
            Move::Start(Start { thread, op, at, prefer })
        }
    })
}

fn an_expectation(u: &mut Unstructured<'_>) -> Result<Expect> {
    const FAILURES: [CreationError; 3] =
        [CreationError::Settings, CreationError::GilValue, CreationError::CoreInit];
    Ok(match u.int_in_range(0..=22)? {
        0 => Expect::Refused(pick(u, &Rule::ALL)?),
        1 => Expect::Died(pick(u, &Rule::ALL)?),
        2 => Expect::Parked(pick(u, &Parking::ALL)?),
        3 => Expect::Reply(Reply::Done),
        4 => Expect::Reply(Reply::Created { interp: u.arbitrary()?, tstate: u.arbitrary()? }),
        5 => Expect::Reply(Reply::Failed(pick(u, &FAILURES)?)),
        6 => Expect::Reply(Reply::OkWithNull),
        7 => Expect::Reply(Reply::Ensured(pick(u, &[GilState::Locked, GilState::Unlocked])?)),
        8 => Expect::Reply(Reply::NotEnsured),
        9 => Expect::Reply(Reply::Is(u.arbitrary()?)),
        10 => Expect::Reply(Reply::Full),
        12 => Expect::Reply(Reply::Interp(u.arbitrary()?)),
        13 => Expect::Reply(Reply::Denied(pick(u, &Denied::ALL)?)),
        14 => Expect::Reply(Reply::Finalized),
        15 => Expect::Reply(Reply::Exited),
        16 => Expect::Reply(Reply::Forked),
        17 => Expect::Reply(Reply::Block(u.arbitrary()?)),
        18 => Expect::Reply(Reply::Object(u.arbitrary()?)),
        19 => Expect::Reply(Reply::Count(u.int_in_range(-9..=9)?)),
        20 => Expect::Reply(Reply::RefCnt(u.arbitrary()?)),
        21 => Expect::Reply(Reply::Deallocated),
        11 => Expect::Reply(Reply::Ran { calls: some_calls(u)?, failed: u.arbitrary()? }),
        _ => Expect::Reply(Reply::Tstate(u.arbitrary()?)),
    })
}

fn some_calls(u: &mut Unstructured<'_>) -> Result<Calls> {
    (0..u.int_in_range(0..=Calls::TOLD)?).map(|_| pick(u, &PendingCall::ALL)).collect()
}

fn a_script(u: &mut Unstructured<'_>) -> Result<Script> {
    let mut lines = Vec::new();
    for _ in 0..u.int_in_range(0..=12)? {
        let expect = if u.arbitrary()? { Some(an_expectation(u)?) } else { None };
        lines.push(Line { mv: a_move(u)?, expect });
    }
    let named = |mv: &Move| mv.thread().0.max(mv.prefer().0);
    lines.retain(|line| named(&line.mv) < u8::MAX);
    let threads = lines.iter().map(|line| named(&line.mv) + 1).max().unwrap_or(1);
    Ok(Script {
        name: "a drawn run".into(),
        grain: pick(u, &Grain::ALL)?,
        threads,
        lines,
        ..Script::default()
    })
}

#[test]
fn what_is_printed_is_read_back() {
    arbtest::arbtest(|u| {
        let script = a_script(u)?;
        let text = script.to_string();
        assert_eq!(text.parse::<Script>().as_ref(), Ok(&script), "{text}");
        for line in &script.lines {
            assert_eq!(line.to_string().parse::<Line>().as_ref(), Ok(line));
        }
        Ok(())
    })
    .budget_ms(2_000);
}

#[test]
fn any_text_is_read_or_refused() {
    arbtest::arbtest(|u| {
        let noise: String = u.arbitrary()?;
        let _ = noise.parse::<Script>();
        let _ = noise.parse::<Line>();
        Ok(())
    })
    .budget_ms(1_000);
}

#[test]
fn a_run_with_a_letter_changed_is_read_or_refused() {
    arbtest::arbtest(|u| {
        let mut text: Vec<char> = a_script(u)?.to_string().chars().collect();
        let at = u.choose_index(text.len())?;
        text[at] = u.arbitrary()?;
        if let Ok(script) = text.into_iter().collect::<String>().parse::<Script>() {
            assert_eq!(script.to_string().parse::<Script>(), Ok(script));
        }
        Ok(())
    })
    .budget_ms(1_000);
}

#[test]
fn the_examples_of_the_documentation_are_read() {
    let same = [
        "T0: NewInterpreterFromConfig(isolated) => 1 t1",
        "T0: NewInterpreterFromConfig(isolated, gil=7) => failed \"invalid interpreter config 'gil' value\"",
        "T0: NewInterpreterFromConfig(legacy, allow_fork=0, fault=CoreInit)",
        "T0: NewInterpreterFromConfig(main) at t3 => ok NULL",
        "T0: EndInterpreter(t1) => done",
        "T1: ThreadStateNew(0) at t2 => t2",
        "T1: ThreadStateBind(t2) => refused TLS-3",
        "T0: ThreadStateSwap(NULL) => t0",
        "T0: SaveThread => NULL",
        "T1: RestoreThread(t2) prefer T2 => parked gil",
        "T0: EvalBreakerPoll => parked switch",
        "T0: NewInterpreter => 1 t1",
        "T0: NewInterpreter(fault=MainInit) => NULL",
        "T0: ThreadStateDeleteCurrent => done",
        "T1: AcquireThread(t2) => done",
        "T1: ReleaseThread(t2) => refused GIL-19",
        "T1: GilStateEnsure(0) at t2 => UNLOCKED",
        "T1: GilStateEnsure(1, fails) => not ensured",
        "T1: GilStateRelease(UNLOCKED) => done",
        "T1: GilStateCheck => no",
        "T1: AddPendingCall(succeeds) => done",
        "T1: AddPendingCall(1, makes) => full",
        "T0: MakePendingCalls => ran succeeds fails, failed",
        "T0: EvalBreakerPoll => ran nothing",
        "T0: Initialize at t1 => done",
        "T0: Finalize => parked threads",
        "T0: StartThread at t1 => t1",
        "T0: StartThread(daemon) => denied \"daemon threads are disabled in this (sub)interpreter\"",
        "T0: StartThread(daemon, fails) => denied \"can't start new thread\"",
        "T1: RunThread(t1) => finalized",
        "T0: ThreadStateDeleteExcept(t0) => done",
        "T0: InterpreterLookUpId(3) => interpreter 1",
        "T0: InterpreterRequireIdRef(1, yes) => done",
        "T0: InterpreterIdIncref(1) => done",
        "T0: InterpreterIdDecref(1) => refused ID-6",
        "T0: SetRunningMain => denied \"interpreter already running\"",
        "T0: SetNotRunningMain => done",
        "T0: DestroyInterpreter(1) => done",
        "T0: Exec => denied \"exec not supported for isolated subinterpreters\"",
        "T0: Fork => forked",
        "T1: .. step => died GIL-4",
        "T1: .. expire prefer T1",
        "T1: .. spurious",
    ];
    for text in same {
        assert_eq!(text.parse::<Line>().map(|line| line.to_string()), Ok(text.to_string()));
    }
}

#[test]
fn other_ways_to_write_a_line_are_read() {
    let ways = [
        ("  T0 :NewInterpreter( isolated )=>1 t1 # first", "T0: NewInterpreterFromConfig(isolated) => 1 t1"),
        ("T0: SaveThread()", "T0: SaveThread"),
        (
            "T0: NewInterpreter(isolated, use_main_obmalloc=1, check_multi_interp_extensions=0, gil=1)",
            "T0: NewInterpreterFromConfig(isolated, use_main_obmalloc=1, check_multi_interp_extensions=0, gil=1)",
        ),
        (
            "T0: NewInterpreter(isolated, use_main_obmalloc=1, allow_fork=1, allow_exec=1, allow_daemon_threads=1)",
            "T0: NewInterpreterFromConfig(main, check_multi_interp_extensions=1)",
        ),
    ];
    for (written, printed) in ways {
        assert_eq!(written.parse::<Line>().map(|line| line.to_string()), Ok(printed.to_string()));
    }
}

#[test]
fn a_header_may_be_left_out() {
    let script: Script = "\n# only a comment\nT2: SaveThread\n".parse().unwrap();
    assert_eq!((script.design.as_str(), script.grain, script.threads), ("cloister", Grain::Atomic, 3));
    let script: Script = "run two words\ndesign seed gil=own\ngrain fine\nthreads 1".parse().unwrap();
    assert_eq!((script.name.as_str(), script.design.as_str()), ("two words", "seed gil=own"));
    assert_eq!((script.grain, script.threads), (Grain::Fine, 1));
}

#[test]
fn an_error_says_where_and_what_would_be_right() {
    let wrong = [
        (
            "T0: SaveThread\nT0 SaveThread",
            "line 2: expected `:` after the thread, found `SaveThread`\n  T0 SaveThread",
        ),
        ("X: SaveThread", "line 1: expected a thread, as T0, found `X:`\n  X: SaveThread"),
        ("T300: SaveThread", "line 1: expected a thread, as T0, found `T300:`\n  T300: SaveThread"),
        (
            "T3: SaveThread",
            "line 1: there is no T3 among 3 threads; say `threads 4` at the top\n  T3: SaveThread",
        ),
        (
            "T0:",
            "line 1: expected a call, or `..` and step, expire or spurious, found the end of the line\n  T0:",
        ),
        ("T0: .. stop", "line 1: expected step, expire or spurious, found `stop`\n  T0: .. stop"),
        (
            "T0: NewInterpreter(isolated, fork=0)",
            "line 1: there is no field `fork`; the fields are use_main_obmalloc, allow_fork, allow_exec, \
             allow_threads, allow_daemon_threads, check_multi_interp_extensions, gil, fault\
             \n  T0: NewInterpreter(isolated, fork=0)",
        ),
        (
            "T0: NewInterpreter(own)",
            "line 1: there is no preset `own`; the presets are isolated, legacy, main\n  T0: NewInterpreter(own)",
        ),
        (
            "T0: NewInterpreter(main, allow_exec=2)",
            "line 1: `allow_exec` is 0 or 1, not 2\n  T0: NewInterpreter(main, allow_exec=2)",
        ),
        (
            "T0: NewInterpreter(main, gil=1, gil=1)",
            "line 1: `gil` is given twice\n  T0: NewInterpreter(main, gil=1, gil=1)",
        ),
        (
            "T0: NewInterpreter(main, fault=Core)",
            "line 1: there is no fault `Core`; the faults are InterpAlloc, TstateAlloc, CoreInit, MainInit\
             \n  T0: NewInterpreter(main, fault=Core)",
        ),
        ("T0: SaveThread(t1)", "line 1: SaveThread takes nothing\n  T0: SaveThread(t1)"),
        ("T0: RestoreThread", "line 1: RestoreThread takes a thread state, as (t1)\n  T0: RestoreThread"),
        (
            "T0: SaveThread at t1",
            "line 1: SaveThread makes no thread state, so it takes no `at`\n  T0: SaveThread at t1",
        ),
        (
            "T0: SaveThread => refused TLS-99",
            "line 1: there is no rule `TLS-99`; `cloister rules` lists them\n  T0: SaveThread => refused TLS-99",
        ),
        (
            "T0: SaveThread => parked",
            "line 1: expected gil, switch, threads, calls or forever, found the end of the line\n  T0: SaveThread => parked",
        ),
        (
            "T0: SaveThread t1",
            "line 1: expected `=>` and what should come of it, found `t1`\n  T0: SaveThread t1",
        ),
        (
            "T0: SaveThread => t0 t1",
            "line 1: expected nothing more on this line, found `t1`\n  T0: SaveThread => t0 t1",
        ),
        ("T0: SaveThread\nthreads 2", "line 2: `threads` belongs before the first move\n  threads 2"),
        ("grain coarse", "line 1: expected atomic, merged or fine, found `coarse`\n  grain coarse"),
        ("threads 0", "line 1: expected a number of threads, 1 to 255, found `0`\n  threads 0"),
    ];
    for (text, says) in wrong {
        let error = text.parse::<Script>().expect_err(text);
        assert_eq!(error.to_string(), says);
    }
}

#[test]
fn an_unknown_call_is_told_the_calls_there_are() {
    let error = "T0: Sleep".parse::<Line>().unwrap_err();
    assert_eq!(error.problem, Problem::UnknownCall("Sleep".into()));
    assert!(error.to_string().contains("SaveThread, RestoreThread"));
}

#[test]
fn a_call_in_the_spelling_of_cpython_is_told_the_one_of_ours() {
    for (written, meant) in [
        ("savethread", "SaveThread"),
        ("PyEval_SaveThread", "SaveThread"),
        ("PyThreadState_New(0)", "ThreadStateNew"),
        ("_PyThreadState_DeleteExcept(t0)", "ThreadStateDeleteExcept"),
        ("Py_NewInterpreterFromConfig(isolated)", "NewInterpreterFromConfig"),
        ("PyGILState_Ensure(0)", "GilStateEnsure"),
    ] {
        let error = format!("T0: {written}").parse::<Line>().unwrap_err();
        assert!(error.to_string().contains(&format!("did you mean `{meant}`?")), "{error}");
    }
}

#[test]
fn a_long_line_is_cut_short_in_its_error() {
    let error = format!("T0: {}", "x".repeat(10_000)).parse::<Script>().unwrap_err();
    assert!(error.to_string().len() < 1_200, "{}", error.to_string().len());
}
