use cloister_diff_tests::free_running;
use std::sync::atomic::AtomicBool;

#[test]
fn runs() {
    let n: u64 = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let begin = std::time::Instant::now();
    match free_running::run(n, 30, 1, &AtomicBool::new(false)) {
        Ok(report) => println!("{report:#?} {:?}", begin.elapsed()),
        Err(e) => panic!("{e}"),
    }
}
