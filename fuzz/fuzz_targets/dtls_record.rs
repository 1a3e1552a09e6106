#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peerless_fuzz::dtls_record(bytes));
