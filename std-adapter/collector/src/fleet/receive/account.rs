//! What became of every datagram: received is at any time what is in the log, what was refused, and what waits.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ringstat_core::wire::DecodeError;
use serde::{Deserialize, Serialize};

use super::queue::Batch;
use crate::fleet::metrics::{counter, gauge};

/// Reasons for which a datagram can be refused by its form.
const FORMS: usize = DecodeError::ALL.len();

/// The account of a receiver, to which all its threads add.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) received: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) malformed: [AtomicU64; FORMS],
    /// Refused because the log was away or slow for so long that the queue was full.
    pub(super) queue_full: AtomicU64,
    /// Given up at the end, because the log did not take them in time.
    pub(super) shutdown: AtomicU64,
    /// On disk at the start,
    pub(super) restored: AtomicU64,
    /// and at the end.
    pub(super) kept: AtomicU64,
    /// Confirmed by the log,
    pub(super) logged: AtomicU64,
    /// in so many messages of so many bytes.
    pub(super) messages: AtomicU64,
    pub(super) logged_bytes: AtomicU64,
    /// Messages that the log did not confirm, and that were sent again, by [`FailureCause`].
    pub(super) failures: [AtomicU64; 3],
    pub(super) acks: AtomicU64,
    pub(super) receipts: AtomicU64,
    pub(super) receive_errors: AtomicU64,
    /// What waits: datagrams, and bytes of messages.
    pub(super) waiting: AtomicU64,
    pub(super) waiting_bytes: AtomicUsize,
    /// The messages that are on their way to the log.
    pub(super) in_flight: AtomicU64,
    /// The shards for which something waits because their streams are full.
    pub(super) full_shards: AtomicU64,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            received: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            malformed: std::array::from_fn(|_| AtomicU64::new(0)),
            queue_full: AtomicU64::new(0),
            shutdown: AtomicU64::new(0),
            restored: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            logged: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            logged_bytes: AtomicU64::new(0),
            failures: std::array::from_fn(|_| AtomicU64::new(0)),
            acks: AtomicU64::new(0),
            receipts: AtomicU64::new(0),
            receive_errors: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            waiting_bytes: AtomicUsize::new(0),
            in_flight: AtomicU64::new(0),
            full_shards: AtomicU64::new(0),
        }
    }
}

/// Why the log did not confirm a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FailureCause {
    /// It refused it: its stream is full, for instance.
    Refused,
    /// It did not answer in time.
    NoAnswer,
    /// The connection was lost.
    ConnectionLost,
}

impl FailureCause {
    /// All of them, in their order, with the names that they have in metrics.
    const ALL: [(Self, &str); 3] = [
        (Self::Refused, "refused"),
        (Self::NoAnswer, "no_answer"),
        (Self::ConnectionLost, "connection_lost"),
    ];
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// What became of every datagram that a receiver has received.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct ReceiveReport {
    /// Datagrams received.
    pub received: u64,
    /// Those that were on disk at the start.
    pub restored: u64,
    /// Those that the log has confirmed.
    pub logged: u64,
    /// Those that are none of ringstat's.
    pub malformed: u64,
    /// Those refused because the queue was full.
    pub queue_full: u64,
    /// Those given up at the end.
    pub shutdown: u64,
    /// Those that are on disk at the end, for the next start.
    pub kept: u64,
    /// Those that wait for the log.
    pub waiting: u64,
    /// Messages that the log has confirmed.
    pub messages: u64,
    /// Messages that it did not confirm at once, and that were sent again.
    pub failures: u64,
    /// Acknowledgements of critical events that were sent.
    pub acknowledgements: u64,
    /// Datagrams that the kernel dropped before they were received.
    pub kernel_drops: u64,
    /// Whether received + restored = logged + malformed + queue_full + shutdown + kept + waiting.
    pub closes: bool,
}

impl Account {
    /// Counts what was on disk at the start.
    pub(super) fn restore(&self, batches: &[Batch]) {
        let datagrams = batches.iter().map(|batch| batch.datagrams).sum();
        add(&self.restored, datagrams);
        add(&self.waiting, datagrams);
        let bytes = batches.iter().map(|batch| batch.bytes).sum();
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The account as it is; exact when nothing arrives meanwhile.
    pub(super) fn report(&self, kernel_drops: u64) -> ReceiveReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let malformed = self.malformed.iter().map(read).sum();
        let (received, logged) = (read(&self.received), read(&self.logged));
        let (queue_full, shutdown) = (read(&self.queue_full), read(&self.shutdown));
        let (waiting, restored, kept) =
            (read(&self.waiting), read(&self.restored), read(&self.kept));
        ReceiveReport {
            received,
            restored,
            logged,
            malformed,
            queue_full,
            shutdown,
            kept,
            waiting,
            messages: read(&self.messages),
            failures: self.failures.iter().map(read).sum(),
            acknowledgements: read(&self.acks),
            kernel_drops,
            closes: received + restored
                == logged + malformed + queue_full + shutdown + kept + waiting,
        }
    }

    /// Writes the families of `/metrics`.
    pub(super) fn write(&self, out: &mut String, kernel_drops: u64, connected: bool) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters: [(&str, &str, u64); 10] = [
            ("datagrams", "Datagrams received.", read(&self.received)),
            ("bytes", "Bytes received.", read(&self.bytes)),
            ("logged", "Datagrams that the log has confirmed.", read(&self.logged)),
            ("messages", "Messages that the log has confirmed.", read(&self.messages)),
            ("message_bytes", "Their bytes.", read(&self.logged_bytes)),
            ("restored", "Datagrams that were on disk at the start.", read(&self.restored)),
            (
                "acknowledgements",
                "Acknowledgements of critical events that the log has.",
                read(&self.acks),
            ),
            ("receipts", "Receipts sent.", read(&self.receipts)),
            ("receive_errors", "Receive calls that failed.", read(&self.receive_errors)),
            ("kernel_drops", "Datagrams that the kernel dropped.", kernel_drops),
        ];
        for (name, help, value) in counters {
            counter(out, &format!("ringstat_receiver_{name}_total"), help, &[("", value)]);
        }
        let failures: Vec<_> = FailureCause::ALL
            .map(|(cause, name)| {
                (format!("reason=\"{name}\""), read(&self.failures[cause as usize]))
            })
            .into();
        let failures: Vec<_> = failures.iter().map(|(labels, n)| (&**labels, *n)).collect();
        let name = "ringstat_receiver_publish_failures_total";
        let help = "Messages that the log did not confirm, and that were sent again, by reason.";
        counter(out, name, help, &failures);
        let mut refused: Vec<_> = DecodeError::ALL
            .into_iter()
            .zip(&self.malformed)
            .map(|(reason, n)| (format!("reason=\"{}\"", reason.as_str()), read(n)))
            .collect();
        refused.push(("reason=\"queue_full\"".into(), read(&self.queue_full)));
        refused.push(("reason=\"shutdown\"".into(), read(&self.shutdown)));
        let refused: Vec<_> = refused.iter().map(|(labels, n)| (&**labels, *n)).collect();
        let name = "ringstat_receiver_refused_total";
        counter(out, name, "Datagrams that did not get into the log, by reason.", &refused);
        for (name, help, value) in [
            ("waiting_datagrams", "Datagrams that wait for the log.", read(&self.waiting)),
            (
                "waiting_bytes",
                "Bytes that wait for the log.",
                self.waiting_bytes.load(Ordering::Relaxed) as u64,
            ),
            (
                "full_shards",
                "Shards whose streams are full, and for which datagrams wait.",
                read(&self.full_shards),
            ),
            ("messages_in_flight", "Messages sent and not confirmed.", read(&self.in_flight)),
            ("log_connected", "1 if there is a connection to the log.", connected.into()),
        ] {
            gauge(out, &format!("ringstat_receiver_{name}"), help, &[("", value as f64)]);
        }
    }
}
