//! Logical threads under a scheduler: what waits for what, exactly.
#![cfg(feature = "controlled")]

use cloister::control::{Misuse, Scheduler, Step};
use cloister::{Interp, Runtime, Settings, Thread, Tstate};
use cloister_specs::{InterpreterConfig, Parking, Refusal, Rule, StatusBits};

/// What a logical thread does with its attachment.
type Command = Box<dyn FnOnce(&mut Option<Thread>) -> Result<Option<Tstate>, Refusal>>;
type Outcome = Result<Option<Tstate>, Refusal>;

struct World {
    scheduler: Scheduler<Command, Outcome>,
    runtime: Runtime,
    main: Interp,
    tstates: Vec<Tstate>,
}

fn body() -> Box<dyn FnMut(Command) -> Outcome> {
    let mut thread = None;
    Box::new(move |command| command(&mut thread))
}

impl World {
    /// Threads with a thread state of the main interpreter each; that of T0 is current.
    fn new(threads: u8) -> World {
        let mut scheduler = Scheduler::new((0..threads).map(|_| body()));
        let (sender, receiver) = std::sync::mpsc::channel();
        let start: Command = Box::new(move |thread| {
            let (runtime, attached) = Runtime::start(Settings::default()).unwrap();
            sender.send(runtime).unwrap();
            let t0 = attached.current();
            *thread = Some(attached);
            Ok(t0)
        });
        let Ok(Step::Done(Ok(Some(t0)))) = scheduler.call(0, 0, start) else {
            panic!("T0 did not start");
        };
        let runtime = receiver.recv().unwrap();
        let main = runtime.main().unwrap();
        let mut world = World { scheduler, runtime, main, tstates: vec![t0] };
        for k in 1..threads {
            let runtime = world.runtime.clone();
            let attach: Command = Box::new(move |thread| {
                let attached = thread.insert(runtime.attach().unwrap());
                let tstate = attached.thread_state_new(main)?.unwrap();
                attached.thread_state_bind(tstate)?;
                Ok(Some(tstate))
            });
            let Ok(Step::Done(Ok(Some(tstate)))) = world.scheduler.call(k, 0, attach) else {
                panic!("T{k} did not attach");
            };
            world.tstates.push(tstate);
        }
        world
    }

    fn call(&mut self, thread: u8, call: impl FnOnce(&Thread) -> Outcome + 'static) -> Step<Outcome> {
        self.call_preferring(thread, 0, call)
    }

    fn call_preferring(
        &mut self,
        thread: u8,
        prefer: u8,
        call: impl FnOnce(&Thread) -> Outcome + 'static,
    ) -> Step<Outcome> {
        let command: Command = Box::new(|thread| call(thread.as_ref().unwrap()));
        self.scheduler.call(thread, prefer, command).unwrap()
    }

    fn restore(&mut self, thread: u8) -> Step<Outcome> {
        let tstate = self.tstates[usize::from(thread)];
        self.call(thread, move |t| t.restore_thread(tstate).map(|()| None))
    }

    fn save(&mut self, thread: u8) -> Step<Outcome> {
        self.call(thread, |t| t.save_thread().map(Some))
    }

    fn poll(&mut self, thread: u8) -> Step<Outcome> {
        self.call(thread, |t| t.eval_breaker_poll().map(|_| None))
    }

    fn requested(&self) -> bool {
        self.runtime.snapshot().interps[0].gil.unwrap().drop_request
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.scheduler.abandon();
        for thread in 0..self.scheduler.len() as u8 {
            let leave: Command = Box::new(|thread| {
                *thread = None;
                Ok(None)
            });
            self.scheduler.call(thread, 0, leave).unwrap();
        }
    }
}

const DONE: Step<Outcome> = Step::Done(Ok(None));
const GIL: Step<Outcome> = Step::Parked(Parking::Gil);
const SWITCH: Step<Outcome> = Step::Parked(Parking::Switch);

#[test]
fn a_waiter_goes_on_when_the_gil_was_dropped() {
    let mut w = World::new(2);
    assert_eq!(w.restore(1), GIL);
    assert_eq!(w.scheduler.resume(1, 0), Err(Misuse::NotSignalled));
    assert_eq!(w.save(0), Step::Done(Ok(Some(w.tstates[0]))));
    assert!(w.scheduler.is_signalled(1));
    assert_eq!(w.scheduler.expire(1, 0), Err(Misuse::Signalled));
    assert_eq!(w.scheduler.resume(1, 0), Ok(DONE));
    assert_eq!(w.scheduler.current(1), Some(w.tstates[1]));
}

//= specs/rules/gil.md#gil-8
//= type=test
//# Taking a GIL MUST reset the request that the taker would see.
#[test]
fn a_poll_on_request_sleeps_until_the_waiter_has_taken() {
    let mut w = World::new(2);
    assert_eq!(w.poll(0), DONE);
    assert_eq!(w.restore(1), GIL);
    assert_eq!(w.poll(0), DONE);
    assert_eq!(w.scheduler.expire(1, 0), Ok(GIL));
    assert!(w.requested());
    assert_eq!(w.poll(0), SWITCH);
    assert!(!w.requested());
    assert_eq!(w.scheduler.current(0), None);
    assert_eq!(w.scheduler.resume(1, 0), Ok(DONE));
    assert!(!w.requested());
    assert_eq!(w.scheduler.resume(0, 0), Ok(GIL));
    assert_eq!(w.save(1), Step::Done(Ok(Some(w.tstates[1]))));
    assert_eq!(w.scheduler.resume(0, 0), Ok(DONE));
    assert_eq!(w.scheduler.current(0), Some(w.tstates[0]));
}

#[test]
fn a_sleeper_woken_for_no_reason_takes_the_gil_back() {
    let mut w = World::new(2);
    assert_eq!(w.restore(1), GIL);
    assert_eq!(w.scheduler.expire(1, 0), Ok(GIL));
    assert_eq!(w.poll(0), SWITCH);
    assert_eq!(w.scheduler.spurious(0, 0), Ok(DONE));
    assert_eq!(w.scheduler.resume(1, 0), Ok(GIL));
    assert_eq!(w.scheduler.expire(1, 0), Ok(GIL));
    assert!(w.requested());
}

#[test]
fn a_waiter_does_not_ask_when_the_gil_was_switched() {
    let mut w = World::new(3);
    assert_eq!(w.restore(1), GIL);
    assert_eq!(w.restore(2), GIL);
    assert_eq!(w.save(0), Step::Done(Ok(Some(w.tstates[0]))));
    assert_eq!(w.scheduler.resume(1, 0), Ok(DONE));
    assert_eq!(w.scheduler.expire(2, 0), Ok(GIL));
    assert!(!w.requested());
    assert_eq!(w.scheduler.expire(2, 0), Ok(GIL));
    assert!(w.requested());
}

#[test]
fn a_waiter_does_not_ask_when_the_gil_was_switched_and_dropped_and_taken_again() {
    let mut w = World::new(3);
    assert_eq!(w.restore(1), GIL);
    assert_eq!(w.restore(2), GIL);
    assert_eq!(w.save(0), Step::Done(Ok(Some(w.tstates[0]))));
    assert_eq!(w.scheduler.resume(1, 0), Ok(DONE));
    assert_eq!(w.save(1), Step::Done(Ok(Some(w.tstates[1]))));
    assert_eq!(w.restore(1), DONE);
    assert!(w.scheduler.is_signalled(2));
    assert_eq!(w.scheduler.resume(2, 0), Ok(GIL));
    assert_eq!(w.scheduler.expire(2, 0), Ok(GIL));
    assert!(w.requested());
}

#[test]
fn a_signal_prefers_whom_it_is_told_to() {
    let mut w = World::new(4);
    for thread in 1..4 {
        assert_eq!(w.restore(thread), GIL);
    }
    w.call_preferring(0, 2, |t| t.save_thread().map(Some));
    assert!(w.scheduler.is_signalled(2));
    assert_eq!(w.scheduler.resume(2, 0), Ok(DONE));
    w.call_preferring(2, 0, |t| t.save_thread().map(Some));
    assert!(w.scheduler.is_signalled(1));
    assert!(!w.scheduler.is_signalled(3));
}

//= specs/rules/tls.md#tls-13
//= type=test
//# A thread state MUST NOT be cleared or deleted while a call of another thread still uses it.
#[test]
fn a_thread_state_in_the_forced_switch_is_not_cleared() {
    let mut w = World::new(2);
    let t0 = w.tstates[0];
    assert_eq!(w.restore(1), GIL);
    assert_eq!(w.scheduler.expire(1, 0), Ok(GIL));
    assert_eq!(w.save(0), SWITCH);
    assert_eq!(w.scheduler.resume(1, 0), Ok(DONE));
    let clear = move |t: &Thread| t.thread_state_clear(t0).map(|()| None);
    assert_eq!(w.call(1, clear), Step::Done(Err(Refusal { rule: Rule::Tls13 })));
    assert_eq!(w.scheduler.resume(0, 0), Ok(Step::Done(Ok(Some(t0)))));
    assert_eq!(w.call(1, clear), DONE);
}

#[test]
fn both_thread_states_of_a_swap_that_waits_are_in_use() {
    let mut w = World::new(2);
    let (main, t1) = (w.main, w.tstates[1]);
    // T1 comes from an interpreter of its own, and waits for the main GIL.
    let create = |t: &Thread| {
        let (_, tstate) = t.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
        Ok(Some(tstate))
    };
    let Step::Done(Ok(Some(own))) = w.call(1, create) else { panic!("T1 made no interpreter") };
    assert_eq!(w.call(1, move |t| t.thread_state_swap(Some(t1))), GIL);
    let status = |w: &World, t| w.runtime.snapshot().tstates.iter().find(|i| i.tstate == t).unwrap().status;
    assert!(!status(&w, own).contains(StatusBits::ACTIVE));
    assert!(!status(&w, t1).contains(StatusBits::ACTIVE));
    let clear = move |t: &Thread| t.thread_state_clear(t1).map(|()| None);
    assert_eq!(w.call(0, clear), Step::Done(Err(Refusal { rule: Rule::Tls13 })));
    assert!(w.main == main);
}

#[test]
fn a_wait_that_is_abandoned_leaves_the_scheduler_usable() {
    let mut w = World::new(2);
    assert_eq!(w.restore(1), GIL);
    drop(w);
    let mut w = World::new(2);
    assert_eq!(w.restore(1), GIL);
    w.scheduler.abandon();
    assert_eq!(w.scheduler.parked(1), None);
    assert_eq!(w.call(1, |t| Ok(t.current())), DONE);
}

#[test]
fn an_os_thread_beside_a_scheduler_behaves_as_ever() {
    let mut w = World::new(2);
    assert_eq!(w.restore(1), GIL);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (_runtime, thread) = Runtime::start(Settings::default()).unwrap();
            let t0 = thread.save_thread().unwrap();
            thread.restore_thread(t0).unwrap();
        });
    });
    assert_eq!(w.save(0), Step::Done(Ok(Some(w.tstates[0]))));
    assert_eq!(w.scheduler.resume(1, 0), Ok(DONE));
}
