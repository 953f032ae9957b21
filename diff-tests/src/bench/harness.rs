//! The measuring itself: rounds in turns, medians, and when to stop.

use super::{BenchError, CLOISTER, Target, Work};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How long a round lasts at least.
    pub round: Duration,
    /// Rounds of each contender before the medians are looked at.
    pub least: usize,
    /// The longest that all works may take together.
    pub limit: Duration,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { round: Duration::from_millis(1), least: 30, limit: Duration::from_secs(20) }
    }
}

impl Effort {
    /// As little as there can be: one round of one call each, good for nothing but tests.
    pub const NONE: Self = Effort { round: Duration::ZERO, least: 1, limit: Duration::ZERO };

    /// Medians that move by no more than that share, while the rounds grow by half, are stable.
    const STABLE: f64 = 0.01;
}

/// What came of a work.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// What was done.
    pub work: &'static str,
    /// What it is measured in.
    pub unit: &'static str,
    /// Our runtime's median.
    pub cloister: f64,
    /// The medians of the others.
    pub peers: BTreeMap<String, f64>,
    /// What our runtime has to reach.
    pub target: Option<String>,
    /// Does it?
    pub met: Option<bool>,
    /// The least and the greatest of every contender.
    pub ranges: BTreeMap<String, [f64; 2]>,
    /// Rounds of each contender.
    pub rounds: usize,
}

/// Measures a work for at most `limit`; `go_on` is asked after every round.
pub fn measure(
    mut work: Work<'_>,
    effort: &Effort,
    limit: Duration,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Measured, BenchError> {
    let begun = Instant::now();
    let round = effort.round * work.stretch;
    let mut amounts = Vec::new();
    for contender in &mut work.contenders {
        amounts.push(calibrate(&mut contender.round, round)?);
    }
    let mut samples = vec![Vec::new(); amounts.len()];
    let mut rounds = 0;
    while go_on() || rounds == 0 {
        for ((contender, amount), samples) in work.contenders.iter_mut().zip(&amounts).zip(&mut samples) {
            samples.push((contender.round)(*amount)?);
        }
        rounds += 1;
        let enough = rounds >= effort.least && samples.iter().all(|s| stable(s));
        if enough || begun.elapsed() >= limit {
            break;
        }
    }
    Ok(told(&work, &samples, rounds))
}

/// Warms up, and finds how much a round has to do.
fn calibrate(
    round: &mut dyn FnMut(u64) -> Result<f64, BenchError>,
    least: Duration,
) -> Result<u64, BenchError> {
    let mut amount = 1;
    loop {
        let begun = Instant::now();
        round(amount)?;
        let took = begun.elapsed();
        if took >= least {
            return Ok(amount);
        }
        let missing = least.as_nanos() / took.as_nanos().max(1);
        amount *= u64::try_from(missing).unwrap_or(u64::MAX).clamp(2, 10);
    }
}

fn stable(samples: &[f64]) -> bool {
    let (early, all) = (median(&samples[..samples.len() - samples.len() / 3]), median(samples));
    (early - all).abs() <= all.abs() * Effort::STABLE
}

/// The one in the middle.
pub(super) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => f64::NAN,
        (Some(value), 1) => *value,
        (Some(value), _) => (sorted[middle - 1] + value) / 2.0,
    }
}

fn told(work: &Work<'_>, samples: &[Vec<f64>], rounds: usize) -> Measured {
    let each = || work.contenders.iter().map(|c| c.name.clone()).zip(samples);
    let cloister = samples.first().map_or(f64::NAN, |s| median(s));
    let range = |s: &[f64]| {
        let (least, greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        s.iter().fold([least, greatest], |[low, high], v| [low.min(*v), high.max(*v)])
    };
    let ratio = |whom: &str| {
        let (_, theirs) = each().find(|(name, _)| name == whom)?;
        let ratios: Vec<f64> = samples.first()?.iter().zip(theirs).map(|(a, b)| a / b).collect();
        Some(median(&ratios))
    };
    let met = work.target.and_then(|target| match target {
        Target::AtMost(limit) => Some(cloister <= limit),
        Target::AtLeast(limit) => Some(cloister >= limit),
        Target::ShareOf(whom, percent) => ratio(whom).map(|reached| 100.0 * reached >= percent),
        Target::TimesOf(whom, factor) => ratio(whom).map(|reached| reached <= factor),
    });
    Measured {
        work: work.name,
        unit: work.unit,
        cloister,
        peers: each().filter(|(name, _)| name != CLOISTER).map(|(name, s)| (name, median(s))).collect(),
        target: work.target.map(|target| target.told(work.unit)),
        met,
        ranges: each().map(|(name, s)| (name, range(s))).collect(),
        rounds,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Contender;
    use super::*;
    use std::cell::RefCell;

    /// Three rounds of two contenders with these values.
    fn measured(target: Target, ours: [f64; 3], theirs: [f64; 3]) -> Measured {
        let turns = RefCell::new(Vec::new());
        let contender = |name, values: [f64; 3]| {
            let (mut values, turns) = (values.into_iter().cycle(), &turns);
            Contender::new(name, move |_| {
                turns.borrow_mut().push(name);
                values.next().ok_or(BenchError::Abandoned)
            })
        };
        let contenders = vec![contender(CLOISTER, ours), contender("theirs", theirs)];
        let work = Work { name: "a work", unit: "ns", target: Some(target), stretch: 1, contenders };
        let effort = Effort { least: 3, ..Effort::NONE };
        let mut left = 3;
        let mut go_on = || {
            left -= 1;
            left >= 0
        };
        let measured = measure(work, &effort, Duration::from_secs(60), &mut go_on).unwrap();
        assert_eq!(turns.borrow()[..], [CLOISTER, "theirs"].repeat(4));
        measured
    }

    #[test]
    fn contenders_take_turns_and_medians_are_told() {
        let told = measured(Target::AtMost(2.0), [9.0, 2.0, 1.0], [4.0, 4.0, 5.0]);
        assert_eq!((told.cloister, told.peers["theirs"], told.rounds), (2.0, 4.0, 3));
        assert_eq!((told.ranges[CLOISTER], told.met), ([1.0, 9.0], Some(true)));
        assert_eq!(told.target.as_deref(), Some("at most 2 ns"));
        assert_eq!(measured(Target::AtLeast(2.5), [9.0, 2.0, 1.0], [0.0; 3]).met, Some(false));
    }

    #[test]
    fn a_share_is_judged_round_by_round() {
        let busy = [100.0, 10.0, 55.0];
        assert_eq!(measured(Target::ShareOf("theirs", 99.0), busy, busy).met, Some(true));
        assert_eq!(measured(Target::ShareOf("theirs", 99.0), busy, busy.map(|v| v * 1.1)).met, Some(false));
        assert_eq!(measured(Target::ShareOf("nobody", 99.0), busy, busy).met, None);
        assert_eq!(measured(Target::TimesOf("theirs", 1.2), busy, busy.map(|v| v / 1.1)).met, Some(true));
        assert_eq!(measured(Target::TimesOf("theirs", 1.2), busy, busy.map(|v| v / 1.3)).met, Some(false));
    }
}
