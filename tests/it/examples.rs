//! The examples do what they say.

#[path = "../../examples/embed.rs"]
mod embed;
#[path = "../../examples/exchange.rs"]
mod exchange;
#[cfg(all(feature = "checkpoint", feature = "sqlite"))]
#[path = "../../examples/state.rs"]
mod state;

use crate::support;

/// Also while others send every kind of message.
#[test]
fn all_run_to_their_end() {
    embed::main().unwrap();
    exchange::main().unwrap();
    exchange::run(&support::every_kind()).unwrap();
    #[cfg(all(feature = "checkpoint", feature = "sqlite"))]
    state::main().unwrap();
}
