#![no_main]

use coordination_protocol_fuzz::machines;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| machines::machines(data));
