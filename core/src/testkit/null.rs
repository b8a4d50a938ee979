//! The transport that swallows everything.

use crate::send::{SendError, Transport};

/// Takes every datagram, keeps none, and counts.
///
/// ```
/// use ringstat_core::testkit::NullTransport;
/// use ringstat_core::send::Transport;
///
/// let mut null = NullTransport::default();
/// null.send(b"datagram")?;
/// assert_eq!((null.datagrams, null.bytes), (1, 8));
/// # Ok::<(), ringstat_core::send::SendError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NullTransport {
    /// How many datagrams were sent.
    pub datagrams: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

impl Transport for NullTransport {
    #[inline]
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
        Ok(())
    }
}
