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
    const NONE: Self = Self { datagrams: 0, events: 0 };

    /// The difference to `less`, modulo 2^64.
    fn minus(self, less: Self) -> Self {
        Self {
            datagrams: self.datagrams.wrapping_sub(less.datagrams),
            events: self.events.wrapping_sub(less.events),
        }
    }

    fn add(&mut self, more: Self) {
        self.datagrams = self.datagrams.wrapping_add(more.datagrams);
        self.events = self.events.wrapping_add(more.events);
    }

    /// Neither number is larger than in `other`.
    fn is_within(&self, other: &Self) -> bool {
        self.datagrams <= other.datagrams && self.events <= other.events
    }

    /// Numbers below zero, modulo 2^64, as zero.
    fn or_zero(self) -> Self {
        let or_zero = |n: u64| if n.cast_signed() < 0 { 0 } else { n };
        Self { datagrams: or_zero(self.datagrams), events: or_zero(self.events) }
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
    /// What had been handed over but not received at the start of the comparison, modulo 2^64.
    start: Count,
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
    asks: heapless::Vec<Ask, ASKS>,
    /// Whether an answer is owed.
    owed: bool,
    /// The time at which the silence will have lasted too long, while an answer is owed.
    silent_at: u64,
    last_ask: u64,
    /// The time at which the next datagram should ask.
    ask_at: u64,
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
            handed: Count::NONE,
            asks: heapless::Vec::new(),
            owed: false,
            silent_at: 0,
            last_ask: 0,
            ask_at: 0,
            answered: None,
            life: None,
            arrived: Count::NONE,
            lost_before: Count::NONE,
        }
    }

    /// Whether the next datagram should ask.
    #[must_use]
    pub fn is_due(&self, now: u64) -> bool {
        now >= self.ask_at || now < self.last_ask
    }

    /// The time at which the next datagram should ask.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.ask_at
    }

    /// Notes that this datagram was sent to the same receiver by another path. It may arrive, but no answer to it is
    /// expected.
    pub fn passed_by(&mut self, packed: &Packed) {
        self.handed.add(Count { datagrams: 1, events: packed.events.into() });
    }

    /// Notes that the network accepted this datagram.
    pub fn handed(&mut self, packed: &Packed, now: u64) {
        self.passed_by(packed);
        if !packed.asks {
            return;
        }
        if self.asks.is_full() {
            self.asks.remove(0);
        }
        let ask = Ask { sequence: packed.sequence, handed: self.handed, at: now };
        // There is room: one was taken out.
        let _ = self.asks.push(ask);
        self.last_ask = now;
        if !self.owed {
            self.owe(now);
        }
        self.ask_at = now.saturating_add(self.retry);
    }

    /// An answer is owed since then.
    fn owe(&mut self, since: u64) {
        self.owed = true;
        self.silent_at = since.saturating_add(self.silence);
    }

    /// Takes the receiver's answer.
    ///
    /// # Errors
    /// [`ReceiptError`] if the receipt answers nothing that was asked, or says something impossible. Nothing is changed
    /// then.
    pub fn answered(&mut self, receipt: &Receipt, now: u64) -> Result<(), ReceiptError> {
        let asked = self.asks.iter().position(|ask| ask.sequence == receipt.sequence);
        let asked = asked.ok_or(ReceiptError::Unasked)?;
        let handed = self.asks[asked].handed;
        let received = Count { datagrams: receipt.datagrams, events: receipt.events };
        if !received.is_within(&self.handed) {
            return Err(ReceiptError::Impossible);
        }
        let life = match &mut self.life {
            Some(life) if life.instance == receipt.instance => {
                if !life.received.is_within(&received) {
                    return Err(ReceiptError::Stale);
                }
                life
            }
            known => {
                // A receiver that has counted from the sender's first datagram on can account for all of them.
                let whole = known.is_none() && receipt.first == 0;
                if let Some(ended) = known {
                    self.lost_before.add(ended.lost());
                }
                let start = if whole { Count::NONE } else { handed.minus(received) };
                let (instance, none) = (receipt.instance, Count::NONE);
                known.insert(Life { instance, start, received: none, missing: [none; 2] })
            }
        };
        self.arrived.add(received.minus(life.received));
        life.received = received;
        let missing = handed.minus(received).minus(life.start).or_zero();
        life.missing = [life.missing[1], missing];
        // Questions asked before this one count as answered, too.
        drop(self.asks.drain(..=asked));
        self.owed = false;
        let mut pause = self.interval;
        if let Some(oldest) = self.asks.first() {
            let since = oldest.at;
            self.owe(since);
            pause = self.retry;
        }
        self.ask_at = self.last_ask.saturating_add(pause);
        self.answered = Some(now);
        Ok(())
    }

    /// Whether the receiver has owed an answer for longer than allowed.
    #[must_use]
    pub fn is_silent(&self, now: u64) -> bool {
        self.owed && now >= self.silent_at
    }

    /// The time to come back even if there is nothing to send, because an answer is overdue: to ask again, or to notice that
    /// the silence has lasted too long. `u64::MAX` if none is owed.
    #[must_use]
    pub fn overdue_at(&self) -> u64 {
        if self.owed { self.ask_at.min(self.silent_at) } else { u64::MAX }
    }

    /// Forgets the open questions, so that the next datagram asks again. Used for a probe, for which only its own
    /// answer counts.
    pub fn ask_anew(&mut self) {
        self.asks.clear();
        self.owed = false;
        (self.last_ask, self.ask_at) = (0, 0);
    }

    /// When the receiver last answered.
    #[must_use]
    pub fn last_answer(&self) -> Option<u64> {
        self.answered
    }

    /// Whether a question is unanswered.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.owed
    }

    /// Whether everything that was handed over is known to have arrived.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.handed.is_within(&self.arrived)
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
