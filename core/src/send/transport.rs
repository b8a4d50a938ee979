//! The last step of sending: a datagram leaves, or an error says what to do about it.
//!
//! The sender is written against [`Transport`]; adapters implement it for their sockets, and `testkit` for tests. A
//! transport moves bytes and nothing else: it neither queues nor retries nor waits. What happens after an error is the
//! sender's decision, so errors are classified by their consequences, not by the platform's names for them:
//!
//! | error | Linux | embassy-net | what the sender does |
//! |---|---|---|---|
//! | [`WouldBlock`](SendError::WouldBlock) | EAGAIN, ENOBUFS | buffer full | keeps the datagram and tries again |
//! | [`TooLarge`](SendError::TooLarge) | EMSGSIZE | `PacketTooLarge` | counts it; trying again is of no use |
//! | [`Refused`](SendError::Refused) | ECONNREFUSED | (not reported) | tries again at once, then counts |
//! | [`Unreachable`](SendError::Unreachable) | ENETUNREACH, EHOSTUNREACH, ENETDOWN, EPERM | `NoRoute`, link or config down | opens the breaker |
//! | [`Other`](SendError::Other) | the rest | `SocketNotBound` | opens the breaker |
//!
//! Success means that the datagram has left, never that it has arrived: only the receiver's [tracker](crate::receive)
//! knows that.

use core::fmt;

/// Where datagrams are sent, and where the answers come from.
///
/// One method is required; the others are for what some transports can do besides: accept several datagrams at once,
/// receive the receiver's replies, move on to another address.
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

    /// Sends several datagrams with one call: `datagrams` holds them one after the other, `size` bytes each, the last
    /// one perhaps fewer. There are at most [`segments`](Self::segments) of them.
    ///
    /// # Errors
    /// None of them was sent. If there was more than one, [`SendError::TooLarge`] says that they have to be sent [one
    /// by one](Self::send), for now or, as by default, always.
    fn send_segments(&mut self, datagrams: &[u8], size: usize) -> Result<(), SendError> {
        if datagrams.len() <= size { self.send(datagrams) } else { Err(SendError::TooLarge) }
    }

    /// The largest number of datagrams of `size` bytes that [`send_segments`](Self::send_segments) accepts. Asked once,
    /// to size the memory for them. 1 by default.
    fn segments(&self, size: usize) -> usize {
        let _ = size;
        1
    }

    /// Receives the next datagram from the receiver and returns its length, without blocking. A datagram longer than
    /// `buf` is truncated.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] when none is waiting, as always by default. [`SendError::Refused`] when the system
    /// reports that nobody listened to a datagram sent before.
    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, SendError> {
        let _ = buf;
        Err(SendError::WouldBlock)
    }

    /// Whether [`receive`](Self::receive) can ever return a datagram; without one, nothing can be acknowledged. `false`
    /// by default.
    fn hears(&self) -> bool {
        false
    }

    /// Called when there is no way to the receiver, before the next attempt: a transport with several addresses moves
    /// on to the next one, a transport with a connection opens a new one. Must not block. Does nothing by default.
    fn reconnect(&mut self) {}

    /// The number of other addresses that [`reconnect`](Self::reconnect) can move on to. If there are any, the receiver
    /// is asked for a sign of life before the first events are sent, because the address in use may be one that nobody
    /// serves. 0 by default.
    fn alternatives(&self) -> usize {
        0
    }
}

macro_rules! delegate {
    ($($type:ty),*) => {$(
        impl<T: Transport + ?Sized> Transport for $type {
            #[inline]
            fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
                (**self).send(datagram)
            }
            fn send_segments(&mut self, datagrams: &[u8], size: usize) -> Result<(), SendError> {
                (**self).send_segments(datagrams, size)
            }
            fn segments(&self, size: usize) -> usize {
                (**self).segments(size)
            }
            fn receive(&mut self, buf: &mut [u8]) -> Result<usize, SendError> {
                (**self).receive(buf)
            }
            fn hears(&self) -> bool {
                (**self).hears()
            }
            fn reconnect(&mut self) {
                (**self).reconnect();
            }
            fn alternatives(&self) -> usize {
                (**self).alternatives()
            }
        }
    )*};
}

delegate!(&mut T);
#[cfg(any(test, feature = "alloc", feature = "testkit"))]
delegate!(alloc::boxed::Box<T>);

/// A transport made of a closure that sends one datagram: see [`from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<F>(F);

/// Makes a transport of a closure that sends one datagram.
///
/// ```
/// use ringstat_core::send::{Transport, from_fn};
///
/// let mut bytes = 0;
/// let mut counting = from_fn(|datagram| {
///     bytes += datagram.len();
///     Ok(())
/// });
/// counting.send(b"four")?;
/// assert_eq!(bytes, 4);
/// # Ok::<(), ringstat_core::send::SendError>(())
/// ```
pub const fn from_fn<F: FnMut(&[u8]) -> Result<(), SendError>>(send: F) -> FromFn<F> {
    FromFn(send)
}

impl<F: FnMut(&[u8]) -> Result<(), SendError>> Transport for FromFn<F> {
    #[inline]
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        (self.0)(datagram)
    }
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room in the socket's buffer: this is backpressure, not a failure. Keep the datagram and try again
    /// later.
    WouldBlock,
    /// The datagram is larger than the path can carry. Permanent for this datagram, without consequences for others.
    TooLarge,
    /// Nobody listened when an *earlier* datagram arrived. This one only brought the news and was not sent; the next
    /// attempt will be.
    Refused,
    /// There is no way to the destination: no route, link down, or forbidden by a firewall.
    Unreachable,
    /// Any other failure.
    Other,
}

impl SendError {
    /// Whether to keep the datagram and try again, without counting a failure.
    #[inline]
    #[must_use]
    pub const fn is_backpressure(self) -> bool {
        matches!(self, Self::WouldBlock)
    }

    /// Whether trying this datagram again is pointless.
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
