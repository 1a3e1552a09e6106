#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peerless_fuzz::peer_connection(bytes));
