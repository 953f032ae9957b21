//! Each misuse of the safe face that types stop, with what the compiler says of it.

#[test]
fn what_types_stop_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
