#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gigmesh_fuzz::wire(data));
