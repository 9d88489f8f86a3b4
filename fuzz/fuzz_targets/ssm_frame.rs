//! Any bytes as a message of AWS Session Manager.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unbroken_tests::ssm::messages::decode(data));
