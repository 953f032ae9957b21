//! How far a long command is, and stopping it in between.
//!
//! On a terminal every *stage* is a bar on stderr; elsewhere it is one line when it is
//! over. Ctrl-C sets a flag that the work looks at; a second one ends the process.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const INTERRUPTED: i32 = 130;
const REDRAW: Duration = Duration::from_millis(100);

/// Whether somebody wants the work to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens to Ctrl-C. Where that cannot be, Ctrl-C ends the process as ever.
    pub fn listen() -> Self {
        let flag = Interrupt::default();
        let set = flag.clone();
        let _ = ctrlc::set_handler(move || {
            if set.0.swap(true, Ordering::SeqCst) {
                std::process::exit(INTERRUPTED);
            }
        });
        flag
    }

    /// Should the work stop?
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks the work to stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The stages of a command.
#[derive(Debug)]
pub struct Progress {
    interrupt: Interrupt,
    visible: bool,
    finished: Mutex<Vec<String>>,
}

impl Progress {
    /// With bars if stderr is a terminal.
    pub fn new(interrupt: Interrupt) -> Self {
        Progress { interrupt, visible: stderr().is_terminal(), finished: Mutex::default() }
    }

    /// Begins a stage of so many steps, or of an unknown number.
    pub fn stage(&self, name: impl Into<String>, steps: Option<u64>) -> Stage<'_> {
        let bar = match (self.visible, steps) {
            (false, _) => ProgressBar::hidden(),
            (true, Some(steps)) => ProgressBar::new(steps)
                .with_style(style("{msg} [{bar:30}] {human_pos} of {human_len} ({eta})")),
            (true, None) => {
                ProgressBar::new_spinner().with_style(style("{spinner} {msg} {human_pos} ({elapsed})"))
            }
        };
        let name = name.into();
        bar.set_message(name.clone());
        if self.visible {
            bar.enable_steady_tick(REDRAW);
        }
        Stage { progress: self, name, steps, bar, begun: Instant::now() }
    }

    /// Should the work stop?
    pub fn interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// The flag that says so, for work that looks at it itself.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.interrupt.0.clone()
    }

    /// One line for each stage that is over.
    pub fn finished(&self) -> Vec<String> {
        self.finished.lock().map(|lines| lines.clone()).unwrap_or_default()
    }

    fn over(&self, line: String) {
        let _ = writeln!(stderr(), "{line}");
        if let Ok(mut finished) = self.finished.lock() {
            finished.push(line);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A stage under way.
#[derive(Debug)]
pub struct Stage<'a> {
    progress: &'a Progress,
    name: String,
    steps: Option<u64>,
    bar: ProgressBar,
    begun: Instant,
}

impl Stage<'_> {
    /// So many more steps are done. Answers whether to go on.
    pub fn advance(&self, steps: u64) -> bool {
        self.bar.inc(steps);
        !self.progress.interrupted()
    }

    /// So many steps are done in all. Answers whether to go on.
    pub fn reached(&self, steps: u64) -> bool {
        self.bar.set_position(steps);
        !self.progress.interrupted()
    }

    /// The stage is over; what came of it. If it was interrupted, how far it came is told.
    pub fn finish(self, outcome: &str) {
        self.bar.finish_and_clear();
        let seconds = self.begun.elapsed().as_secs_f64();
        let name = &self.name;
        let line = match (self.progress.interrupted(), self.steps) {
            (false, _) => format!("{name}: {outcome} ({seconds:.1} s)"),
            (true, Some(all)) => {
                format!("{name}: interrupted after {} of {all}: {outcome}", self.bar.position())
            }
            (true, None) => format!("{name}: interrupted after {}: {outcome}", self.bar.position()),
        };
        self.progress.over(line);
    }
}

#[cfg(test)]
mod tests {
    use super::{Interrupt, Progress};

    #[test]
    fn a_finished_stage_is_told_and_an_interrupted_one_tells_how_far_it_came() {
        let interrupt = Interrupt::default();
        let progress = Progress::new(interrupt.clone());
        let stage = progress.stage("states", Some(10));
        assert!(stage.advance(10));
        stage.finish("all rules hold");
        let stage = progress.stage("runs", Some(500));
        assert!(stage.reached(40));
        interrupt.set();
        assert!(!stage.advance(2));
        stage.finish("no difference");
        let told = progress.finished();
        assert!(told[0].starts_with("states: all rules hold ("), "{told:?}");
        assert_eq!(told[1], "runs: interrupted after 42 of 500: no difference");
    }
}
