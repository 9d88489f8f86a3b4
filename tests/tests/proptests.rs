//! Schedules from bytes, with shrinking: every choice of a schedule comes from the bytes, and shorter
//! means tamer.

use proptest::prelude::*;
use unbroken_tests::run_bytes;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_keeps_the_promise(bytes in prop::collection::vec(any::<u8>(), 0..1_500)) {
        run_bytes(&bytes);
    }
}

#[test]
fn nothing_is_a_schedule_too() {
    run_bytes(&[]);
}
