//! The safe face, many OS threads at once.

use cloister::safe::{Error, Interpreter, InterpreterConfig, Kept, Runtime, Settings, Token};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

const THREADS: usize = 4;
const CONFIGS: [&InterpreterConfig; 4] = [
    &InterpreterConfig::ISOLATED,
    &InterpreterConfig::ISOLATED,
    &InterpreterConfig::LEGACY,
    &InterpreterConfig::LEGACY,
];

fn start() -> Runtime {
    Runtime::start(Settings::default().with_switch_interval(Duration::from_micros(100))).unwrap()
}

/// Adds one, by hand: another thread in between would be noticed.
fn add(count: &mut u64) {
    let before = std::hint::black_box(*count);
    *count = before + 1;
}

//= specs/rules/gil.md#gil-1
//= type=test
//# A GIL MUST be held by at most one thread, and be locked exactly when it is held.
#[test]
fn four_threads_in_four_interpreters_never_meet() {
    const ROUNDS: u64 = 500;
    let runtime = start();
    let homes: Vec<(Interpreter, Kept<u64>)> = CONFIGS
        .iter()
        .map(|config| {
            let interp = runtime.new_interpreter(config).unwrap();
            let count = interp.attach(|token| token.keep(0)).unwrap();
            (interp, count)
        })
        .collect();
    let all_in = Barrier::new(THREADS);
    thread::scope(|scope| {
        for first in 0..THREADS {
            let (homes, all_in) = (&homes, &all_in);
            scope.spawn(move || {
                all_in.wait();
                for round in 0..ROUNDS as usize {
                    let (interp, count) = &homes[(first + round) % homes.len()];
                    let (other, others) = &homes[(first + round + 1) % homes.len()];
                    interp
                        .attach(|token| {
                            add(count.get_mut(token).unwrap());
                            token.poll();
                            token
                                .attach_other(other, |token| {
                                    add(others.get_mut(token).unwrap());
                                    token.detach(thread::yield_now);
                                    add(others.get_mut(token).unwrap());
                                })
                                .unwrap();
                            token.detach(|| {
                                interp.attach(|token| add(count.get_mut(token).unwrap())).unwrap();
                            });
                            add(count.get_mut(token).unwrap());
                        })
                        .unwrap();
                }
            });
        }
    });
    // Each round adds three times here and twice next door, and everybody is everywhere.
    let each = THREADS as u64 * ROUNDS * 5 / CONFIGS.len() as u64;
    for (interp, count) in homes {
        assert_eq!(interp.attach(|token| *count.get(token).unwrap()), Ok(each));
        interp.end().unwrap();
    }
    let snapshot = runtime.snapshot();
    assert_eq!((snapshot.interps.len(), snapshot.tstates.len()), (1, 1));
    assert!(!snapshot.interps[0].gil.unwrap().locked);
}

/// Some attach so many times or until they are refused, another ends: whatever the order, each
/// use is complete or refused, and nothing is left over.
//= specs/rules/tls.md#tls-13
//= type=test
//# A thread state MUST NOT be cleared or deleted while a call of another thread still uses it.
#[test]
fn an_interpreter_may_be_ended_while_others_try_to_attach() {
    const ROUNDS: usize = 300;
    const USES: usize = 20;
    let runtime = start();
    thread::scope(|scope| {
        let doors: Vec<_> = (1..THREADS)
            .map(|_| {
                let (door, handles) = channel::<(Interpreter, Arc<Kept<u64>>)>();
                scope.spawn(move || {
                    for (interp, count) in handles {
                        let used = |token: &mut Token<'_>| {
                            token.poll();
                            token.detach(thread::yield_now);
                            add(count.get_mut(token).unwrap());
                        };
                        let stopped = (0..USES).find_map(|_| interp.attach(used).err());
                        assert!(matches!(stopped, None | Some(Error::Ended)), "{stopped:?}");
                    }
                });
                door
            })
            .collect();
        for round in 0..ROUNDS {
            let interp = runtime.new_interpreter(CONFIGS[round % CONFIGS.len()]).unwrap();
            let count = Arc::new(interp.attach(|token| token.keep(0)).unwrap());
            doors.iter().for_each(|door| door.send((interp.clone(), Arc::clone(&count))).unwrap());
            while let Err(error) = interp.end() {
                assert_eq!(error, Error::InUse);
                thread::yield_now();
            }
            assert_eq!(interp.attach(|_| ()), Err(Error::Ended));
        }
    });
    let snapshot = runtime.snapshot();
    assert_eq!((snapshot.interps.len(), snapshot.tstates.len()), (1, 1));
}

/// Of several who end the same interpreter exactly one does.
#[test]
fn an_interpreter_is_ended_once() {
    const ROUNDS: usize = 200;
    let runtime = start();
    for round in 0..ROUNDS {
        let interp = runtime.new_interpreter(CONFIGS[round % CONFIGS.len()]).unwrap();
        let ended = AtomicU64::new(0);
        let all = Barrier::new(THREADS);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    all.wait();
                    loop {
                        match interp.end() {
                            Ok(()) => ended.fetch_add(1, Ordering::Relaxed),
                            Err(Error::InUse) => {
                                thread::yield_now();
                                continue;
                            }
                            Err(error) => {
                                assert_eq!(error, Error::Ended);
                                0
                            }
                        };
                        break;
                    }
                });
            }
        });
        assert_eq!(ended.into_inner(), 1);
    }
    assert_eq!(runtime.snapshot().interps.len(), 1);
}

/// A runtime goes away under the feet of those who use it: each finishes what it began.
#[test]
fn a_runtime_may_be_dropped_while_others_try_to_attach() {
    const ROUNDS: usize = 100;
    for round in 0..ROUNDS {
        let runtime = start();
        let main = runtime.main();
        let interp = runtime.new_interpreter(CONFIGS[round % CONFIGS.len()]).unwrap();
        let raw = runtime.snapshot().interps.iter().find(|info| info.id == 1).unwrap().interp;
        let all = Barrier::new(THREADS);
        thread::scope(|scope| {
            let user = |me| {
                let (all, interp, main) = (&all, &interp, &main);
                scope.spawn(move || {
                    let interp = if me == 1 { main } else { interp };
                    interp.attach(|_| ()).unwrap();
                    all.wait();
                    let stopped = loop {
                        if let Err(error) = interp.attach(|token| token.poll()) {
                            break error;
                        }
                    };
                    assert_eq!(stopped, Error::Ended);
                })
            };
            let users: Vec<_> = (1..THREADS).map(user).collect();
            all.wait();
            drop(runtime);
            users.into_iter().for_each(|user| user.join().unwrap());
        });
        assert_eq!(interp.id(), None);
        // Who was last has ended it, or the memory of the runtime goes with the last handle.
        drop((main, interp));
        assert_eq!(raw.id(), None);
    }
}
