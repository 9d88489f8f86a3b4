//! Two sessions under a schedule of faults, with the zero-loss oracle inside.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unbroken_tests::run_bytes(data));
