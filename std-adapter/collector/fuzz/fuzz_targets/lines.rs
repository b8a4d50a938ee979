//! From any lines of StatsD to the page of `/metrics`: no panic, the ledger closes, the limits hold, and a strict parser
//! takes the page, however many shards there are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringstat_collector::{Collector, Distributions, Io, Limits, Source, metrics, shard_of};

#[path = "../../tests/exposition/parser.rs"]
mod parser;

fuzz_target!(|bytes: &[u8]| {
    const SENDERS: usize = 5;
    let limits =
        Limits { senders: SENDERS, series: 30, series_per_sender: 20, bytes: 2 << 20, ..Limits::default() };
    for count in [1, 2] {
        let mut shards = Collector::shards(limits, count);
        // Each datagram twice, as the second one finds its series by the text of its lines.
        for (n, datagram) in bytes.split(|b| *b == 0).flat_map(|d| [d, d]).enumerate() {
            let from = Source::Network(([10, 0, 0, n as u8 % 4], 8125).into());
            let of = shard_of(datagram, Some(&from), count);
            shards[of].receive_from(datagram, Some(&from), n as u64 * 100);
            shards[of].tick(n as u64 * 100);
        }
        assert!(shards.iter().all(|shard| shard.counts().closes()));
        assert!(shards.iter().map(Collector::sender_count).sum::<usize>() <= SENDERS);
        for shown in [Distributions::Histograms, Distributions::Summaries] {
            let page = metrics(&shards[..], &Io::default(), 0, shown);
            parser::parse(&page).unwrap_or_else(|e| panic!("{e}\n{page}"));
        }
    }
});
