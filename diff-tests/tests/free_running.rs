use cloister_diff_tests::free_running::*;
use cloister_traced::faults::Seeded;
use std::sync::atomic::AtomicBool;

#[test]
fn runs() {
    let n: u64 = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let begin = std::time::Instant::now();
    match run(n, 30, 1, &AtomicBool::new(false)) {
        Ok(report) => println!("{report:#?} {:?}", begin.elapsed()),
        Err(e) => panic!("{e}"),
    }
}
#[test]
fn canaries() {
    let only = std::env::var("F").ok();
    for f in Seeded::ALL {
        if only.as_ref().is_some_and(|o| *o != f.name()) {
            continue;
        }
        if only.is_none() && matches!(f, Seeded::EndKeepsGil) {
            continue;
        }
        eprintln!("{}", f.name());
        for k in 0..400 {
            if let Err(Rejection::NotAccepted { mismatch, .. }) =
                run_seeded(1, 30, k, Some(*f), &AtomicBool::new(false))
            {
                eprintln!("   after {k}: {} because {}", mismatch.event, mismatch.reason);
                if only.is_some() {
                    eprintln!("{mismatch}")
                }
                break;
            }
        }
    }
}
