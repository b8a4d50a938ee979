//! What rules make of series: other names and labels, and one series of many. All sums are exact.

use std::collections::{BTreeMap, BTreeSet};

use ringstat_collector::{
    Class, Collector, Distributions, Io, Limits, MapError, Mapping, Report, shard_of,
};
use ringstat_core::format::{Header, Packer, Prologue};
use ringstat_core::instrument::{Counter, Gauge, Histogram, Info, Instrument};
use ringstat_core::record::{Event, Kind, NoNames, Tag};
use ringstat_core::testkit::Rng;
use ringstat_core::wire::Encoder;

/// An event that is sent.
struct Sends {
    kind: Kind,
    name: &'static str,
    value: f64,
}

/// Returns a datagram with these events and the states of these instruments.
fn datagram(
    (sender, epoch, sequence): (u64, u32, u32),
    events: &[Sends],
    tags: &'static [Tag],
    instruments: &[&dyn Instrument],
) -> Vec<u8> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 8972];
    let header = Header { sender, epoch, sequence, ..Header::default() };
    let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
    for Sends { kind, name, value } in events {
        let mut event: Event = Event::new(*kind, (*name).into(), (*value).into(), 0).unwrap();
        event.set_tags(tags).unwrap();
        open.event(&event, &NoNames).unwrap();
    }
    for (number, instrument) in instruments.iter().enumerate() {
        assert_eq!(Packer::instrument(&mut open, number, *instrument, 0), Ok(None));
    }
    let length = open.finish(false);
    buf[..length].to_vec()
}

fn collectors(mapping: &str, shards: usize) -> Vec<Collector> {
    let mapping = Mapping::parse(mapping).unwrap();
    Collector::mapped_shards(Limits::default(), Some(mapping), shards)
}

fn take(collectors: &mut [Collector], datagram: &[u8], now_ms: u64) {
    let count = collectors.len();
    collectors[shard_of(datagram, None, count)].receive(datagram, now_ms);
}

fn page(collectors: &[Collector], now_ms: u64) -> String {
    ringstat_collector::metrics(collectors, &Io::default(), now_ms, Distributions::default())
}

/// The lines of a page that are not ringstat's own.
fn sent(page: &str) -> Vec<&str> {
    page.lines().filter(|line| !line.contains("ringstat_")).collect()
}

/// The value of the sample that a page has exactly once.
fn value(page: &str, sample: &str) -> Option<f64> {
    let mut of = page.lines().filter_map(|l| l.strip_prefix(sample)?.strip_prefix(' '));
    let value = of.next().map(|v| v.parse().unwrap());
    assert_eq!(of.next(), None, "{sample} comes twice");
    value
}

#[test]
fn names_and_labels_become_what_the_rules_say() {
    let mapping = r#"
        [[rule]]
        match = "api.*.*.requests"
        name = "api.requests"
        labels = { endpoint = "$1", method = "$2", zone = "" }

        [[rule]]
        match = "api.**"
        labels = { team = "web" }

        [[rule]]
        match = "**.debug"
        drop = true

        [[rule]]
        match = "cache.size"
        kind = "gauge"
        unit = "bytes"

        [[rule]]
        match = "job.wait"
        unit = "microseconds"
        buckets = [0.001, 0.002]
    "#;
    let mut all = collectors(mapping, 1);
    let sends = |kind, name, value| Sends { kind, name, value };
    let events = [
        sends(Kind::Counter, "api.login.POST.requests", 3.0),
        sends(Kind::Counter, "api.login.GET.requests", 4.0),
        sends(Kind::Counter, "api.a.b.debug", 5.0),
        sends(Kind::Counter, "api.a.b.debug", 5.0),
        sends(Kind::Gauge, "cache.size", 77.0),
        sends(Kind::Timing, "job.wait", 1500.0),
        sends(Kind::Counter, "other", 1.0),
    ];
    take(&mut all, &datagram((7, 1, 0), &events, &[("zone", "eu")], &[]), 0);
    let page = page(&all, 0);
    for expected in [
        "api_requests_total{sender=\"0000000000000007\",endpoint=\"login\",method=\"POST\",team=\"web\"} 3",
        "api_requests_total{sender=\"0000000000000007\",endpoint=\"login\",method=\"GET\",team=\"web\"} 4",
        "cache_size_bytes{sender=\"0000000000000007\",zone=\"eu\"} 77",
        "job_wait_seconds_bucket{sender=\"0000000000000007\",zone=\"eu\",le=\"0.001\"} 0",
        "job_wait_seconds_bucket{sender=\"0000000000000007\",zone=\"eu\",le=\"0.002\"} 1",
        "job_wait_seconds_bucket{sender=\"0000000000000007\",zone=\"eu\",le=\"+Inf\"} 1",
        "job_wait_seconds_sum{sender=\"0000000000000007\",zone=\"eu\"} 0.0015",
        "other_total{sender=\"0000000000000007\",zone=\"eu\"} 1",
        "ringstat_collector_mapped_away_total 2",
    ] {
        assert!(page.lines().any(|line| line == expected), "{expected}\n{page}");
    }
    assert!(!page.contains("debug"));
    assert_eq!(page.matches("job_wait_seconds_bucket").count(), 3);
    assert!(all[0].counts().closes(), "{:?}", all[0].counts());
}

#[test]
fn what_is_wrong_with_a_rule_is_said_with_its_line_key_value_and_what_is_allowed() {
    let cases: &[(&str, usize, &[&str])] = &[
        ("match = 5", 2, &["5", "expected a string"]),
        ("name = \"x\"", 1, &["match"]),
        ("match = \"\"", 1, &["match is \"\"", "16 wildcards"]),
        ("match = \"a.*\"\nname = \"b.$2\"", 1, &["name is \"b.$2\"", "$1 to $1"]),
        ("match = \"a\"\nlabels = { __x = \"1\" }", 1, &["labels is \"__x\"", "a letter"]),
        ("match = \"a\"\nlabels = { le = \"1\" }", 1, &["\"le\""]),
        ("match = \"a\"\nlabels = { x = \"$1\" }", 1, &["labels.x is \"$1\"", "no wildcard"]),
        ("match = \"a\"\nbuckets = [1, 1]", 1, &["buckets is [1.0, 1.0]", "rise"]),
        ("match = \"a\"\nbuckets = []", 1, &["buckets is []"]),
        ("match = \"a\"\nttl = \"soon\"", 1, &["ttl is \"soon\"", "1s to 366days"]),
        ("match = \"a\"\nunit = \"miles\"", 3, &["miles", "seconds"]),
        ("match = \"a\"\nkind = \"meter\"", 3, &["meter", "counter", "histogram"]),
        ("match = \"a\"\ngauges = \"median\"", 3, &["median", "average", "newest"]),
        ("match = \"a\"\nby = [\"b\"]\nwithout = [\"c\"]", 1, &["by is [\"b\"]", "not both"]),
        ("match = \"a\"\nmacth = \"b\"", 3, &["macth", "buckets"]),
    ];
    for (rule, line, parts) in cases {
        let error: MapError = Mapping::parse(&format!("[[rule]]\n{rule}\n")).unwrap_err();
        assert_eq!(error.line, Some(*line), "{error} of\n{rule}");
        for part in *parts {
            assert!(error.to_string().contains(part), "{error} does not say {part}");
        }
    }
    assert_eq!(Mapping::parse("").unwrap().len(), 0);
}

#[test]
fn later_rules_override_earlier_ones_key_by_key() {
    let mapping = Mapping::parse(
        r#"
        [[rule]]
        match = "**"
        without = ["sender", "host"]
        ttl = "1h"

        [[rule]]
        match = "raw.**"
        without = []

        [[rule]]
        match = "**"
        kind = "timing"
        ttl = "2h"
        "#,
    )
    .unwrap();
    let tags = [("host", "a"), ("zone", "eu")];
    let of = |name, class| mapping.explain(name, class, &tags);
    let (added, own) = (of("a", Class::Counter), of("raw.a", Class::Timing));
    assert_eq!((added.rules, added.added_up, added.of_sender), (vec![1], true, false));
    assert_eq!((added.family.as_deref(), &*added.labels), (Some("a_total"), "zone=\"eu\""));
    assert_eq!((own.rules, own.added_up, own.of_sender), (vec![1, 2, 3], false, true));
    assert_eq!(own.labels, "host=\"a\",zone=\"eu\"");
    assert_eq!((added.ttl_seconds, own.ttl_seconds), (Some(3600), Some(7200)));
}

/// A sender of a fleet, with the truth of what it has said in each of its runs.
struct Member {
    id: u64,
    epoch: u32,
    sequence: u32,
    lives: bool,
    requests: Counter,
    sizes: Histogram,
    depth: Gauge,
    /// What has arrived of the runs that are over, and of this one: requests, number of sizes and their sum.
    over: [f64; 3],
    arrived: [f64; 3],
    now: [f64; 3],
}

impl Member {
    fn new(id: u64) -> Self {
        let [over, arrived, now] = [[0.0; 3]; 3];
        Self {
            id,
            epoch: 1,
            sequence: 0,
            lives: true,
            requests: Counter::new("requests"),
            sizes: Histogram::new("sizes"),
            depth: Gauge::new("depth"),
            over,
            arrived,
            now,
        }
    }

    fn restart(&mut self) {
        for (over, arrived) in self.over.iter_mut().zip(self.arrived) {
            *over += arrived;
        }
        let (id, over, epoch) = (self.id, self.over, self.epoch + 1);
        *self = Self { epoch, over, ..Self::new(id) };
    }

    fn work(&mut self, rng: &mut Rng) {
        let (requests, size) = (rng.below(1000), rng.below(1 << 20));
        self.requests.add(requests);
        self.sizes.record(size);
        let more = [requests as f64, 1.0, size as f64];
        self.now.iter_mut().zip(more).for_each(|(now, more)| *now += more);
    }

    fn datagram(&mut self, events: &[Sends], tags: &'static [Tag]) -> Vec<u8> {
        let states: [&dyn Instrument; 3] = [&self.requests, &self.sizes, &self.depth];
        let datagram = datagram((self.id, self.epoch, self.sequence), events, tags, &states);
        self.sequence += 1;
        datagram
    }
}

const HOSTS: [&[Tag]; 3] = [&[("host", "a")], &[("host", "b")], &[("host", "c")]];

const FLEET: &str = r#"
    [[rule]]
    match = "**"
    without = ["sender", "host"]

    [[rule]]
    match = "depth"
    gauges = "greatest"
"#;

/// Senders come, restart and go, datagrams are lost and come twice and late; at the end, each sum is that of its parts, and
/// at no time did a counter go down.
#[test]
fn a_fleet_is_one_set_of_series_whose_values_are_the_sums_of_the_parts() {
    for (shards, seed) in [(1, 1), (2, 2), (3, 3)] {
        let mut rng = Rng::new(seed);
        let mut all = collectors(FLEET, shards);
        let mut members: Vec<Member> = Vec::new();
        let (mut timings, mut timed, mut users) = (0.0, 0.0, BTreeSet::new());
        let mut before = BTreeMap::new();
        let mut late = Vec::new();
        for now_ms in 0..3000u64 {
            if members.len() < 60 && rng.below(20) == 0 {
                members.push(Member::new(rng.below(u64::MAX)));
            }
            let Some(at) = rng.below(members.len().max(1) as u64).try_into().ok() else { continue };
            let at: usize = at;
            let Some(member) = members.get_mut(at).filter(|m| m.lives) else { continue };
            match rng.below(40) {
                0 => {
                    member.restart();
                    // A new run is believed when two datagrams agree.
                    for _ in 0..2 {
                        member.work(&mut rng);
                        let datagram = member.datagram(&[], &[]);
                        take(&mut all, &datagram, now_ms);
                    }
                    member.arrived = member.now;
                }
                1 => member.lives = false,
                _ => {
                    member.work(&mut rng);
                    member.depth.set(at as f64);
                    let user = rng.below(500) as f64;
                    let events = [
                        Sends { kind: Kind::Timing, name: "query", value: now_ms as f64 },
                        Sends { kind: Kind::Set, name: "users", value: user },
                    ];
                    let tags = HOSTS[at % HOSTS.len()];
                    let datagram = member.datagram(&events, tags);
                    match rng.below(10) {
                        0 => {} // It is lost.
                        1 => late.push((datagram, member.epoch, at, now_ms, user, member.now)),
                        n => {
                            (0..n / 8 + 1).for_each(|_| take(&mut all, &datagram, now_ms));
                            member.arrived = member.now;
                            (timings, timed) = (timings + 1.0, timed + now_ms as f64);
                            users.insert(user as u64);
                        }
                    }
                }
            }
            if late.len() > 10 {
                for (datagram, epoch, at, time, user, said) in late.drain(..) {
                    // What is of a run that is over is not taken.
                    if members[at].epoch == epoch {
                        take(&mut all, &datagram, now_ms);
                        (timings, timed) = (timings + 1.0, timed + time as f64);
                        users.insert(user as u64);
                        let arrived = members[at].arrived.iter_mut().zip(said);
                        arrived.for_each(|(arrived, said)| *arrived = arrived.max(said));
                    }
                }
            }
            if now_ms % 100 == 99 {
                let page = page(&all, now_ms);
                for name in ["requests_total", "sizes_count", "sizes_sum", "query_seconds_count"] {
                    let now = value(&page, name).unwrap_or(0.0);
                    let before = before.insert(name, now).unwrap_or(0.0);
                    assert!(now >= before, "{name} fell from {before} to {now}");
                }
            }
        }
        // Each of those that live says all that it has.
        for member in members.iter_mut().filter(|m| m.lives) {
            let datagram = member.datagram(&[], &[]);
            take(&mut all, &datagram, 3000);
            member.arrived = member.now;
        }
        let page = page(&all, 3000);
        let sum = |n: usize| members.iter().map(|m| m.over[n] + m.arrived[n]).sum::<f64>();
        let shown = |name: &str| value(&page, name).unwrap();
        assert!(members.iter().any(|m| m.epoch > 1) && members.iter().any(|m| !m.lives));
        assert!(page.matches("\nrequests_total").count() == 1, "{page}");
        assert_eq!(shown("requests_total"), sum(0), "{shards} shards");
        assert_eq!((shown("sizes_count"), shown("sizes_sum")), (sum(1), sum(2)));
        assert_eq!(shown("query_seconds_count"), timings);
        assert!((shown("query_seconds_sum") - timed / 1000.0).abs() < 1e-6);
        assert_eq!(shown("users_distinct"), users.len() as f64);
        assert!(sent(&page).iter().all(|line| !line.contains("sender=")), "{page}");
        assert!(all.iter().all(|c| c.counts().closes()));
        let report = Report::of(&all[..], &Io::default(), 3000, 1000);
        let of = |name| report.series.iter().filter(move |s| s.name == name);
        assert_eq!(of("requests").map(|s| s.value).collect::<Vec<_>>(), [sum(0)]);
    }
}

#[test]
fn gauges_of_those_that_have_gone_are_left_out() {
    static INFO: Info = Info::new("shop").heartbeat_ms(1000);
    let rules = |rule| format!("[[rule]]\nmatch = \"depth\"\nby = []\ngauges = \"{rule}\"");
    for (rule, both, one) in [("sum", 8.0, 3.0), ("average", 4.0, 3.0), ("least", 3.0, 3.0)] {
        let mut all = collectors(&rules(rule), 2);
        for (sender, depth) in [(1, 3.0), (2, 5.0)] {
            let gauge = Gauge::new("depth");
            gauge.set(depth);
            take(&mut all, &datagram((sender, 1, 0), &[], &[], &[&INFO, &gauge]), 0);
        }
        assert_eq!(value(&page(&all, 1000), "depth"), Some(both), "{rule}");
        take(&mut all, &datagram((1, 1, 1), &[], &[], &[]), 100_000);
        assert_eq!(value(&page(&all, 100_500), "depth"), Some(one), "{rule}");
        assert_eq!(value(&page(&all, 300_000), "depth"), None, "{rule}");
    }
}

#[test]
fn what_a_run_counted_before_the_collector_listened_is_not_added() {
    let mut all = collectors(FLEET, 1);
    let requests = Counter::new("requests");
    requests.add(1_000_000);
    take(&mut all, &datagram((1, 9, 5000), &[], &[], &[&requests]), 0);
    requests.add(5);
    take(&mut all, &datagram((1, 9, 5001), &[], &[], &[&requests]), 0);
    assert_eq!(value(&page(&all, 0), "requests_total"), Some(5.0));
    // It begins anew, and all that it counts now is new.
    let requests = Counter::new("requests");
    requests.add(7);
    for sequence in 0..2 {
        take(&mut all, &datagram((1, 10, sequence), &[], &[], &[&requests]), 0);
    }
    assert_eq!(value(&page(&all, 0), "requests_total"), Some(12.0));
}

#[test]
fn what_is_forgotten_stays_in_the_sum_and_a_sender_that_comes_back_is_not_added_twice() {
    let mut all = collectors(FLEET, 1);
    let [one, other] = [Counter::new("requests"), Counter::new("requests")];
    one.add(100);
    other.add(10);
    for sequence in 0..100 {
        take(&mut all, &datagram((1, 1, sequence), &[], &[], &[&one]), 0);
    }
    take(&mut all, &datagram((2, 1, 0), &[], &[], &[&other]), 0);
    let minutes = |n: u64| n * 60_000;
    for minute in 1..60 {
        let sequence = minute as u32;
        take(&mut all, &datagram((2, 1, sequence), &[], &[], &[&other]), minutes(minute));
        (0..100).for_each(|n| all[0].tick(minutes(minute) + n * 100));
    }
    assert_eq!(all[0].sender_count(), 1, "one is forgotten");
    assert_eq!(value(&page(&all, minutes(60)), "requests_total"), Some(110.0));
    one.add(1);
    take(&mut all, &datagram((1, 1, 100), &[], &[], &[&one]), minutes(60));
    one.add(2);
    take(&mut all, &datagram((1, 1, 101), &[], &[], &[&one]), minutes(60));
    let sum = value(&page(&all, minutes(60)), "requests_total");
    assert_eq!(sum, Some(112.0), "what it counted while nobody knew it is not seen");
    // When all are gone, and their time is over, so is the sum.
    for minute in 61..100 {
        (0..200).for_each(|n| all[0].tick(minutes(minute) + n * 100));
    }
    assert_eq!((all[0].store().len(), all[0].store().is_empty()), (0, true));
}

/// Two hosts send lines; each is a sender of its own.
#[test]
fn lines_of_statsd_are_added_up_and_dropped_as_well() {
    let mut all = collectors(&format!("{FLEET}\n[[rule]]\nmatch = \"noise.*\"\ndrop = true"), 1);
    for host in ["10.0.0.1:1000", "10.0.0.2:1000"] {
        let lines = b"requests:3|c\nquery:10:20|ms\nusers:ann|s\ndepth:4|g\nnoise.x:1:2|c";
        let from: std::net::SocketAddr = host.parse().unwrap();
        all[0].receive_from(lines, Some(&from.into()), 0);
        all[0].receive_from(b"noise.x:1|c\nrequests:0.5|c", Some(&from.into()), 0);
    }
    let page = page(&all, 0);
    assert_eq!(value(&page, "requests_total"), Some(7.0), "{page}");
    assert_eq!(value(&page, "query_seconds_count"), Some(4.0));
    assert_eq!((value(&page, "users_distinct"), value(&page, "depth")), (Some(1.0), Some(4.0)));
    let counts = all[0].counts();
    assert!(counts.closes(), "{counts:?}");
    assert_eq!(counts.mapped_away, 6);
}

#[test]
fn a_fleet_of_thousands_is_a_short_page() {
    let mut all = collectors(FLEET, 2);
    for sender in 1..=10_000u64 {
        let requests = Counter::new("requests");
        requests.add(sender);
        let id = sender.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for sequence in 0..3 {
            take(&mut all, &datagram((id, 1, sequence), &[], &[], &[&requests]), sequence.into());
        }
    }
    let page = page(&all, 0);
    assert_eq!(value(&page, "requests_total"), Some(50_005_000.0));
    assert_eq!(sent(&page).len(), 3, "HELP, TYPE and one sample");
}

#[test]
fn limits_hold_and_nobody_pays_for_what_was_dropped() {
    let mapping = Mapping::parse(&format!("{FLEET}\n[[rule]]\nmatch = \"noise.**\"\ndrop = true"));
    let limits = Limits { series: 50, series_per_sender: 40, ..Limits::default() };
    let mut all = Collector::mapped_shards(limits, mapping.ok(), 1);
    let name = |n: u32| -> &'static str { Box::leak(format!("name.{n}").into_boxed_str()) };
    for sequence in 0..100 {
        let sends = |name| Sends { kind: Kind::Counter, name, value: 1.0 };
        let noise: &'static str = Box::leak(format!("noise.{sequence}").into_boxed_str());
        let events = [sends(name(sequence)), sends(noise)];
        take(&mut all, &datagram((1, 1, sequence), &events, &[], &[]), 0);
    }
    let counts = all[0].counts();
    assert!(counts.closes());
    assert_eq!((counts.mapped_away, counts.stored), (100, 100));
    // Each takes a place, and so does what it is added to.
    assert!(all[0].store().len() <= 51, "{}", all[0].store().len());
    assert!(all[0].store().overflowed >= 70, "{}", all[0].store().overflowed);
    let page = page(&all, 0);
    let overflow = value(&page, "ringstat_overflow_total{sender=\"0000000000000001\"}").unwrap();
    let added = sent(&page).iter().filter(|l| l.starts_with("name_")).count() as f64;
    assert_eq!(overflow + added, 100.0);
}
