//! How datagrams leave a server: the [`Transport`](ringstat_core::send::Transport)s that the worker sends through.

mod addresses;
mod udp;

pub(crate) use udp::{ConnectError, Udp};

/// At most so many datagrams go to the kernel in one call. More lose more than they gain.
pub(crate) const MAX_SEGMENTS: usize = 32;
