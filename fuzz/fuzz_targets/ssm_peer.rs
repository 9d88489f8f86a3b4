//! A peer of a Session Manager data channel that may send anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unbroken_tests::ssm::hostile::play(data));
