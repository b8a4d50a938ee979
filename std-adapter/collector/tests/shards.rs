//! Several shards look like one collector to senders and readers: the same page, the same report, the same limits.

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "exposition/hostile.rs"]
mod hostile;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "attack/wire.rs"]
mod wire;

use std::net::{SocketAddr, UdpSocket};

use hostile::{Record, datagrams};
use ringstat_collector::{
    Collector, Distributions, Io, Limits, Report, Server, ServerConfig, shard_of,
};
use ringstat_core::testkit::Rng;
use wire::{datagram, get, until};

/// Returns the shards after they received these datagrams.
fn take(shards: usize, limits: Limits, sent: &[Vec<u8>]) -> Vec<Collector> {
    let mut shards = Collector::shards(limits, shards);
    let count = shards.len();
    for (now_ms, datagram) in sent.iter().enumerate() {
        shards[shard_of(datagram, None, count)].receive(datagram, now_ms as u64);
    }
    shards
}

fn metrics(shards: &[Collector], io: &Io, now_ms: u64) -> String {
    ringstat_collector::metrics(shards, io, now_ms, Distributions::default())
}

/// Returns the lines of a page, except those that depend on the number of shards.
fn lines(shards: &[Collector]) -> Vec<String> {
    let page = metrics(shards, &Io::default(), 1_000_000);
    let mut lines: Vec<_> = page.lines().map(str::to_owned).collect();
    lines.retain(|line| !line.starts_with("ringstat_collector_series_bytes "));
    lines.sort_unstable();
    lines
}

/// Hostile and honest senders, with some datagrams twice and some out of order.
fn mixture() -> Vec<Vec<u8>> {
    let mut rng = Rng::new(5);
    let mut sent: Vec<Vec<u8>> = Vec::new();
    for sender in 0..40u64 {
        let of = |n: usize| (0..n).map(|n| Record::counter("honest.requests", n as f64 + 1.0));
        let records: Vec<_> = match sender % 3 {
            0 => hostile::tricks(),
            _ => of(sender as usize + 1).collect(),
        };
        sent.extend(datagrams(sender.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0, &records));
    }
    sent.push(b"not a datagram".to_vec());
    for _ in 0..sent.len() {
        let [a, b] = [(); 2].map(|()| rng.below(sent.len() as u64) as usize);
        sent.swap(a, b);
    }
    sent.extend_from_within(..20);
    sent
}

#[test]
fn page_and_report_are_the_same_however_many_shards_there_are() {
    let sent = mixture();
    let one = take(1, Limits::default(), &sent);
    let report = |shards: &[Collector]| {
        let mut report = Report::of(shards, &Io::default(), 1_000_000, usize::MAX);
        report.series_bytes = 0;
        // With several shards it is not known which of several senders was the last to reach a limit.
        let reasons = report.health.reasons.iter_mut();
        reasons.for_each(|r| r.truncate(r.find(" (last").unwrap_or(r.len())));
        report
    };
    let (page, of_one) = (lines(&one), report(&one));
    assert!(page.len() > 500 && of_one.closes && of_one.duplicates == 20, "{of_one:?}");
    for count in [2, 3, 4] {
        let shards = take(count, Limits::default(), &sent);
        assert!(shards.iter().all(|s| s.sender_count() > 3), "each has some of them");
        assert_eq!(lines(&shards), page, "{count} shards");
        assert!(report(&shards) == of_one, "{count} shards");
    }
}

#[test]
fn families_of_all_shards_are_one_each_in_the_order_of_names() {
    let shards = take(4, Limits::default(), &mixture());
    let page = metrics(&shards, &Io::default(), 0);
    let heads: Vec<_> = page.lines().filter_map(|l| l.strip_prefix("# TYPE ")).collect();
    let sent: Vec<_> = heads.iter().filter(|name| !name.starts_with("ringstat_")).collect();
    assert!(sent.len() > 5 && sent.is_sorted(), "{sent:?}");
    let mut once = heads.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), heads.len(), "no family stands there twice");
}

#[test]
fn limits_hold_for_all_shards_together() {
    const SHARDS: usize = 4;
    let limits = Limits { senders: 200, series: 1000, bytes: 2 << 20, ..Limits::default() };
    let mut shards = Collector::shards(limits, SHARDS);
    std::thread::scope(|scope| {
        for (number, shard) in shards.iter_mut().enumerate() {
            scope.spawn(move || {
                for n in 0..12_000u64 {
                    let sender = ((number as u64) << 32) + n % 60;
                    let name = ["a", "b", "c", "d", "e", "f", "g", "h"][(n / 60 % 8) as usize];
                    let records = [Record::counter(name, 1.0)];
                    for datagram in datagrams(sender, (n / 60) as u32, &records) {
                        shard.receive(&datagram, n / 100);
                    }
                    if n % 1000 == 0 {
                        shard.tick(n / 100);
                    }
                }
            });
        }
    });
    let sum = |of: fn(&Collector) -> usize| shards.iter().map(of).sum::<usize>();
    let (senders, series) = (sum(Collector::sender_count), sum(|s| s.store().len()));
    let bytes = sum(|s| s.store().bytes());
    assert!(senders <= 200 && senders > 150, "{senders} senders");
    // The overflow series come in addition.
    assert!(series <= 1000 + senders && series >= 900, "{series} series");
    assert!(bytes <= (2 << 20) + (64 << 10) * SHARDS, "{bytes} bytes");
    assert!(shards.iter().all(|s| s.counts().closes()));
}

#[test]
fn a_flood_of_one_shard_keeps_no_sender_of_another_out() {
    const SHARDS: usize = 2;
    const ROUNDS: u64 = 40;
    let mut shards = Collector::shards(Limits { senders: 100, ..Limits::default() }, SHARDS);
    let of = |shard| (0u64..).filter(move |n| shard_of(&datagram(*n, 0), None, SHARDS) == shard);
    let mut forged = of(0);
    let mut newcomers = of(1);
    for round in 0..ROUNDS {
        for sender in forged.by_ref().take(100) {
            (0..3).for_each(|n| _ = shards[0].receive(&datagram(sender, n), round * 100));
        }
        // Every second, one sender arrives that is there to stay.
        let sender = newcomers.next().unwrap();
        let mut genuine = |n| shards[1].receive(&datagram(sender, n), round * 100);
        (0..4).for_each(|n| _ = genuine(n));
        assert!(shards[1].sender(sender).is_some(), "the {round}th newcomer");
        shards.iter_mut().for_each(|shard| shard.tick(round * 100 + 50));
        assert!(shards.iter().map(Collector::sender_count).sum::<usize>() <= 100);
    }
    assert!((0..ROUNDS).zip(of(1)).all(|(_, sender)| shards[1].sender(sender).is_some()));
}

/// Starts a complete collector, with sockets and threads.
fn running(threads: usize) -> ringstat_collector::Running {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let other: SocketAddr = ([0, 0, 0, 0, 0, 0, 0, 1], 0).into();
    let config =
        ServerConfig { udp: vec![any, other], http: Some(any), threads, ..ServerConfig::default() };
    Server::start(config).unwrap()
}

#[test]
fn a_hundred_senders_that_roam_between_addresses_are_a_hundred_senders() {
    const SENDERS: u64 = 100;
    const EACH: u32 = 60;
    for threads in [1, 2, 4] {
        let running = running(threads);
        let at = running.udp().to_vec();
        let http = running.http().unwrap();
        let sum = |page: &str| {
            let values = page.lines().filter_map(|l| l.strip_prefix("genuine_total{"));
            values.filter_map(|l| l.rsplit_once(' ')?.1.parse::<u64>().ok()).sum::<u64>()
        };
        let mut sent = 0;
        for sequence in 0..EACH {
            // Each datagram comes from another port, goes to another address, and where possible comes from another
            // address, as from a telephone that changes networks.
            let to = at[sequence as usize % 2];
            let from: SocketAddr = match (to, sequence % 3) {
                (SocketAddr::V6(_), _) => ([0, 0, 0, 0, 0, 0, 0, 1], 0).into(),
                (_, third) => ([127, 0, 0, 1 + third as u8], 0).into(),
            };
            let socket = UdpSocket::bind(from).unwrap();
            for sender in 0..SENDERS {
                socket.send_to(&datagram(sender << 20, sequence), to).unwrap();
                sent += 1;
            }
            // Concurrent readers never see more than was sent, and never less than before.
            if sequence % 10 == 9 {
                until(|| sum(&get(http, "/metrics")) == sent);
            }
        }
        until(|| sum(&get(http, "/metrics")) == sent);
        assert_eq!(sum(&get(http, "/metrics")), sent);
        let report = running.stop(usize::MAX);
        assert_eq!(report.senders.len(), SENDERS as usize);
        for sender in &report.senders {
            let account = (sender.received, sender.lost, sender.outstanding, sender.restarts);
            assert_eq!(account, (EACH.into(), Some(0), Some(0), Some(0)), "{sender:?}");
        }
        let all = u64::from(EACH) * SENDERS;
        assert_eq!((report.accepted, report.stored), (all, all));
        assert!(report.closes && report.io.hand_on_drops == 0);
    }
}

#[test]
fn what_comes_to_the_wrong_thread_is_handed_on() {
    const TRAINS: u32 = 50;
    let running = running(4);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let state = quinn_udp::UdpSocketState::new((&socket).into()).unwrap();
    // Trains of segments from several senders, for which the kernel chooses the socket by the first segment.
    for sequence in 0..TRAINS {
        let train: Vec<_> = (0..16).map(|sender| datagram(sender << 20, sequence)).collect();
        let (length, contents) = (train[0].len(), train.concat());
        assert!(train.iter().all(|d| d.len() == length));
        let transmit = quinn_udp::Transmit {
            destination: running.udp()[0],
            ecn: None,
            contents: &contents,
            segment_size: Some(length),
            src_ip: None,
        };
        state.send((&socket).into(), &transmit).unwrap();
    }
    let all = u64::from(TRAINS) * 16;
    until(|| running.report(0).accepted == all);
    let report = running.stop(usize::MAX);
    assert_eq!((report.accepted, report.lost, report.outstanding), (all, 0, 0));
    assert!(report.io.handed_on > 0 && report.io.hand_on_drops == 0, "{:?}", report.io);
}
