//! Any bytes as the plaintext of a packet.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unbroken_tests::hostile::decode(data));
