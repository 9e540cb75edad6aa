#![no_main]

use coordination_protocol_fuzz::bodies;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| bodies::scan(data));
