//! How long events took to get here: the times that they are stamped with, compared with the present.

use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_std::clock;

use super::latency::Latencies;

/// The latencies of the events in datagrams of ringstat's own format.
pub(crate) struct Arrivals {
    decoder: Box<Decoder>,
    pub(crate) latencies: Latencies,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { decoder: Box::new(Decoder::new()), latencies: Latencies::new() }
    }
}

impl Arrivals {
    /// Notes when the events in a datagram arrived whose names `counts` accepts. Times since a chip's start say nothing.
    pub(crate) fn examine(&mut self, datagram: &[u8], counts: impl Fn(&str) -> bool) {
        let now = clock::exact();
        // The collector counts malformed datagrams.
        let Ok(mut opened) = self.decoder.open(datagram) else { return };
        if opened.prologue().since_boot {
            return;
        }
        while let Some(Ok(record)) = opened.next() {
            if let Body::Event(event) = record.body
                && counts(record.name.text)
            {
                self.latencies.record(now.saturating_sub(event.time_ns));
            }
        }
    }
}
