//! What types cannot stop: each wrong use of the safe face is refused, names its rule, and
//! changes nothing.

use cloister::safe::{Error, Interpreter, InterpreterConfig, Rule, Runtime, Settings, Token};
use cloister::{AttachError, Interp};
use std::cell::RefCell;
use std::sync::mpsc::channel;
use std::thread;

const ISOLATED: &InterpreterConfig = &InterpreterConfig::ISOLATED;

fn start() -> Runtime {
    Runtime::start(Settings::default()).unwrap()
}

/// The raw handle of a sub-interpreter, which tells when it really ends.
fn raw(runtime: &Runtime, interp: &Interpreter) -> Interp {
    let snapshot = runtime.snapshot();
    snapshot.interps.iter().find(|info| Some(info.id) == interp.id()).unwrap().interp
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, rule: Rule) {
    let error = result.unwrap_err();
    assert_eq!(error.rule(), Some(rule));
    assert!(error.to_string().starts_with(&format!("{rule}: ")), "{error}");
}

/// The call is refused for that rule, and what the runtime holds stays as it was.
#[track_caller]
fn refuses<T: std::fmt::Debug>(runtime: &Runtime, rule: Rule, call: impl FnOnce() -> Result<T, Error>) {
    let before = format!("{:?}", runtime.snapshot());
    refused(call(), rule);
    assert_eq!(format!("{:?}", runtime.snapshot()), before);
}

//= specs/rules/gil.md#gil-12
//= type=test
//# A thread MUST NOT touch an interpreter, a GIL or a thread state after it has been freed.
#[test]
fn an_ended_interpreter_is_refused_wherever_it_is_named() {
    let runtime = start();
    let interp = runtime.new_interpreter(ISOLATED).unwrap();
    interp.end().unwrap();
    assert_eq!(interp.id(), None);
    // The gilstate slot names this thread state again.
    runtime.attach(|_| ()).unwrap();
    refuses(&runtime, Rule::Gil12, || interp.attach(|_| ()));
    refuses(&runtime, Rule::Gil12, || interp.end());
    refuses(&runtime, Rule::Gil12, || runtime.attach(|token| token.attach_other(&interp, |_| ())).unwrap());
    thread::scope(|scope| scope.spawn(|| refused(interp.attach(|_| ()), Rule::Gil12)).join().unwrap());
    // Its memory is used again, and it is not taken for the next one.
    let next = runtime.new_interpreter(ISOLATED).unwrap();
    refuses(&runtime, Rule::Gil12, || interp.attach(|_| ()));
    assert_ne!(next, interp);
    next.attach(|_| ()).unwrap();
}

//= specs/rules/tls.md#tls-5
//= type=test
//# A thread MUST NOT restore a thread state while it has a current one.
#[test]
fn a_thread_that_is_attached_does_not_attach_behind_the_back_of_its_token() {
    let runtime = start();
    let (main, other) = (runtime.main(), runtime.new_interpreter(ISOLATED).unwrap());
    other.attach(|_| ()).unwrap();
    runtime
        .attach(|token| {
            let here = token.here(1);
            let lent = here.get(token);
            refuses(&runtime, Rule::Tls5, || main.attach(|_| ()));
            refuses(&runtime, Rule::Tls5, || other.attach(|_| ()));
            refuses(&runtime, Rule::Tls5, || runtime.new_interpreter(ISOLATED));
            refuses(&runtime, Rule::Tls5, || other.end());
            refuses(&runtime, Rule::Tls5, || Runtime::start(Settings::default()));
            assert_eq!(*lent, 1);
        })
        .unwrap();
    other.attach(|token| refuses(&runtime, Rule::Tls5, || token.interpreter().attach(|_| ()))).unwrap();
}

//= specs/rules/life.md#life-10
//= type=test
//# An interpreter MUST NOT be ended while it has another thread state.
#[test]
fn an_interpreter_is_not_ended_while_somebody_is_attached() {
    let runtime = start();
    let interp = runtime.new_interpreter(ISOLATED).unwrap();
    let (inside, is_inside) = channel();
    let (leave, may_leave) = channel::<()>();
    thread::scope(|scope| {
        let (interp, runtime) = (&interp, &runtime);
        scope.spawn(move || {
            interp.attach(|_| {
                inside.send(()).unwrap();
                may_leave.recv().unwrap_err();
            })
        });
        is_inside.recv().unwrap();
        refuses(runtime, Rule::Life10, || interp.end());
        drop(leave);
    });
    interp.attach(|_| refuses(&runtime, Rule::Life10, || interp.end())).unwrap();
    interp.end().unwrap();
}

#[test]
fn an_interpreter_is_not_ended_while_somebody_will_come_back() {
    let runtime = start();
    let [interp, other] = [(); 2].map(|()| runtime.new_interpreter(ISOLATED).unwrap());
    let refuses = || refuses(&runtime, Rule::Life10, || interp.end());
    interp
        .attach(|token| {
            token.detach(|| thread::scope(|scope| scope.spawn(refuses).join().unwrap()));
            token.detach(refuses);
            // The same thread comes by in between, and is still to come back.
            token.detach(|| {
                interp.attach(|token| token.detach(|| ())).unwrap();
                refuses();
            });
            token.attach_other(&other, |_| refuses()).unwrap();
            token.attach_other(&other, |token| token.detach(refuses)).unwrap();
        })
        .unwrap();
    interp.end().unwrap();
}

//= specs/rules/life.md#life-11
//= type=test
//# The main interpreter MUST NOT be ended by EndInterpreter.
#[test]
fn the_main_interpreter_ends_with_its_runtime_alone() {
    let runtime = start();
    let main = runtime.main();
    refuses(&runtime, Rule::Life11, || main.end());
    drop(runtime);
    refused(main.end(), Rule::Gil12);
}

#[test]
fn a_kept_value_is_not_opened_in_another_interpreter() {
    let runtime = start();
    let other = runtime.new_interpreter(ISOLATED).unwrap();
    let kept = runtime.attach(|token| token.keep(1)).unwrap();
    let wrong = |token: &mut Token<'_>| {
        assert_eq!(kept.get(token), Err(Error::OtherInterpreter));
        assert_eq!(kept.get_mut(token), Err(Error::OtherInterpreter));
    };
    other.attach(wrong).unwrap();
    runtime.attach(|token| token.attach_other(&other, wrong)).unwrap().unwrap();
    let elsewhere = start();
    elsewhere.attach(wrong).unwrap();
    assert_eq!(runtime.attach(|token| kept.get(token).copied()).unwrap(), Ok(1));
}

#[test]
fn a_thread_is_in_one_runtime_at_a_time() {
    let (here, there) = (start(), start());
    let interp = there.new_interpreter(ISOLATED).unwrap();
    interp.attach(|_| ()).unwrap();
    here.attach(|token| {
        assert_eq!(token.attach_other(&interp, |_| ()), Err(Error::OtherRuntime));
        refuses(&there, Rule::Tls5, || interp.attach(|_| ()));
        token.detach(|| {
            assert_eq!(interp.attach(|_| ()), Err(Error::OtherRuntime));
            assert_eq!(interp.end(), Err(Error::OtherRuntime));
            assert_eq!(there.new_interpreter(ISOLATED).unwrap_err(), Error::OtherRuntime);
            assert_eq!(Runtime::start(Settings::default()).unwrap_err(), Error::OtherRuntime);
            let raw = cloister::Runtime::start(Settings::default()).err();
            assert_eq!(raw, Some(AttachError::AlreadyAttached));
            here.attach(|_| ()).unwrap();
        });
        assert_eq!(token.interpreter(), here.main());
    })
    .unwrap();
    interp.attach(|_| ()).unwrap();
}

#[test]
fn a_thread_of_the_raw_face_is_not_let_in() {
    let runtime = start();
    let (_raw, thread) = cloister::Runtime::start(Settings::default()).unwrap();
    refuses(&runtime, Rule::Tls5, || runtime.attach(|_| ()));
    let tstate = thread.save_thread().unwrap();
    assert_eq!(runtime.attach(|_| ()), Err(Error::OtherRuntime));
    thread.restore_thread(tstate).unwrap();
    drop(thread);
    runtime.attach(|_| ()).unwrap();
}

#[test]
fn dropping_a_runtime_ends_what_is_left() {
    let runtime = start();
    let [a, b] = [ISOLATED, &InterpreterConfig::LEGACY].map(|c| runtime.new_interpreter(c).unwrap());
    let main = runtime.main();
    let handles = [&main, &a, &b].map(|interp| raw(&runtime, interp));
    let kept = a.attach(|token| token.keep(String::from("kept"))).unwrap();
    // Joined, and so gone with all that it kept.
    thread::scope(|scope| scope.spawn(|| b.attach(|_| ()).unwrap()).join().unwrap());
    drop(runtime);
    assert_eq!([handles[1].id(), handles[2].id()], [None, None]);
    for interp in [&main, &a, &b] {
        assert_eq!(interp.id(), None);
        refused(interp.attach(|_| ()), Rule::Gil12);
        refused(interp.end(), Rule::Gil12);
    }
    assert_eq!(kept.into_inner(), "kept");
    // The main interpreter goes with the memory of its runtime.
    drop((main, a, b));
    assert_eq!(handles[0].id(), None);
}

#[test]
fn a_thread_that_was_elsewhere_when_its_runtime_was_dropped_is_not_let_in() {
    let runtime = start();
    let main = runtime.main();
    main.attach(|_| ()).unwrap();
    thread::spawn(move || drop(runtime)).join().unwrap();
    refused(main.attach(|_| ()), Rule::Gil12);
    start().attach(|_| ()).unwrap();
}

#[test]
fn a_runtime_that_is_dropped_while_somebody_is_attached_lets_him_finish() {
    let runtime = start();
    let [used, idle] = [(); 2].map(|()| runtime.new_interpreter(ISOLATED).unwrap());
    let (raw_used, raw_idle) = (raw(&runtime, &used), raw(&runtime, &idle));
    let (inside, is_inside) = channel();
    let (dropped, is_dropped) = channel::<()>();
    thread::scope(|scope| {
        let (used, idle) = (&used, &idle);
        let worker = scope.spawn(move || {
            used.attach(|token| {
                let kept = token.keep(1);
                inside.send(()).unwrap();
                token.detach(|| is_dropped.recv()).unwrap_err();
                token.poll();
                // It stays where it is, but gets nowhere else any more.
                refused(token.attach_other(idle, |_| ()), Rule::Gil12);
                refused(token.new_interpreter(ISOLATED), Rule::Gil12);
                *kept.get(token).unwrap()
            })
            .inspect(|_| assert_eq!(raw_used.id(), None))
        });
        is_inside.recv().unwrap();
        drop(runtime);
        assert_eq!((raw_used.id(), raw_idle.id()), (Some(1), None));
        refused(used.attach(|_| ()), Rule::Gil12);
        drop(dropped);
        assert_eq!(worker.join().unwrap(), Ok(1));
    });
    assert_eq!(raw_used.id(), None);
}

#[test]
fn a_runtime_may_be_dropped_by_whoever_is_attached_to_it() {
    let runtime = start();
    let [here, other] = [(); 2].map(|()| runtime.new_interpreter(ISOLATED).unwrap());
    let raws = [raw(&runtime, &here), raw(&runtime, &other)];
    let answer = here.attach(|token| {
        let kept = token.keep(7);
        let lent = kept.get(token).unwrap();
        // It must not drop the GIL now.
        drop(runtime);
        let answer = *lent;
        assert_eq!(raws.map(|raw| raw.id()), [Some(1), Some(2)]);
        token.detach(|| refused(here.attach(|_| ()), Rule::Gil12));
        answer
    });
    assert_eq!(answer, Ok(7));
    assert_eq!(raws.map(|raw| raw.id()), [None, None]);
    refused(here.attach(|_| ()), Rule::Gil12);
    // The thread is free for another runtime.
    start().attach(|_| ()).unwrap();
}

#[test]
fn a_runtime_may_be_dropped_by_a_thread_that_was_never_attached() {
    let runtime = start();
    let interp = runtime.new_interpreter(ISOLATED).unwrap();
    let raw = raw(&runtime, &interp);
    thread::spawn(move || drop(runtime)).join().unwrap();
    assert_eq!(raw.id(), None);
    refused(interp.attach(|_| ()), Rule::Gil12);
}

#[test]
fn a_thread_that_is_ending_may_be_refused_but_is_answered() {
    struct AtEnd(Interpreter, std::sync::mpsc::Sender<Result<(), Error>>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.1.send(self.0.attach(|_| ())).unwrap();
        }
    }
    thread_local! {
        static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    }
    let runtime = start();
    let main = runtime.main();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        AT_END.set(Some(AtEnd(main.clone(), sender)));
        main.attach(|_| ()).unwrap();
    })
    .join()
    .unwrap();
    // Which thread-local goes first is up to the platform.
    let answer = receiver.recv().unwrap();
    assert!(matches!(answer, Ok(()) | Err(Error::ThreadEnding)), "{answer:?}");
    runtime.attach(|_| ()).unwrap();
}

/// The desk of an OS thread is not that of the logical threads that a scheduler runs on it.
#[cfg(feature = "controlled")]
#[test]
fn a_logical_thread_is_refused() {
    use cloister::control::{Scheduler, Step};
    let runtime = std::sync::Arc::new(start());
    let main = runtime.main();
    main.attach(|_| ()).unwrap();
    let shared = std::sync::Arc::clone(&runtime);
    let body: Box<dyn FnMut(()) -> [Option<Error>; 4]> = Box::new(move |()| {
        [
            main.attach(|_| ()).err(),
            main.end().err(),
            shared.new_interpreter(ISOLATED).err(),
            Runtime::start(Settings::default()).err(),
        ]
    });
    let mut scheduler = Scheduler::new([body]);
    let refused = [Error::LogicalThread, Error::Main, Error::LogicalThread, Error::LogicalThread];
    assert_eq!(scheduler.call(0, 0, ()), Ok(Step::Done(refused.map(Some))));
    drop(scheduler);
    runtime.attach(|_| ()).unwrap();
}
