//! From any bytes to the page of `/metrics`: no panic, the ledger closes, the limits hold, and a strict parser takes the
//! page, however many shards there are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringstat_collector::{Collector, Distributions, Io, Limits, Shards, metrics, shard_of};

#[path = "../../tests/exposition/parser.rs"]
mod parser;

/// What each datagram begins with. Where it stands in the input, another one begins.
const BEGIN: &[u8] = b"RS\x10\x00";

fn datagrams(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let next = bytes.windows(BEGIN.len()).skip(1).position(|w| w == BEGIN);
        let (first, rest) = bytes.split_at(next.map_or(bytes.len(), |at| at + 1));
        all.push(first.to_vec());
        // Once more with a right beginning and checksum, so that the records are reached.
        let mut sealed = BEGIN.to_vec();
        sealed.extend_from_slice(first.get(BEGIN.len()..).unwrap_or(first));
        let sum = crc32fast::hash(&sealed).to_le_bytes();
        sealed.extend_from_slice(&sum);
        all.push(sealed);
        bytes = rest;
    }
    all
}

fuzz_target!(|bytes: &[u8]| {
    const SENDERS: usize = 3;
    let limits = Limits {
        senders: SENDERS,
        series: 20,
        series_per_sender: 15,
        bytes: 2 << 20,
        ..Limits::default()
    };
    for count in [1, 2] {
        let mut shards = Collector::shards(limits, count);
        for (now_ms, datagram) in datagrams(bytes).iter().enumerate() {
            let shard = &mut shards[shard_of(datagram, None, count)];
            shard.receive(datagram, now_ms as u64 * 100);
            shard.tick(now_ms as u64 * 100);
        }
        assert!(shards.iter().all(|shard| shard.counts().closes()));
        assert!(shards.iter().map(Collector::sender_count).sum::<usize>() <= SENDERS);
        let shards: &[Collector] = &shards;
        let series: usize = (0..count).map(|n| shards.look(n, |c| c.store().len())).sum();
        for shown in [Distributions::Histograms, Distributions::Summaries] {
            let page = metrics(shards, &Io::default(), 0, shown);
            let samples = parser::parse(&page).unwrap_or_else(|e| panic!("{e}\n{page}"));
            let own = ["ringstat_collector_", "ringstat_sender_"];
            let sent = samples.iter().filter(|s| !own.iter().any(|o| s.name.starts_with(o)));
            assert_eq!(sent.filter(|s| s.is_first).count(), series, "{page}");
        }
    }
});
