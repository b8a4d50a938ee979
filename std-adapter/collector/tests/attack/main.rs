//! Attacks from the network, next to a genuine sender and a genuine client that must not be affected.

mod flood;
mod http;
mod wire;
