#![no_main]

use coordination_protocol_fuzz::messages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| messages::envelopes(data));
