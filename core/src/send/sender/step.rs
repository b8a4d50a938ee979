//! What a sender reads from, and what it says.

/// What a [`Sender`](super::Sender) reads from at a poll.
#[derive(Debug)]
pub struct Inputs<'a, S: ?Sized, I: ?Sized, N: ?Sized> {
    /// The consuming end of the ring, or of several.
    pub events: &'a mut S,
    /// The instruments whose state is sent.
    pub instruments: &'a I,
    /// The interner that knows the names and strings made at run time, and the memory for long tags.
    pub names: &'a N,
    /// How many events the recorders have given up so far. Every datagram carries the number.
    pub dropped: u64,
}

/// What to do next, as returned by [`Sender::poll`](super::Sender::poll).
#[derive(Debug)]
#[must_use = "a packed datagram is in flight until `sent` or `gave_up` is told"]
pub enum Step {
    /// Send the first `Packed::len` bytes of the buffer, then report what became of them.
    Send(Packed),
    /// There is nothing to send before this time of the monotonic clock, unless events arrive.
    Wait(u64),
}

/// A datagram in flight. It is returned to the sender by value, once.
#[derive(PartialEq, Eq, Debug)]
#[must_use = "a packed datagram is in flight until `sent` or `gave_up` is told"]
pub struct Packed {
    /// The length of the datagram, in bytes.
    pub len: usize,
    /// The datagram's sequence number.
    pub sequence: u32,
    /// Whether it asks the receiver for a sign of life.
    pub asks: bool,
    /// The number of events in the datagram, without instruments.
    pub events: u16,
    /// The recording time of one of its events, by the wall clock, for one event in [`SAMPLE_ONE_IN`], so that an
    /// adapter can measure how long records take.
    pub recorded: Option<u64>,
}

/// The latency of one event in this many is measured, and of at most one per datagram.
pub const SAMPLE_ONE_IN: u32 = 64;
