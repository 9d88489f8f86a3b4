//! A session against a peer that has proven itself and then does as it likes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unbroken_tests::hostile::hostile(data));
