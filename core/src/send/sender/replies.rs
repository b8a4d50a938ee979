//! What receivers answer: signs of life and acknowledgements.

use super::Sender;
use crate::format::Format;
use crate::record::Resolve;
use crate::send::Store;
use crate::wire::DecodeError;
use crate::wire::ack::Ack;
use crate::wire::receipt::Receipt;

impl<E: Format, K: Store, const CARRY: usize> Sender<E, K, CARRY> {
    /// Notes what signs of life say about the events sent so far: of how many it is not known whether they arrived, and
    /// how many were lost. With one receiver, the numbers are those of its [`Liveness`](crate::send::Liveness).
    pub fn confirmed(&mut self, unconfirmed: u64, lost: u64) {
        self.totals.unconfirmed = unconfirmed.min(self.totals.sent);
        self.totals.lost = lost.min(self.totals.sent - self.totals.unconfirmed);
    }

    /// Reads the answer to a datagram that asked for a sign of life.
    ///
    /// # Errors
    /// What is wrong with the datagram, or that it is for another sender or epoch.
    pub fn receipt(&self, datagram: &[u8]) -> Result<Receipt, AckError> {
        let receipt = Receipt::parse(datagram).map_err(AckError::Malformed)?;
        if (receipt.sender, receipt.epoch) == (self.identity.sender, self.identity.epoch) {
            Ok(receipt)
        } else {
            Err(AckError::Foreign)
        }
    }

    /// Takes a datagram from the receiver, and returns how many events it settles. `names` is as in [`Inputs`](super::Inputs).
    ///
    /// # Errors
    /// What is wrong with the datagram, that it is for another sender or epoch, or that no receiver can have written
    /// it. Nothing is changed then.
    pub fn acknowledged(&mut self, datagram: &[u8], names: &impl Resolve) -> Result<u64, AckError> {
        let ack = Ack::parse(datagram).map_err(AckError::Malformed)?;
        if let Some(settled) = self.recovery().and_then(|recovery| recovery.acknowledged(&ack)) {
            return Ok(settled);
        }
        if (ack.sender, ack.epoch) != (self.identity.sender, self.identity.epoch) {
            return Err(AckError::Foreign);
        }
        let settled = self.critical.acknowledged(&ack, names).ok_or(AckError::Impossible)?;
        self.totals.sent += settled;
        self.totals.acknowledged += settled;
        Ok(settled)
    }
}

/// Why an acknowledgement was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AckError {
    /// It is not an acknowledgement, or it is damaged.
    Malformed(DecodeError),
    /// It is for another sender, or for another run of this one.
    Foreign,
    /// It settles an event that was never sent.
    Impossible,
}

impl core::fmt::Display for AckError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(_) => f.write_str("the datagram is no acknowledgement"),
            Self::Foreign => f.write_str("the acknowledgement is for another sender or epoch"),
            Self::Impossible => f.write_str("the acknowledgement settles what was never sent"),
        }
    }
}

impl core::error::Error for AckError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(e) => Some(e),
            Self::Foreign | Self::Impossible => None,
        }
    }
}
