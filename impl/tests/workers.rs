//! The example does what it says.

#[path = "../examples/workers.rs"]
mod workers;

#[test]
fn two_workers_share_the_work_and_leave_nothing_behind() {
    let told = workers::summary().unwrap();
    let expected = "\
worker   id  pieces  sequences  longest
even      1      25       2500      208 ended
odd       2      25       2500      237 ended
interpreters left: 1
";
    assert_eq!(told, expected);
}

#[test]
fn it_can_be_run_again_in_the_same_process() {
    workers::main().unwrap();
    assert_eq!(workers::summary().unwrap(), workers::summary().unwrap());
}
