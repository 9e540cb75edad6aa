//! Storage in memory.

mod engine;
mod journal;
mod store;

pub use engine::MemoryEngine;
pub use journal::MemoryJournal;
pub use store::MemoryStore;
