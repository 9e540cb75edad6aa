//! Numbers by their spelling: what it means, and how it passes through serde.

mod decimal;
mod serde;

pub(crate) use decimal::{Decimal, number_form};
pub(crate) use serde::{
    Origin, RAW, double, is_json_text, is_one_string, is_spelled, read, write, write_number,
    write_raw,
};
