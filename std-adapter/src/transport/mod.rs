//! How datagrams leave a server: the [`Transport`]s that the worker sends through.

mod addresses;
mod system;
mod udp;
#[cfg(unix)]
mod unix;

use std::time::Duration;

use ringstat_core::send::Transport;

pub(crate) use udp::ConnectError;
use udp::Udp;

/// What the name of a Unix socket begins with.
const UNIX: &str = "unix://";

/// Opens a socket that sends to `to`: `HOST:PORT` or `ADDRESS:PORT`, whose name is resolved again every `resolve`, or
/// `unix://PATH`. Datagrams are of at most `payload` bytes.
pub(crate) fn connect(
    to: &str,
    payload: usize,
    resolve: Duration,
) -> Result<Box<dyn Transport + Send>, ConnectError> {
    match to.strip_prefix(UNIX) {
        #[cfg(unix)]
        Some(path) => {
            let opened = unix::Unix::open(std::path::Path::new(path));
            Ok(Box::new(opened.map_err(ConnectError::Resolve)?))
        }
        #[cfg(not(unix))]
        Some(_) => Err(ConnectError::Resolve(std::io::ErrorKind::Unsupported.into())),
        None => Ok(Box::new(Udp::connect(to, payload, resolve)?)),
    }
}
