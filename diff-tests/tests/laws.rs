//! Laws that hold from any state: what one call does another undoes, on model and
//! implementation alike.

use cloister_diff_tests::decode::Decoded;
use cloister_diff_tests::subject::{Event, Subject};
use cloister_diff_tests::subjects::{Controlled, Model};
use cloister_model::{Design, Grain, Runtime};
use cloister_specs::{Fault, InterpreterConfig, Move, Observation, Op, Reply, Start, ThreadId, TstateId};
use quickcheck::{Arbitrary, Gen, QuickCheck, TestResult};

/// A run that leads to some state in which `T0` is outside any call.
#[derive(Clone, Debug)]
struct Somewhere(Vec<Move>);

impl Arbitrary for Somewhere {
    fn arbitrary(g: &mut Gen) -> Self {
        let bytes: Vec<u8> = (0..g.size() * 6).map(|_| u8::arbitrary(g)).collect();
        let run = arbitrary::Unstructured::new(&bytes).arbitrary::<Decoded>().map(|d| d.moves);
        Somewhere(run.unwrap_or_default())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let shorter: Vec<_> = (0..self.0.len()).map(|k| Somewhere(self.0[..k].to_vec())).collect();
        Box::new(shorter.into_iter())
    }
}

fn subjects() -> [Box<dyn Subject>; 2] {
    [Box::new(Model::new(Design::CLOISTER, Grain::Atomic)), Box::new(Controlled::new())]
}

fn start(op: Op, at: Option<TstateId>) -> Move {
    Move::Start(Start { thread: ThreadId(0), op, at, prefer: ThreadId(0) })
}

/// Goes there, and makes two calls of `T0`; `None` where one of them does not answer at once.
fn before_and_after(
    subject: &mut dyn Subject,
    there: &[Move],
    calls: &dyn Fn(&Runtime) -> Option<Vec<Move>>,
) -> Option<(Observation, Vec<Reply>, Observation)> {
    let mut runtime = Runtime::new(&Design::CLOISTER);
    subject.reset(3).expect("it is not lost");
    for mv in there {
        runtime.apply(&Design::CLOISTER, Grain::Atomic, mv).ok()?;
        subject.apply(mv).expect("it is not lost");
    }
    let before = subject.observe().expect("it is not lost");
    let mut replies = Vec::new();
    for mv in calls(&runtime)? {
        match subject.apply(&mv).ok()? {
            Event::Replied { reply, .. } => replies.push(reply),
            Event::Refused(_) | Event::Parked(_) | Event::Running | Event::Died(_) => return None,
        }
    }
    Some((before, replies, subject.observe().expect("it is not lost")))
}

fn law(calls: fn(&Runtime) -> Option<Vec<Move>>, holds: fn(&Observation, &[Reply], &Observation) -> bool) {
    type Property = Box<dyn Fn(Somewhere) -> TestResult + Send + Sync>;
    struct Law(Property);
    impl quickcheck::Testable for Law {
        fn result(&self, g: &mut Gen) -> TestResult {
            (self.0)(Somewhere::arbitrary(g))
        }
    }
    let property = move |there: Somewhere| {
        let mut tried = false;
        for mut subject in subjects() {
            if let Some((before, replies, after)) = before_and_after(subject.as_mut(), &there.0, &calls) {
                tried = true;
                if !holds(&before, &replies, &after) {
                    return TestResult::error(format!(
                        "{}: {there:?}\n{before:?}\n{after:?}",
                        subject.name()
                    ));
                }
            }
        }
        if tried { TestResult::passed() } else { TestResult::discard() }
    };
    QuickCheck::new().tests(150).min_tests_passed(60).max_tests(5_000).quickcheck(Law(Box::new(property)));
}

fn outside(r: &Runtime) -> Option<Option<TstateId>> {
    let thread = r.thread(ThreadId(0));
    (thread.idle() && !thread.gone && !r.forked).then_some(thread.current)
}

//= specs/rules/gil.md#gil-16
//= type=test
//# SaveThread MUST answer with the thread state that was current, leave none current, and
//# have dropped its GIL.
#[test]
fn restoring_what_was_saved_changes_nothing() {
    law(
        |r| Some(vec![start(Op::SaveThread, None), start(Op::RestoreThread(outside(r)??), None)]),
        |before, replies, after| {
            replies.len() == 2 && before.tstates == after.tstates && before.threads == after.threads
        },
    );
}

//= specs/rules/tls.md#tls-20
//= type=test
//# Swap MUST answer with the thread state that was current before, and make the given one
//# current.
#[test]
fn swapping_back_changes_nothing() {
    law(
        |r| {
            let current = outside(r)?;
            Some(vec![start(Op::ThreadStateSwap(None), None), start(Op::ThreadStateSwap(current), None)])
        },
        |before, replies, after| {
            replies == [Reply::Tstate(before.threads[0].current), Reply::Tstate(None)]
                && before.threads == after.threads
        },
    );
}

/// The slot of a caller may have named a cleared thread state: that one is not named again.
#[test]
fn a_creation_that_fails_changes_nothing_but_who_held_a_gil_last() {
    law(
        |r| {
            outside(r)?;
            r.thread(ThreadId(0)).gilstate.is_none_or(|t| r.alive(t)).then_some(())?;
            let op = Op::NewInterpreterFromConfig {
                config: InterpreterConfig::ISOLATED,
                fault: Some(Fault::MainInit),
            };
            let at = r.free_tstate().filter(|_| r.has_room(ThreadId(0), &op))?;
            Some(vec![start(op, Some(at))])
        },
        |before, _, after| {
            before.interps == after.interps
                && before.tstates == after.tstates
                && before.threads == after.threads
        },
    );
}

//= specs/rules/life.md#life-12
//= type=test
//# An ended interpreter MUST leave nothing behind: it, its thread state and its own GIL are
//# gone, and the caller has no current thread state.
#[test]
fn ending_what_was_created_leaves_nothing_behind() {
    law(
        |r| {
            outside(r)?;
            let op = Op::NewInterpreterFromConfig { config: InterpreterConfig::ISOLATED, fault: None };
            let at = r.free_tstate().filter(|_| r.has_room(ThreadId(0), &op))?;
            Some(vec![start(op, Some(at)), start(Op::EndInterpreter(at), None)])
        },
        |before, _, after| {
            before.interps == after.interps
                && after.threads[0].current.is_none()
                && before.tstates.len() == after.tstates.len()
        },
    );
}

//= specs/rules/gil.md#gil-14
//= type=test
//# A poll that sees no request MUST NOT change anything.
#[test]
fn a_poll_that_answers_at_once_changes_nothing() {
    law(|r| outside(r)?.map(|_| vec![start(Op::EvalBreakerPoll, None)]), |before, _, after| before == after);
}
