//! Objects of the safe face: counts, drops, what is left, and handles that are dropped elsewhere.

use cloister::safe::{
    Error, Immortal, Interpreter, InterpreterConfig, KeptObj, NONE, Obj, Rule, Runtime, Settings, TRUE,
    Token, small_int,
};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;

static_assertions::assert_not_impl_any!(Obj<'static, u32>: Send, Sync, Clone);
static_assertions::assert_impl_all!(KeptObj<Cell<u32>>: Send, Sync);
static_assertions::assert_not_impl_any!(KeptObj<Rc<u32>>: Send, Sync);
static_assertions::assert_impl_all!(&'static Immortal<u32>: Send, Sync, Copy);

const ISOLATED: &InterpreterConfig = &InterpreterConfig::ISOLATED;
const LEGACY: &InterpreterConfig = &InterpreterConfig::LEGACY;

/// Writes down its name when it is dropped, and panics then if it is to.
struct Logged(&'static str, Arc<Mutex<Vec<&'static str>>>, bool);

impl Drop for Logged {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
        assert!(!self.2, "asked for");
    }
}

fn start() -> (Runtime, Interpreter) {
    let runtime = Runtime::start(Settings::default()).unwrap();
    let interp = runtime.new_interpreter(ISOLATED).unwrap();
    (runtime, interp)
}

fn keep(interp: &Interpreter, value: Logged) -> KeptObj<Logged> {
    interp.attach(|token| token.new_obj(value).unwrap().keep()).unwrap()
}

fn left(token: &Token<'_>) -> (i64, usize) {
    (token.ref_total().unwrap(), token.allocated_blocks().unwrap())
}

//= specs/rules/ref.md#ref-8
//= type=test
//# An object MUST be deallocated when its last reference is given back, and only then.
#[test]
fn the_last_handle_deallocates() {
    let (_runtime, interp) = start();
    let log = Arc::default();
    interp
        .attach(|token| {
            let [a, b] = ["a", "b"].map(|name| token.new_obj(Logged(name, Arc::clone(&log), false)).unwrap());
            let same = a.clone_ref(token);
            assert_eq!((a.ref_count(token), left(token)), (2, (3, 2)));
            drop(a);
            assert!(log.lock().unwrap().is_empty());
            drop(b);
            drop(same);
            assert_eq!((&*log.lock().unwrap(), left(token)), (&vec!["b", "a"], (0, 0)));
        })
        .unwrap();
}

#[test]
fn a_handle_dropped_without_the_gil_waits_for_who_has_it() {
    let (runtime, interp) = start();
    let log = Arc::<Mutex<Vec<_>>>::default();
    let make = |token: &Token<'_>, name| token.new_obj(Logged(name, Arc::clone(&log), false)).unwrap().keep();
    interp
        .attach(|token| {
            let obj = token.new_obj(Logged("bound", Arc::clone(&log), false)).unwrap();
            token.detach(|| {
                drop(obj);
                assert!(log.lock().unwrap().is_empty());
            });
            assert_eq!(*log.lock().unwrap(), ["bound"]);
            let (polled, nested) = (make(token, "polled"), make(token, "nested"));
            thread::scope(|scope| scope.spawn(|| drop(polled)).join().unwrap());
            assert_eq!(log.lock().unwrap().len(), 1);
            token.poll();
            assert_eq!(log.lock().unwrap().len(), 2);
            token.attach_other(&runtime.main(), |_| drop(nested)).unwrap();
            assert_eq!(left(token), (0, 0));
        })
        .unwrap();
    let ended = keep(&interp, Logged("ended", Arc::clone(&log), false));
    thread::scope(|scope| scope.spawn(|| drop(ended)).join().unwrap());
    interp.end().unwrap();
    assert_eq!(*log.lock().unwrap(), ["bound", "polled", "nested", "ended"]);
    let main = keep(&runtime.main(), Logged("main", Arc::clone(&log), false));
    thread::scope(|scope| scope.spawn(|| drop(main)).join().unwrap());
    assert!(runtime.leaks().is_empty());
    drop(runtime);
    assert_eq!(log.lock().unwrap().last(), Some(&"main"));
}

//= specs/rules/ref.md#ref-2
//= type=test
//# An object MUST NOT be used after it was deallocated, or after the end of its heap.
//= specs/rules/ref.md#ref-3
//= type=test
//# An object that is not static MUST be used in an interpreter of its heap.
#[test]
fn a_kept_handle_is_refused_elsewhere_and_afterwards() {
    let (runtime, interp) = start();
    let log = Arc::<Mutex<Vec<_>>>::default();
    let kept = keep(&interp, Logged("kept", Arc::clone(&log), false));
    let rule = |result: Result<(), Error>| result.unwrap_err().rule();
    let used = || runtime.attach(|token| rule(kept.get(token).map(|_| ()))).unwrap();
    assert_eq!(used(), Some(Rule::Ref3));
    assert_eq!(runtime.attach(|token| rule(kept.bind(token).map(|_| ()))), Ok(Some(Rule::Ref3)));
    interp.end().unwrap();
    assert_eq!(used(), Some(Rule::Ref2));
    assert_eq!(runtime.attach(|token| rule(kept.get_mut(token).map(|_| ()))), Ok(Some(Rule::Ref2)));
    let leaks = runtime.leaks();
    assert_eq!((leaks.blocks(), leaks.objects.len()), (1, 1), "{leaks}");
    assert!(leaks.objects[0].0.ends_with("Logged"));
    drop(kept);
    assert!(log.lock().unwrap().is_empty(), "the value went with its heap");
}

#[test]
fn interpreters_of_one_heap_share_its_objects() {
    let (runtime, _) = start();
    let legacy = runtime.new_interpreter(LEGACY).unwrap();
    let log = Arc::<Mutex<Vec<_>>>::default();
    let kept = keep(&legacy, Logged("shared", Arc::clone(&log), false));
    assert!(runtime.attach(|token| kept.get(token).is_ok()).unwrap());
    legacy.attach(|_| drop(kept)).unwrap();
    assert_eq!(*log.lock().unwrap(), ["shared"]);
    assert_eq!(runtime.attach(|token| left(token)), Ok((0, 0)));
}

#[test]
fn a_panic_in_a_drop_loses_nothing() {
    let (runtime, interp) = start();
    let log = Arc::<Mutex<Vec<_>>>::default();
    let make = |name, panics| Logged(name, Arc::clone(&log), panics);
    interp
        .attach(|token| {
            let obj = token.new_obj(make("here", true)).unwrap();
            assert!(catch_unwind(AssertUnwindSafe(|| drop(obj))).is_err());
            assert_eq!(left(token), (0, 0));
        })
        .unwrap();
    let queued =
        [keep(&interp, make("a", true)), keep(&interp, make("b", true)), keep(&interp, make("c", false))];
    drop(queued);
    assert_eq!(interp.attach(|token| left(token)), Ok((0, 0)));
    assert_eq!(log.lock().unwrap().len(), 4);
    interp.end().unwrap();
    assert!(runtime.leaks().is_empty());
}

#[cfg(feature = "faults")]
#[test]
fn a_failed_allocation_gives_the_value_back() {
    let (runtime, interp) = start();
    interp
        .attach(|token| {
            runtime.fail_allocation(1);
            let error = token.new_obj(String::from("mine")).unwrap_err();
            assert_eq!(error.into_inner(), "mine");
            assert_eq!(left(token), (0, 0));
            assert_eq!(token.new_obj(7).map(|obj| *obj.get(token)).unwrap(), 7);
        })
        .unwrap();
}

#[test]
fn own_gil_interpreters_count_at_once() {
    let (runtime, a) = start();
    let b = runtime.new_interpreter(ISOLATED).unwrap();
    let kept = [&a, &b].map(|interp| interp.attach(|token| token.new_obj(0_u64).unwrap().keep()).unwrap());
    thread::scope(|scope| {
        for (interp, kept) in [(&a, &kept[0]), (&b, &kept[1]), (&a, &kept[0]), (&b, &kept[1])] {
            scope.spawn(move || {
                for _ in 0..2000 {
                    let spare = interp
                        .attach(|token| {
                            *kept.get_mut(token).unwrap() += 1;
                            kept.clone_ref(token).unwrap()
                        })
                        .unwrap();
                    drop(spare);
                }
            });
        }
    });
    for (interp, kept) in [&a, &b].into_iter().zip(kept) {
        interp
            .attach(|token| {
                assert_eq!((kept.get(token), left(token)), (Ok(&4000), (1, 1)));
                drop(kept);
                assert_eq!(left(token), (0, 0));
            })
            .unwrap();
        interp.end().unwrap();
    }
    assert!(runtime.leaks().is_empty());
}

#[test]
fn immortal_objects_cross_freely() {
    let sum: i32 =
        thread::spawn(|| (-5..=256).map(|n| i32::from(*small_int(n).unwrap().get())).sum()).join().unwrap();
    assert_eq!(sum, (-5..=256).sum::<i32>());
    assert!(
        small_int(-6).is_none()
            && small_int(257).is_none()
            && small_int(i16::MIN).is_none()
            && small_int(i16::MAX).is_none()
    );
    assert!(*TRUE.get());
    assert_eq!(NONE.header().count(), cloister::count::IMMORTAL);
}
