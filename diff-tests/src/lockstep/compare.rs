//! Whether two subjects show the same, as far as the second shows it at all.

use std::fmt;

use cloister_specs::{Answer, Observation, Rule};

use crate::subject::{Event, Shows};

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What the model says.
    pub expected: String,
    /// What the subject says.
    pub got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the model says {}\nthe subject says {}", self.expected, self.got)
    }
}

/// Did the move lead to the same?
///
/// A process that dies says why in its own words: the text of the rule has to be in them.
pub fn same_event(expected: &Event, got: &Event) -> Result<(), Difference> {
    let same = match (expected, got) {
        (Event::Died(rule), Event::Died(text)) => said(rule, text),
        (Event::Refused(rule), Event::Died(text)) => said(rule.id(), text),
        _ => expected == got,
    };
    if same {
        return Ok(());
    }
    Err(Difference { expected: format!("{expected:?}"), got: format!("{got:?}") })
}

fn said(rule: &str, text: &str) -> bool {
    match Rule::by_id(rule).map(|r| r.text().answer) {
        Some(Answer::Fatal(words)) => text.contains(words),
        Some(Answer::Status(_) | Answer::Assert | Answer::None) | None => false,
    }
}

/// Do both show the same state, as far as the subject shows it?
pub fn same_observation(expected: &Observation, got: &Observation, shows: Shows) -> Result<(), Difference> {
    if shows.phase && shows.gils && shows.holder {
        return if expected == got { Ok(()) } else { Err(differ(expected, got)) };
    }
    let (expected, got) = (shown(expected, shows), shown(got, shows));
    if expected == got { Ok(()) } else { Err(differ(&expected, &got)) }
}

fn shown(all: &Observation, shows: Shows) -> Observation {
    let mut seen = all.clone();
    if !shows.phase {
        seen.interps.iter_mut().for_each(|i| i.phase = None);
    }
    if !shows.gils {
        seen.gils.clear();
    }
    if !shows.holder {
        seen.gils.iter_mut().for_each(|g| g.holder = None);
    }
    seen
}

fn differ(expected: &Observation, got: &Observation) -> Difference {
    let parts = |o: &Observation| {
        [
            format!("{:?}", o.interps),
            format!("{:?}", o.tstates),
            format!("{:?}", o.gils),
            format!("{:?}", o.threads),
        ]
    };
    let (a, b) = (parts(expected), parts(got));
    let apart = |one: &[String; 4], two: &[String; 4]| {
        let pairs = one.iter().zip(two).filter(|(x, y)| x != y);
        pairs.map(|(x, _)| x.clone()).collect::<Vec<_>>().join("; ")
    };
    Difference { expected: apart(&a, &b), got: apart(&b, &a) }
}
