//! The errors of building and flushing a client.

use std::{fmt, io};

use crate::config::ConfigError;

/// Why no client could be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting is out of bounds.
    Config(ConfigError),
    /// The receiver's name could not be resolved.
    Resolve {
        /// The name.
        name: String,
        /// The error of the lookup.
        source: io::Error,
    },
    /// No socket could be opened.
    Socket(io::Error),
    /// No thread could be started.
    Thread(io::Error),
    /// The system provided no random number for the sender's identity.
    Random(getrandom::Error),
    /// The client has a transport of the caller's, which nobody but the caller can make anew in a child.
    Transport,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(e) => e.fmt(f),
            Self::Resolve { name, source } => write!(
                f,
                "cannot look up '{name}': {source}; give HOST:PORT or ADDRESS:PORT, as in 127.0.0.1:8125, or unix://PATH"
            ),
            Self::Socket(e) => write!(f, "cannot open a socket to the receiver: {e}"),
            Self::Thread(e) => write!(f, "cannot start the sending thread: {e}"),
            Self::Random(e) => write!(f, "no random number for the epoch: {e}"),
            Self::Transport => f.write_str(
                "the client was built with a transport: give it another one with `restart_after_fork_with`",
            ),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(e) => Some(e),
            Self::Random(e) => Some(e),
            Self::Transport => None,
            Self::Resolve { source, .. } => Some(source),
            Self::Socket(e) | Self::Thread(e) => Some(e),
        }
    }
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// Why a flush did not finish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FlushError {
    /// Not in time. What was recorded is still on its way.
    Timeout,
    /// This is a child of the process that the client belongs to, where nothing is sent.
    Forked,
    /// The sending thread has died of a panic. What was not sent is in the ledger as
    /// [`Cause::Shutdown`](crate::Cause::Shutdown).
    Died,
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "not everything could be sent in time; it is still on its way",
            Self::Died => "the sending thread has died of a panic",
            Self::Forked => {
                "a child of the client's process sends nothing: see `restart_after_fork`"
            }
        })
    }
}

impl std::error::Error for FlushError {}
