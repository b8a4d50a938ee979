//! Attacks from the network, next to a genuine sender and a genuine client that must not be affected.
//!
//! Attacks that are measured at the whole process have a test of their own: `growth` and `memory` for what it keeps,
//! `descriptors` for its limit of open files.

mod flood;
mod forged;
#[path = "../exposition/hostile.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod hostile;
mod http;
#[path = "../exposition/parser.rs"]
mod parser;
mod wire;
