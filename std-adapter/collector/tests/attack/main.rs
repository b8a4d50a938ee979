//! Attacks from the network, each beside a genuine sender and a genuine client that must notice nothing.

mod flood;
mod http;
mod wire;
