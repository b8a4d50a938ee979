//! How datagrams leave a server: the [`Transport`](ringstat_core::send::Transport)s that the worker sends through.

mod addresses;
mod system;
mod udp;

pub(crate) use udp::{ConnectError, Udp};
