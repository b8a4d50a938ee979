//! Signs of life: what a sender knows about its receiver, and about what became of the datagrams that left.
//!
//! UDP accepts datagrams for a receiver that is not there; the kernel hears of that late, and if the receiver is behind
//! a firewall, never. So from time to time a datagram asks for a [`Receipt`], and a lack of answers is taken for what
//! it is. A [`Liveness`] is the account of one receiver: it decides when to ask and when the silence has lasted too
//! long, and it counts how many of the events handed to the network have arrived, were lost, or are *unconfirmed*:
//! nobody knows yet.
//!
//! ```text
//!  datagram that asks ──► receiver
//!       handed over          │ counts datagrams and events of the epoch
//!  arrived, lost ◄── receipt ┘            no receipt for `silence` ──► the breaker opens
//! ```
//!
//! # How arrival is counted
//! A receipt counts what the receiver has received of this epoch since its own start, so the difference between two
//! receipts from the same run of the receiver is what arrived between them. Whatever was handed over before an earlier
//! receipt and is still missing in a later one is lost. What was under way when a receiver died can never be known, and
//! stays unconfirmed.

use core::time::Duration;

use crate::format::TimeUnit;
use crate::send::{Packed, config::units};
use crate::wire::receipt::Receipt;

/// When a sender asks for a sign of life, and how long it waits for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LivenessConfig {
    /// The interval at which a sign of life is requested.
    pub interval: Duration,
    /// The time without an answer after which the next datagram asks again.
    pub retry: Duration,
    /// The time without an answer after which a receiver is considered gone.
    pub silence: Duration,
}

impl LivenessConfig {
    /// Asks every second, repeats the question after a quarter of a second, and gives up after three seconds.
    pub const DEFAULT: Self = Self {
        interval: Duration::from_secs(1),
        retry: Duration::from_millis(250),
        silence: Duration::from_secs(3),
    };
}

impl Default for LivenessConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Datagrams and events, as both sides count them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Count {
    datagrams: u64,
    events: u64,
}

impl Count {
    /// What is in this count but not in `earlier`.
    #[inline(never)]
    fn since(self, earlier: Self) -> Self {
        Self {
            datagrams: self.datagrams.saturating_sub(earlier.datagrams),
            events: self.events.saturating_sub(earlier.events),
        }
    }

    #[inline(never)]
    fn plus(self, other: Self) -> Self {
        Self {
            datagrams: self.datagrams.saturating_add(other.datagrams),
            events: self.events.saturating_add(other.events),
        }
    }
}

/// A datagram that asked and has not been answered yet.
#[derive(Clone, Copy, Debug)]
struct Ask {
    sequence: u32,
    /// Everything handed over up to and including that datagram.
    handed: Count,
    at: u64,
}

/// What is known about one run of the receiver.
#[derive(Clone, Copy, Debug)]
struct Life {
    instance: u32,
    /// What had been handed over, and received, at the start of the comparison.
    from: (Count, Count),
    /// The counts in the latest receipt.
    received: Count,
    /// What was missing at the last two receipts: handed over up to the datagram that asked, but not received.
    missing: [Count; 2],
}

impl Life {
    /// What was missing at the previous receipt as well, and so is not merely late.
    fn lost(&self) -> Count {
        let [before, now] = self.missing;
        Count {
            datagrams: before.datagrams.min(now.datagrams),
            events: before.events.min(now.events),
        }
    }
}

/// How many unanswered questions are remembered. Answers to older ones are ignored.
const ASKS: usize = 8;

/// What a sender knows of one receiver: when it last answered, and what arrived there, was lost, or is unconfirmed.
///
/// Times are in the unit of the client's clock.
///
/// ```
/// use ringstat_core::format::TimeUnit;
/// use ringstat_core::send::{Liveness, LivenessConfig};
///
/// let liveness = Liveness::new(&LivenessConfig::DEFAULT, TimeUnit::Millis);
/// assert!(liveness.is_due(0), "the first datagram asks at once");
/// assert!(!liveness.is_silent(10_000), "nothing is owed before something was asked");
/// assert!(liveness.is_confirmed());
/// ```
#[derive(Clone, Debug)]
pub struct Liveness {
    interval: u64,
    retry: u64,
    silence: u64,
    handed: Count,
    asks: heapless::Deque<Ask, ASKS>,
    /// The time since which an answer is owed.
    owed: Option<u64>,
    last_ask: Option<u64>,
    answered: Option<u64>,
    life: Option<Life>,
    arrived: Count,
    /// What was lost in earlier runs of the receiver.
    lost_before: Count,
}

/// Why a receipt was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It answers nothing that was asked recently: it is late, a duplicate or forged.
    Unasked,
    /// It counts less than an earlier receipt from the same run of the receiver.
    Stale,
    /// It counts more than was ever handed over.
    Impossible,
}

impl core::fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unasked => "the receipt answers no datagram that asked for one recently",
            Self::Stale => "the receipt says less than an earlier one",
            Self::Impossible => "the receipt counts more than was sent",
        })
    }
}

impl core::error::Error for ReceiptError {}

impl Liveness {
    /// Creates the account of a receiver to which nothing has been handed over yet.
    #[must_use]
    pub fn new(config: &LivenessConfig, unit: TimeUnit) -> Self {
        Self {
            interval: units(config.interval, unit),
            retry: units(config.retry, unit),
            silence: units(config.silence, unit),
            handed: Count::default(),
            asks: heapless::Deque::new(),
            owed: None,
            last_ask: None,
            answered: None,
            life: None,
            arrived: Count::default(),
            lost_before: Count::default(),
        }
    }

    /// Whether the next datagram should ask.
    #[must_use]
    pub fn is_due(&self, now: u64) -> bool {
        now >= self.deadline() || self.last_ask.is_some_and(|last| now < last)
    }

    /// The time at which the next datagram should ask.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        let pause = if self.owed.is_some() { self.retry } else { self.interval };
        self.last_ask.map_or(0, |last| last.saturating_add(pause))
    }

    /// Notes that this datagram was sent to the same receiver by another path. It may arrive, but no answer to it is
    /// expected.
    pub fn passed_by(&mut self, packed: &Packed) {
        let events = u64::from(packed.events);
        self.handed = self.handed.plus(Count { datagrams: 1, events });
    }

    /// Notes that the network accepted this datagram.
    pub fn handed(&mut self, packed: &Packed, now: u64) {
        self.passed_by(packed);
        if !packed.asks {
            return;
        }
        if self.asks.is_full() {
            self.asks.pop_front();
        }
        let ask = Ask { sequence: packed.sequence, handed: self.handed, at: now };
        // There is room: one was taken out.
        let _ = self.asks.push_back(ask);
        self.last_ask = Some(now);
        self.owed.get_or_insert(now);
    }

    /// Takes the receiver's answer.
    ///
    /// # Errors
    /// [`ReceiptError`] if the receipt answers nothing that was asked, or says something impossible. Nothing is changed
    /// then.
    pub fn answered(&mut self, receipt: &Receipt, now: u64) -> Result<(), ReceiptError> {
        let asked = self.asks.iter().find(|ask| ask.sequence == receipt.sequence);
        let ask = *asked.ok_or(ReceiptError::Unasked)?;
        let received = Count { datagrams: receipt.datagrams, events: receipt.events };
        if received.datagrams > self.handed.datagrams || received.events > self.handed.events {
            return Err(ReceiptError::Impossible);
        }
        match &mut self.life {
            Some(life) if life.instance == receipt.instance => {
                if received.datagrams < life.received.datagrams
                    || received.events < life.received.events
                {
                    return Err(ReceiptError::Stale);
                }
                self.arrived = self.arrived.plus(received.since(life.received));
                life.received = received;
                let missing = ask.handed.since(life.from.0).since(received.since(life.from.1));
                life.missing = [life.missing[1], missing];
            }
            known => {
                if let Some(ended) = known {
                    self.lost_before = self.lost_before.plus(ended.lost());
                }
                self.arrived = self.arrived.plus(received);
                // A receiver that has counted from the sender's first datagram on can account for all of them.
                let whole = known.is_none() && receipt.first == 0;
                let from = if whole {
                    (Count::default(), Count::default())
                } else {
                    (ask.handed, received)
                };
                let missing = ask.handed.since(from.0).since(received.since(from.1));
                let missing = [Count::default(), missing];
                *known = Some(Life { instance: receipt.instance, from, received, missing });
            }
        }
        // Questions asked before this one count as answered, too.
        while self.asks.pop_front().is_some_and(|older| older.sequence != receipt.sequence) {}
        self.owed = self.asks.front().map(|oldest| oldest.at);
        self.answered = Some(now);
        Ok(())
    }

    /// Whether the receiver has owed an answer for longer than allowed.
    #[must_use]
    pub fn is_silent(&self, now: u64) -> bool {
        self.owed.is_some_and(|since| now.saturating_sub(since) >= self.silence)
    }

    /// The time to ask again even if there is nothing else to send, because an answer is overdue.
    #[must_use]
    pub fn retry_at(&self) -> Option<u64> {
        self.owed.map(|_| self.deadline())
    }

    /// The time at which the silence will have lasted too long if no answer comes.
    #[must_use]
    pub fn silent_at(&self) -> Option<u64> {
        self.owed.map(|since| since.saturating_add(self.silence))
    }

    /// Forgets the open questions, so that the next datagram asks again. Used for a probe, for which only its own
    /// answer counts.
    pub fn ask_anew(&mut self) {
        self.asks.clear();
        self.owed = None;
        self.last_ask = None;
    }

    /// When the receiver last answered.
    #[must_use]
    pub fn last_answer(&self) -> Option<u64> {
        self.answered
    }

    /// Whether a question is unanswered.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.owed.is_some()
    }

    /// Whether everything that was handed over is known to have arrived.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.arrived.datagrams >= self.handed.datagrams && self.arrived.events >= self.handed.events
    }

    /// Events that arrived. This never exceeds what was handed over, whatever the receiver says.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived.events.min(self.handed.events)
    }

    /// Datagrams that were missing at the latest receipt: lost or late.
    #[must_use]
    pub fn missing_datagrams(&self) -> u64 {
        let missing = self.life.map_or(0, |life| life.missing[1].datagrams);
        self.lost_before.datagrams.saturating_add(missing)
    }

    /// Events that the network accepted but that did not arrive, according to the receiver's count.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let lost = self.life.map_or(0, |life| life.lost().events);
        let lost = self.lost_before.events.saturating_add(lost);
        lost.min(self.handed.events - self.arrived())
    }

    /// Datagrams that the network accepted but that did not arrive, according to the receiver's count.
    #[must_use]
    pub fn lost_datagrams(&self) -> u64 {
        let lost = self.life.map_or(0, |life| life.lost().datagrams);
        let lost = self.lost_before.datagrams.saturating_add(lost);
        lost.min(self.handed.datagrams.saturating_sub(self.arrived.datagrams))
    }

    /// Events that the network accepted, and of which it is not known, or never will be, whether they arrived.
    #[must_use]
    pub fn unconfirmed(&self) -> u64 {
        self.handed.events - self.arrived() - self.lost()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
