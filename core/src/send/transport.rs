//! The last step of sending: a datagram leaves, or an error says what to do about it.
//!
//! The sender is written against [`Transport`]; adapters implement it for their sockets, and
//! `testkit` for tests. A transport moves bytes and nothing else: it neither queues nor retries nor
//! waits. What happens after an error is the sender's decision, so the errors are sorted by what
//! follows from them, not by what the platform calls them:
//!
//! | error | Linux | embassy-net | what the sender does |
//! |---|---|---|---|
//! | [`WouldBlock`](SendError::WouldBlock) | EAGAIN, ENOBUFS | buffer full | keeps the datagram and tries again |
//! | [`TooLarge`](SendError::TooLarge) | EMSGSIZE | `PacketTooLarge` | counts it; trying again is of no use |
//! | [`Refused`](SendError::Refused) | ECONNREFUSED | (not reported) | tries again at once, then counts |
//! | [`Unreachable`](SendError::Unreachable) | ENETUNREACH, EHOSTUNREACH, ENETDOWN, EPERM | `NoRoute`, link or config down | opens the breaker |
//! | [`Other`](SendError::Other) | the rest | `SocketNotBound` | opens the breaker |
//!
//! Success means that the datagram has left, never that it has arrived: that is known to the
//! receiver's [tracker](crate::receive) only.

use core::fmt;

/// Where datagrams go.
///
/// ```
/// use ringstat_core::send::{SendError, Transport};
///
/// /// Has room for one datagram.
/// struct Mailbox(Option<[u8; 4]>);
///
/// impl Transport for Mailbox {
///     fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
///         if self.0.is_some() {
///             return Err(SendError::WouldBlock);
///         }
///         self.0 = Some(datagram.try_into().map_err(|_| SendError::TooLarge)?);
///         Ok(())
///     }
/// }
///
/// let mut mailbox = Mailbox(None);
/// assert_eq!(mailbox.send(b"more than four"), Err(SendError::TooLarge));
/// assert_eq!(mailbox.send(b"four"), Ok(()));
/// assert!(mailbox.send(b"next").is_err_and(SendError::is_backpressure));
/// ```
pub trait Transport {
    /// Sends one datagram whole, without blocking.
    ///
    /// # Errors
    /// The datagram was not sent. [`SendError`] says whether to try again.
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError>;
}

impl<T: Transport + ?Sized> Transport for &mut T {
    #[inline]
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        (**self).send(datagram)
    }
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// No room in the socket's buffer: backpressure, not a failure. Keep the datagram and try again
    /// later.
    WouldBlock,
    /// The datagram is larger than the path takes. Permanent for this datagram, no news about
    /// others.
    TooLarge,
    /// Nobody listened when an *earlier* datagram arrived. This one was only the messenger and was
    /// not sent; the next attempt goes out.
    Refused,
    /// There is no way to the destination: no route, link down, or forbidden by a firewall.
    Unreachable,
    /// Anything else, a failure too.
    Other,
}

impl SendError {
    /// Whether the datagram is to be kept and tried again, with nothing counted as failed.
    #[inline]
    #[must_use]
    pub const fn is_backpressure(self) -> bool {
        matches!(self, Self::WouldBlock)
    }

    /// Whether trying this datagram again is of no use.
    #[inline]
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        matches!(self, Self::TooLarge)
    }

    /// Whether the destination is in doubt, which is what a circuit breaker counts.
    #[inline]
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Refused | Self::Unreachable | Self::Other)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WouldBlock => "the socket's send buffer is full",
            Self::TooLarge => "the datagram is larger than the network path takes",
            Self::Refused => "nobody listens at the destination",
            Self::Unreachable => "no way to the destination",
            Self::Other => "the socket failed",
        })
    }
}

impl core::error::Error for SendError {}

#[cfg(test)]
mod tests {
    use super::SendError::{self, Other, Refused, TooLarge, Unreachable, WouldBlock};

    #[test]
    fn every_error_has_exactly_one_consequence() {
        for error in [WouldBlock, TooLarge, Refused, Unreachable, Other] {
            let consequences =
                [SendError::is_backpressure, SendError::is_permanent, SendError::is_failure];
            assert_eq!(consequences.iter().filter(|is| is(error)).count(), 1, "{error}");
        }
    }
}
