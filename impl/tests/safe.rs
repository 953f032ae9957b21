//! The safe face: attaching, nesting, leaving, and what is left behind.

use cloister::safe::{Error, Here, Interpreter, InterpreterConfig, Kept, Runtime, Settings, Token};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

static_assertions::assert_impl_all!(Runtime: Send, Sync);
static_assertions::assert_impl_all!(Interpreter: Send, Sync, Clone);
static_assertions::assert_impl_all!(Error: Send, Sync, Copy);
static_assertions::assert_not_impl_any!(Runtime: Clone);
static_assertions::assert_not_impl_any!(Token<'static>: Send, Sync, Clone);
static_assertions::assert_not_impl_any!(Here<'static, u32>: Send, Sync, Clone);
// Threads take turns with what is kept: it has to be sent, and need not be shared.
static_assertions::assert_impl_all!(Kept<u32>: Send, Sync);
static_assertions::assert_impl_all!(Kept<Cell<u32>>: Send, Sync);
static_assertions::assert_not_impl_any!(Kept<Rc<u32>>: Send, Sync);
static_assertions::assert_not_impl_any!(Kept<MutexGuard<'static, u32>>: Send, Sync);

const ISOLATED: &InterpreterConfig = &InterpreterConfig::ISOLATED;
const LEGACY: &InterpreterConfig = &InterpreterConfig::LEGACY;

fn start() -> Runtime {
    Runtime::start(Settings::default()).unwrap()
}

fn tstates(runtime: &Runtime) -> usize {
    runtime.snapshot().tstates.len()
}

/// Is any GIL of this runtime taken?
fn locked(runtime: &Runtime) -> bool {
    runtime.snapshot().interps.iter().filter_map(|i| i.gil).any(|gil| gil.locked)
}

/// Panics in there, and answers whether it did.
fn panics<R>(run: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(run)).is_err()
}

#[test]
fn attached_exactly_within_the_closure() {
    let runtime = start();
    assert!(!locked(&runtime));
    runtime.attach(|token| assert!(locked(&runtime), "{token:?}")).unwrap();
    assert!(!locked(&runtime));
}

//= specs/rules/tls.md#tls-4
//= type=test
//# A thread state MUST be bound to the calling thread when it is made current.
#[test]
fn every_os_thread_gets_one_thread_state_and_keeps_it() {
    let runtime = start();
    let interp = runtime.new_interpreter(ISOLATED).unwrap();
    let main = runtime.main();
    assert_eq!(tstates(&runtime), 2);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..10 {
                interp.attach(|token| assert_eq!(token.interpreter(), interp)).unwrap();
                main.attach(|token| assert_eq!(token.interpreter(), main)).unwrap();
                assert_eq!(tstates(&runtime), 4);
            }
        });
    });
    for _ in 0..10 {
        interp.attach(|_| ()).unwrap();
        runtime.attach(|_| ()).unwrap();
    }
    assert_eq!(tstates(&runtime), 4);
}

#[test]
fn the_thread_states_of_threads_that_are_gone_do_not_pile_up() {
    let runtime = start();
    for _ in 0..20 {
        thread::scope(|scope| scope.spawn(|| runtime.attach(|_| ()).unwrap()).join().unwrap());
        // That of this thread, and of the last one.
        assert!(tstates(&runtime) <= 3, "{:?}", runtime.snapshot());
    }
}

//= specs/rules/tls.md#tls-20
//= type=test
//# Swap MUST answer with the thread state that was current before, and make the given one current.
#[test]
fn nesting_goes_there_and_back() {
    let runtime = start();
    let [a, b] = [ISOLATED, LEGACY].map(|config| runtime.new_interpreter(config).unwrap());
    let seen = runtime
        .attach(|token| {
            let mut seen = vec![token.interpreter().id()];
            token
                .attach_other(&a, |token| {
                    seen.push(token.interpreter().id());
                    token.attach_other(&b, |token| seen.push(token.interpreter().id())).unwrap();
                    token.attach_other(&runtime.main(), |token| seen.push(token.interpreter().id())).unwrap();
                    token.attach_other(&a, |token| seen.push(token.interpreter().id())).unwrap();
                    seen.push(token.interpreter().id());
                })
                .unwrap();
            seen.push(token.interpreter().id());
            seen
        })
        .unwrap();
    assert_eq!(seen, [0, 1, 2, 0, 1, 1, 0].map(Some));
    assert!(!locked(&runtime));
    assert_eq!(tstates(&runtime), 3);
}

//= specs/rules/gil.md#gil-16
//= type=test
//# SaveThread MUST answer with the thread state that was current, leave none current, and have
//# dropped its GIL.
#[test]
fn detached_others_may_attach() {
    let runtime = start();
    let kept = runtime.attach(|token| token.keep(0)).unwrap();
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        runtime
            .attach(|token| {
                scope.spawn(|| {
                    runtime.attach(|token| *kept.get_mut(token).unwrap() += 1).unwrap();
                    sender.send(()).unwrap();
                });
                assert_eq!(kept.get(token), Ok(&0));
                token.detach(|| receiver.recv()).unwrap();
                assert_eq!(kept.get(token), Ok(&1));
            })
            .unwrap();
    });
}

#[test]
fn a_thread_may_attach_anew_while_it_is_detached() {
    let runtime = start();
    let other = runtime.new_interpreter(ISOLATED).unwrap();
    let kept = runtime.attach(|token| token.keep(0)).unwrap();
    runtime
        .attach(|token| {
            token.detach(|| {
                runtime.attach(|token| *kept.get_mut(token).unwrap() += 1).unwrap();
                other.attach(|_| ()).unwrap();
                runtime.attach(|token| *kept.get_mut(token).unwrap() += 1).unwrap();
            });
            assert_eq!(kept.get(token), Ok(&2));
            assert_eq!(runtime.attach(|_| ()), Err(Error::Attached));
        })
        .unwrap();
    assert!(!locked(&runtime));
}

//= specs/rules/gil.md#gil-13
//= type=test
//# A poll that sees a request MUST hand the GIL over and come back with the same thread state current.
#[test]
fn a_poll_lets_in_who_asked() {
    let interval = Duration::from_micros(200);
    let runtime = Runtime::start(Settings::default().with_switch_interval(interval)).unwrap();
    let kept = runtime.attach(|token| token.keep(false)).unwrap();
    let started = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            started.store(true, Ordering::Release);
            runtime.attach(|token| *kept.get_mut(token).unwrap() = true).unwrap();
        });
        runtime
            .attach(|token| {
                while !*kept.get(token).unwrap() {
                    token.poll();
                }
                assert_eq!(token.interpreter(), runtime.main());
            })
            .unwrap();
    });
    assert!(started.into_inner() && kept.into_inner());
}

#[test]
fn a_panic_leaves_the_interpreter() {
    let runtime = start();
    let interp = runtime.new_interpreter(ISOLATED).unwrap();
    assert!(panics(|| interp.attach(|_| panic!("inside"))));
    assert!(!locked(&runtime));
    thread::scope(|scope| scope.spawn(|| interp.attach(|_| ()).unwrap()).join().unwrap());
    interp.attach(|_| ()).unwrap();
    interp.end().unwrap();
}

#[test]
fn a_panic_comes_back_to_where_the_thread_was() {
    let runtime = start();
    let other = runtime.new_interpreter(ISOLATED).unwrap();
    let kept = runtime.attach(|token| token.keep(0)).unwrap();
    runtime
        .attach(|token| {
            assert!(panics(|| token.detach(|| panic!("detached"))));
            *kept.get_mut(token).unwrap() += 1;
            assert!(panics(|| token.attach_other(&other, |_| panic!("in another"))));
            *kept.get_mut(token).unwrap() += 1;
            assert!(panics(|| {
                token.attach_other(&other, |token| token.detach(|| panic!("detached in another")))
            }));
            *kept.get_mut(token).unwrap() += 1;
            assert_eq!(token.interpreter(), runtime.main());
        })
        .unwrap();
    assert_eq!(kept.into_inner(), 3);
    assert!(!locked(&runtime));
    other.end().unwrap();
}

//= specs/rules/life.md#life-2
//= type=test
//# A failed creation MUST leave the caller as it was: the same thread state current, its GIL held,
//# and nothing of the new interpreter listed.
#[test]
fn creating_from_within_comes_back_whether_it_fails_or_not() {
    let runtime = start();
    let wrong = InterpreterConfig { check_multi_interp_extensions: false, ..*ISOLATED };
    let kept = runtime.attach(|token| token.keep(0)).unwrap();
    runtime
        .attach(|token| {
            for config in [ISOLATED, LEGACY] {
                let interp = token.new_interpreter(config).unwrap();
                *kept.get_mut(token).unwrap() += 1;
                assert!(matches!(token.new_interpreter(&wrong), Err(Error::Creation(_))));
                *kept.get_mut(token).unwrap() += 1;
                token.attach_other(&interp, |token| assert_eq!(token.interpreter(), interp)).unwrap();
            }
        })
        .unwrap();
    assert_eq!((kept.into_inner(), runtime.snapshot().interps.len()), (4, 3));
}

//= specs/rules/life.md#life-12
//= type=test
//# An ended interpreter MUST leave nothing behind: it, its thread state and its own GIL are gone,
//# and the caller has no current thread state.
#[test]
fn ending_cleans_up_what_nobody_uses() {
    let runtime = start();
    let interp = runtime.new_interpreter(ISOLATED).unwrap();
    let (attached, all_attached) = channel();
    let go_on: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (interp, attached) = (&interp, attached.clone());
                let (go_on, wait) = channel::<()>();
                let done = scope.spawn(move || {
                    interp.attach(|_| ()).unwrap();
                    attached.send(()).unwrap();
                    wait.recv().unwrap_err();
                    interp.attach(|_| ())
                });
                (go_on, done)
            })
            .collect();
        (0..3).for_each(|_| all_attached.recv().unwrap());
        assert_eq!(tstates(&runtime), 5);
        interp.end().unwrap();
        assert_eq!((runtime.snapshot().interps.len(), tstates(&runtime)), (1, 1));
        threads
            .into_iter()
            .map(|(go_on, done)| {
                drop(go_on);
                done.join().unwrap()
            })
            .collect()
    });
    assert_eq!(go_on, [Err(Error::Ended); 3]);
}

#[test]
fn here_is_a_graph_that_one_token_opens() {
    let runtime = start();
    let sum = runtime.attach(|token| {
        let leaves = [1, 2, 3].map(|n| token.here(n));
        let node = token.here(vec![&leaves[0], &leaves[2]]);
        *leaves[0].get_mut(token) += 10;
        node.get_mut(token).push(&leaves[1]);
        let sum = node.get(token).iter().map(|leaf| *leaf.get(token)).sum::<u32>();
        assert_eq!(leaves.map(Here::into_inner), [11, 2, 3]);
        sum
    });
    assert_eq!(sum, Ok(16));
}

#[test]
fn one_thread_uses_several_runtimes_in_turn() {
    let runtimes = [start(), start(), start()];
    for round in 1..4 {
        for runtime in &runtimes {
            let id = runtime.new_interpreter(LEGACY).unwrap().id();
            assert_eq!(id, Some(round));
            runtime.attach(|token| assert_eq!(token.interpreter(), runtime.main())).unwrap();
            assert_eq!(runtime.snapshot().threads.len(), 1);
        }
    }
    // And the raw face in between, which is attached until its `Thread` is dropped.
    let (_raw, thread) = cloister::Runtime::start(Settings::default()).unwrap();
    thread.save_thread().unwrap();
    drop(thread);
    runtimes[0].attach(|_| ()).unwrap();
}
