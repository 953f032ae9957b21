//! Works of one thread: calls, one after the other, with nobody to wait for.
//!
//! What is told is the time that the thread spends on a processor, so that other processes
//! do not count.

use super::libpython::{Address, Functions, Python, RawConfig};
use super::{BenchError, CLOISTER, Contender, Target, Work};
use cloister::{CreateError, Runtime, Settings, Thread, Tstate, safe};
use cloister_specs::{CreationError, Fault, InterpreterConfig};
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

/// Refused: its own allocator without the check of extension modules.
const REFUSED: InterpreterConfig =
    InterpreterConfig { check_multi_interp_extensions: false, ..InterpreterConfig::ISOLATED };

/// The time of a call, in nanoseconds.
pub(super) fn timed(calls: u64, mut call: impl FnMut() -> Result<(), BenchError>) -> Result<f64, BenchError> {
    let begun = on_processor();
    for _ in 0..calls {
        call()?;
    }
    let time = on_processor().saturating_sub(begun);
    Ok(time.as_nanos() as f64 / calls.max(1) as f64)
}

/// How long this thread was on a processor.
fn on_processor() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills the struct in.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn started() -> Result<Thread, BenchError> {
    let (_, thread) = Runtime::start(Settings::default())?;
    Ok(thread)
}

pub(super) fn work<'a>(name: &'static str, target: Option<f64>, contenders: Vec<Contender<'a>>) -> Work<'a> {
    Work { name, unit: "ns", target: target.map(Target::AtMost), stretch: 1, contenders }
}

/// Reading the current thread state.
pub fn read(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let inlined = Rc::new(started()?);
    let called = Rc::clone(&inlined);
    let function: fn(&Thread) -> Option<Tstate> = black_box(Thread::current);
    let mut contenders = vec![
        Contender::new(CLOISTER, move |calls| {
            timed(calls, || {
                black_box(inlined.current());
                Ok(())
            })
        }),
        Contender::new("Cloister, called", move |calls| {
            timed(calls, || {
                black_box(function(&called));
                Ok(())
            })
        }),
    ];
    contenders.extend(peer.map(|python| {
        let f = python.functions();
        Contender::new(python.name(), |calls| {
            timed(calls, || {
                // SAFETY: it can be called at any time.
                black_box(unsafe { (f.current)() });
                Ok(())
            })
        })
    }));
    Ok(work("read the current thread state", Some(1.0), contenders))
}

/// Dropping the GIL and taking it back.
pub fn save_and_restore(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let thread = started()?;
    let mut contenders = vec![Contender::new(CLOISTER, move |calls| {
        timed(calls, || {
            let tstate = thread.save_thread()?;
            Ok(thread.restore_thread(tstate)?)
        })
    })];
    contenders.extend(peer.map(|python| {
        let f = python.functions();
        Contender::new(python.name(), |calls| {
            timed(calls, || {
                // SAFETY: the main thread has its thread state current, and gets it back.
                unsafe { (f.restore)((f.save)()) };
                Ok(())
            })
        })
    }));
    Ok(work("SaveThread + RestoreThread", Some(13.0), contenders))
}

/// Attaching through the safe face, beside the two calls of the raw face that it stands for.
pub fn attach<'a>() -> Result<Work<'a>, BenchError> {
    const RAW: &str = "the raw pair";
    let runtime = safe::Runtime::start(Settings::default())?;
    let main = runtime.main();
    let contenders = vec![
        Contender::new(CLOISTER, move |calls| {
            // The owner stays with its handle.
            let _ = &runtime;
            timed(calls, || {
                main.attach(|token| _ = black_box(token))?;
                Ok(())
            })
        }),
        Contender::new(RAW, |calls| {
            // One a round: while there is one, the safe face cannot be used in this thread.
            let thread = started()?;
            let tstate = thread.save_thread()?;
            timed(calls, || {
                thread.restore_thread(tstate)?;
                thread.save_thread()?;
                Ok(())
            })
        }),
    ];
    let target = Some(Target::TimesOf(RAW, 1.2));
    Ok(Work { name: "attach and leave, safe face", unit: "ns", target, stretch: 1, contenders })
}

/// Swapping to another interpreter with a GIL of its own, and back.
pub fn swap_own(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    swap("Swap there and back, own GILs", &InterpreterConfig::ISOLATED, &RawConfig::ISOLATED, peer)
}

/// Swapping to another interpreter with the same GIL, and back.
pub fn swap_shared(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    swap("Swap there and back, shared GIL", &InterpreterConfig::LEGACY, &RawConfig::LEGACY, peer)
}

fn swap<'a>(
    name: &'static str,
    config: &InterpreterConfig,
    raw: &RawConfig,
    peer: Option<&'a Python>,
) -> Result<Work<'a>, BenchError> {
    let thread = started()?;
    let (_, a) = thread.new_interpreter_from_config(config)?;
    let (_, b) = thread.new_interpreter_from_config(config)?;
    let mut contenders = vec![Contender::new(CLOISTER, move |calls| {
        timed(calls, || {
            thread.thread_state_swap(Some(a))?;
            thread.thread_state_swap(Some(b))?;
            Ok(())
        })
    })];
    if let Some(python) = peer {
        let pair = Pair::new(python, raw)?;
        contenders.push(Contender::new(python.name(), move |calls| {
            timed(calls, || {
                pair.swap();
                Ok(())
            })
        }));
    }
    Ok(work(name, None, contenders))
}

/// Two interpreters of CPython, the second of them current; ended when this is dropped.
struct Pair {
    f: &'static Functions,
    main: Address,
    tstates: [Address; 2],
}

impl Pair {
    fn new(python: &Python, config: &RawConfig) -> Result<Self, BenchError> {
        let tstates = [python.new_interpreter(config)?, python.new_interpreter(config)?];
        Ok(Pair { f: python.functions(), main: python.main(), tstates })
    }

    fn swap(&self) {
        // SAFETY: both thread states live, and are of this thread.
        self.tstates.iter().for_each(|tstate| _ = unsafe { (self.f.swap)(*tstate) });
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // SAFETY: as in `swap`; each is the only thread state of its interpreter.
        unsafe {
            for tstate in self.tstates {
                (self.f.swap)(tstate);
                (self.f.end_interpreter)(tstate);
            }
            (self.f.swap)(self.main);
        }
    }
}

/// Creating an interpreter with a GIL of its own and ending it.
pub fn new_and_end_own(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let configs = (&InterpreterConfig::ISOLATED, &RawConfig::ISOLATED);
    new_and_end("create and end an interpreter, own GIL", configs, peer)
}

/// Creating an interpreter that shares the GIL and ending it.
pub fn new_and_end_shared(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let configs = (&InterpreterConfig::LEGACY, &RawConfig::LEGACY);
    new_and_end("create and end an interpreter, shared GIL", configs, peer)
}

fn new_and_end<'a>(
    name: &'static str,
    (config, raw): (&'static InterpreterConfig, &'static RawConfig),
    peer: Option<&'a Python>,
) -> Result<Work<'a>, BenchError> {
    let thread = started()?;
    let main = thread.current();
    let mut contenders = vec![Contender::new(CLOISTER, move |calls| {
        timed(calls, || {
            let (_, tstate) = thread.new_interpreter_from_config(config)?;
            thread.end_interpreter(tstate)?;
            thread.thread_state_swap(main)?;
            Ok(())
        })
    })];
    contenders.extend(peer.map(|python| {
        let f = python.functions();
        Contender::new(python.name(), move |calls| {
            timed(calls, || {
                let tstate = python.new_interpreter(raw)?;
                // SAFETY: the new thread state is current, and the only one of its interpreter.
                unsafe {
                    (f.end_interpreter)(tstate);
                    (f.swap)(python.main());
                }
                Ok(())
            })
        })
    }));
    Ok(work(name, None, contenders))
}

/// A creation that its configuration forbids. The caller has no current thread state: in
/// CPython 3.12 one that has loses its GIL.
pub fn refused(peer: Option<&Python>) -> Result<Work<'_>, BenchError> {
    let thread = started()?;
    let mut contenders = vec![Contender::new(CLOISTER, move |calls| {
        let tstate = thread.save_thread()?;
        let time = timed(calls, || match thread.new_interpreter_from_config(black_box(&REFUSED)) {
            Err(CreateError::Failed(CreationError::Settings)) => Ok(()),
            Err(other) => Err(other.into()),
            Ok(_) => Err(BenchError::Created),
        });
        thread.restore_thread(tstate)?;
        time
    })];
    contenders.extend(peer.map(|python| {
        let f = python.functions();
        Contender::new(python.name(), move |calls| {
            // SAFETY: the main thread has its thread state current.
            unsafe { (f.swap)(0) };
            let time = timed(calls, || match python.new_interpreter(black_box(&RawConfig::REFUSED)) {
                Err(_) => Ok(()),
                Ok(_) => Err(BenchError::Created),
            });
            // SAFETY: it has none now, and gets its own back.
            unsafe { (f.swap)(python.main()) };
            time
        })
    }));
    Ok(work("creation refused for its config", None, contenders))
}

/// A creation that fails at its last step, and is undone.
pub fn undone<'a>() -> Result<Work<'a>, BenchError> {
    let thread = started()?;
    let contender = Contender::new(CLOISTER, move |calls| {
        timed(calls, || {
            let config = &InterpreterConfig::ISOLATED;
            match thread.new_interpreter_with(config, &mut black_box(Some(Fault::MainInit))) {
                Err(_) => Ok(()),
                Ok(_) => Err(BenchError::Created),
            }
        })
    });
    Ok(work("creation failing at its last step", None, vec![contender]))
}
