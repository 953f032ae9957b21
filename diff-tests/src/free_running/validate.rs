//! Following a recording with the model, event by event.

use cloister_model::{Grain, Runtime};
use cloister_specs::{OpKind, ThreadId};
use cloister_traced::trace::{Answer, Argument, Event};

use super::Report;
use super::recording::{Recording, THREADS};
use super::rejection::{Mismatch, Reason, drawn, said};
use super::replay::{Call, Inner, Progress, Replay};
use crate::lockstep::same_observation;
use crate::subject::Shows;

/// Everything is compared at the end.
const ALL: Shows = Shows { phase: true, gils: true, holder: true, refusals: true };

/// Has the model a run that does what was recorded?
///
/// # Errors
///
/// It has none: at which event it could not go on, and why.
pub fn validate(recording: &Recording) -> Result<Report, Box<Mismatch>> {
    let mut replay = Replay::new(recording);
    for (index, stamped) in recording.events.iter().enumerate() {
        let thread = replay.names.thread(stamped.thread);
        let told = match thread {
            Some(h) => replay.tell(h, &stamped.event).and_then(|()| replay.explain()),
            None => Err(Reason::UnknownThread),
        };
        if let Err(reason) = told {
            let (_, event) = said(&stamped.event, &replay.names);
            return Err(mismatch(&replay, recording, index, thread, event, reason));
        }
        replay.report.events += 1;
    }
    let end = recording.events.len();
    if let Some(h) = Runtime::thread_ids().find(|h| replay.call(*h).is_some()) {
        return Err(mismatch(&replay, recording, end, Some(h), "the end".into(), Reason::Unfinished));
    }
    let expected = replay.model.observe(&replay.design, THREADS as u8);
    let got = replay.names.observation(&recording.rest);
    if let Err(difference) = same_observation(&expected, &got, ALL) {
        return Err(mismatch(&replay, recording, end, None, "the end".into(), Reason::Rest(difference)));
    }
    replay.report.runs = 1;
    Ok(replay.report)
}

fn mismatch(
    replay: &Replay,
    recording: &Recording,
    index: usize,
    thread: Option<ThreadId>,
    event: String,
    reason: Reason,
) -> Box<Mismatch> {
    let instead = thread.map_or("nothing".into(), |h| replay.instead(h));
    let drawn = drawn(&recording.events, index, &replay.names);
    Box::new(Mismatch { index, thread, event, reason, instead, drawn })
}

impl Replay {
    /// Follows one event.
    fn tell(&mut self, h: ThreadId, event: &Event) -> Result<(), Reason> {
        // An answer is left there until the call is over: the model's reply is compared with it.
        if !matches!(event, Event::Returned(_)) {
            self.place(h).ahead.pop_front();
        }
        match (*event, self.call(h)) {
            (Event::Called { op, argument }, None) => self.called(h, op, argument),
            (Event::Called { op, .. }, Some(call)) => self.called_inside(h, call, op),
            (_, None) => Err(Reason::Outside),
            (Event::Effect(effect), Some(_)) => self.effect(h, effect),
            (Event::Took(gil), Some(_)) => self.took(h, gil),
            (Event::Dropping(gil), Some(_)) => self.dropping(h, gil),
            (Event::WaitBegin(gil), Some(_)) => self.wait_begins(h, gil),
            (Event::Requested(gil), Some(_)) => self.requested(h, gil),
            (Event::GaveUp(gil), Some(_)) => self.gave_up(h, gil),
            (Event::ThreadsWaitBegin(t), Some(_)) => self.threads_wait_begins(h, t),
            (Event::ThreadsWaitEnd(_), Some(_)) => self.threads_wait_ends(h),
            (Event::CallsWaitBegin(t), Some(_)) => self.calls_wait_begins(h, t),
            (Event::CallsWaitEnd(_), Some(_)) => self.calls_wait_ends(h),
            (Event::SwitchWaitBegin(gil), Some(_)) => self.switch_begins(h, gil),
            (Event::SwitchWaitEnd(gil), Some(_)) => self.switch_ends(h, gil),
            (Event::Returned(answer), Some(call)) if call.inner.open.is_some() => {
                self.returned_inside(h, call, answer)
            }
            (Event::Returned(answer), Some(call)) => self.returned(h, call, answer),
        }
    }

    fn called(&mut self, h: ThreadId, kind: OpKind, argument: Argument) -> Result<(), Reason> {
        let place = self.place(h);
        let fault = match kind {
            OpKind::NewInterpreterFromConfig | OpKind::NewInterpreter | OpKind::GilStateEnsure => {
                place.faults.pop_front().flatten()
            }
            _ => None,
        };
        let adds = kind == OpKind::AddPendingCall;
        place.call = Some(Call {
            kind,
            argument,
            fault,
            pending: if adds { place.pending.pop_front() } else { None },
            progress: Progress::Called,
            live: false,
            late: false,
            explained: false,
            told: 0,
            inner: Inner::default(),
        });
        self.report.calls += 1;
        self.op(h)?;
        self.answer();
        Ok(())
    }

    fn returned(&mut self, h: ThreadId, call: Call, answer: Answer) -> Result<(), Reason> {
        match (answer, call.progress) {
            (Answer::Refused(rule), Progress::Called) if !call.explained => {
                let model = self.model.check(&self.design, h, &self.op(h)?).err();
                return Err(Reason::NotRefused { refused: rule, model });
            }
            (Answer::Refused(_), Progress::Called) => self.report.refused += 1,
            (Answer::Refused(rule), Progress::Begun | Progress::Over) => {
                return Err(Reason::RefusedLate(rule));
            }
            (_, Progress::Called) if self.only_answers(h) => self.begin_and_answer(h)?,
            (_, Progress::Called | Progress::Begun | Progress::Over) => {
                self.overlook_request(h)?;
                self.finish(h)?;
            }
        }
        let place = self.place(h);
        place.ahead.pop_front();
        place.call = None;
        Ok(())
    }

    /// What this thread could do in the model.
    fn instead(&self, h: ThreadId) -> String {
        match self.call(h) {
            None => format!("{h} is outside any call, and could begin one"),
            Some(Call { progress: Progress::Over, .. }) => format!("{h} has replied, and could only return"),
            Some(Call { progress: Progress::Called, .. }) => {
                match self.op(h).map(|op| (op, self.model.check(&self.design, h, &op))) {
                    Ok((op, Ok(()))) => format!("{op} is accepted, and {h} could begin it"),
                    Ok((op, Err(rule))) => format!("{op} is refused by {rule}"),
                    Err(_) => format!("{h} could do nothing"),
                }
            }
            Some(Call { progress: Progress::Begun, .. }) => {
                let label = self.model.thread(h).top();
                let after = self.model.next_move(&self.design, h, h).and_then(|mv| {
                    let mut model = self.model;
                    model.apply(&self.design, Grain::Fine, &mv).ok().map(|_| model.thread(h).top())
                });
                let after =
                    after.map_or("waits there for another thread".into(), |l| format!("goes to {l:?}"));
                format!("{h} stands at {label:?} and {after}")
            }
        }
    }
}
