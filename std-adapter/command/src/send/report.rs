//! What became of the records that were sent, and whether that counts as success.

use ringstat_std::{Cause, Ledger};
use serde::Serialize;

use crate::common::failure::{Exit, Failure, Outcome};

/// What `--loss` did to the datagrams.
#[derive(Clone, Copy, Serialize, Debug)]
pub(super) struct Simulated {
    pub(super) offered: u64,
    pub(super) lost: u64,
}

/// What became of the records.
#[derive(Serialize, Debug)]
pub(super) struct Report {
    pub(super) to: String,
    /// The sender's number as the collector shows it.
    pub(super) sender: String,
    #[serde(flatten)]
    pub(super) ledger: Ledger,
    pub(super) ledger_closes: bool,
    /// Counters that were added up here, and the increments in them.
    pub(super) counters: u64,
    pub(super) increments: u64,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    pub(super) failed_datagrams: u64,
    /// Lines that are not records.
    pub(super) refused: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) simulated: Option<Simulated>,
}

impl Report {
    /// Success only if everything arrived, apart from what was lost on purpose.
    pub(super) fn verdict(&self) -> Outcome {
        let Ledger { recorded, sent, unconfirmed, lost, dropped, in_flight, .. } = self.ledger;
        if !self.ledger_closes {
            return Err(Failure::new(
                Exit::Verdict,
                "the ledger does not close: this is a bug in ringstat",
            ));
        }
        let missing = dropped.total() + in_flight;
        if missing > 0 {
            let causes: Vec<_> = dropped
                .iter()
                .filter(|(_, n)| *n > 0)
                .map(|(cause, n)| format!("{n} {}", cause.as_str().replace('_', " ")))
                .collect();
            let hint = if dropped.get(Cause::SendError) > 0 {
                format!(
                    "Nobody listens there, or nothing leads there: `ringstat collect --udp {}`.",
                    self.to
                )
            } else if dropped.get(Cause::TooLarge) > 0 {
                "They are larger than a datagram: shorten their tags, or raise --mtu.".into()
            } else {
                "The network took them too slowly: raise --timeout.".into()
            };
            let what = format!(
                "{missing} of {recorded} events were not sent ({sent} were): {}",
                causes.join(", ")
            );
            return Err(Failure::new(Exit::Verdict, what).hint(hint));
        }
        if unconfirmed > 0 {
            let what = format!("nobody has said that {unconfirmed} of {recorded} events arrived");
            let hint = format!(
                "Is a collector there? `ringstat collect --udp {}`. Does a firewall drop its answers?",
                self.to
            );
            return Err(Failure::new(Exit::Verdict, what).hint(hint));
        }
        if lost > 0 && self.simulated.is_none() {
            let what = format!("{lost} of {recorded} events were lost on the way");
            return Err(Failure::new(Exit::Verdict, what)
                .hint("The network drops datagrams: lower --rate."));
        }
        if self.failed_datagrams > 0 {
            return Err(Failure::new(
                Exit::Verdict,
                format_args!("{} datagrams failed", self.failed_datagrams),
            )
            .hint("Totals went out again behind them; the collector shows the gap."));
        }
        if self.refused > 0 {
            return Err(Failure::new(
                Exit::Verdict,
                format_args!("lines refused: {}", self.refused),
            ));
        }
        Ok(())
    }
}
