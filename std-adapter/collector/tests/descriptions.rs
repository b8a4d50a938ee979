//! What senders say that names mean becomes `HELP`, and the unit of families.

use ringstat_collector::{Collector, Distributions, Io, Limits, Mapping, metrics};
use ringstat_core::format::{Header, Packer, Prologue};
use ringstat_core::instrument::{Counter, Description, Gauge, Histogram, Instrument, Unit};
use ringstat_core::wire::Encoder;

/// Returns a datagram with the states of these instruments.
fn datagram(sender: u64, sequence: u32, instruments: &[&dyn Instrument]) -> Vec<u8> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 8972];
    let header = Header { sender, epoch: 1, sequence, ..Header::default() };
    let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
    for (number, instrument) in instruments.iter().enumerate() {
        assert_eq!(Packer::instrument(&mut open, number, *instrument, 0), Ok(None));
    }
    let length = open.finish(false);
    buf[..length].to_vec()
}

fn page(collector: &Collector) -> String {
    assert!(collector.counts().closes(), "{:?}", collector.counts());
    metrics(collector, &Io::default(), 0, Distributions::default())
}

fn has(page: &str, line: &str) -> bool {
    page.lines().any(|of| of == line)
}

/// Lets the collector do what it does from time to time, until it has seen to all series.
fn tick(collector: &mut Collector, now_ms: &mut u64) {
    for _ in 0..20 {
        *now_ms += 50;
        collector.tick(*now_ms);
    }
}

fn sent() -> Counter {
    let sent = Counter::new("sent");
    sent.add(7);
    sent
}

static SENT: Description =
    Description::new("sent", "Payload \\ without\nheaders.").unit(Unit::Bytes);

#[test]
fn a_description_is_shown_as_help_and_its_unit_in_the_name() {
    let mut collector = Collector::new(Limits::default());
    let (sent, level) = (sent(), Gauge::new("level"));
    level.set(1500.0);
    let about_level = Description::new("level", "How high it stands.").unit(Unit::Milliseconds);
    collector.receive(&datagram(1, 0, &[&SENT, &sent, &about_level, &level]), 0);
    let page = page(&collector);
    assert!(has(&page, "# HELP sent_bytes_total Payload \\\\ without\\nheaders."), "{page}");
    assert!(has(&page, "sent_bytes_total{sender=\"0000000000000001\"} 7"), "{page}");
    assert!(has(&page, "# HELP level_seconds How high it stands."), "{page}");
    assert!(has(&page, "level_seconds{sender=\"0000000000000001\"} 1.5"), "{page}");
}

#[test]
fn what_has_a_unit_of_its_own_keeps_it() {
    let mut collector = Collector::new(Limits::default());
    let latency: Histogram = Histogram::new("latency").unit(Unit::Nanoseconds);
    latency.record(1_000_000);
    let about = Description::new("latency", "How long it takes.").unit(Unit::Bytes);
    collector.receive(&datagram(1, 0, &[&about, &latency]), 0);
    let page = page(&collector);
    assert!(has(&page, "# HELP latency_seconds How long it takes."), "{page}");
    assert!(!page.contains("latency_bytes"), "{page}");
}

#[test]
fn one_that_comes_later_or_anew_takes_effect_soon() {
    let (mut collector, mut now_ms) = (Collector::new(Limits::default()), 0);
    let sent = sent();
    collector.receive(&datagram(1, 0, &[&sent]), 0);
    assert!(has(&page(&collector), "# HELP sent_total sent"));
    let bytes = collector.store().bytes();
    collector.receive(&datagram(1, 1, &[&SENT]), 0);
    assert!(collector.store().bytes() > bytes + 150, "it is charged");
    tick(&mut collector, &mut now_ms);
    let shown = page(&collector);
    assert!(has(&shown, "sent_bytes_total{sender=\"0000000000000001\"} 7"), "{shown}");
    assert!(!shown.contains("sent_total"), "{shown}");
    let plain = Description::new("sent", "Messages.");
    collector.receive(&datagram(1, 2, &[&plain, &sent]), 0);
    tick(&mut collector, &mut now_ms);
    let shown = page(&collector);
    assert!(has(&shown, "# HELP sent_total Messages."), "{shown}");
    assert!(has(&shown, "sent_total{sender=\"0000000000000001\"} 7"), "{shown}");
    assert!(!shown.contains("sent_bytes"), "{shown}");
}

/// A sender cannot change in what unit another one's values are shown; the text is that of all.
#[test]
fn it_holds_for_its_senders_own_series() {
    let (mut collector, mut now_ms) = (Collector::new(Limits::default()), 0);
    let sent = sent();
    collector.receive(&datagram(1, 0, &[&sent]), 0);
    collector.receive(&datagram(2, 0, &[&SENT, &sent]), 0);
    tick(&mut collector, &mut now_ms);
    let shown = page(&collector);
    assert!(has(&shown, "sent_total{sender=\"0000000000000001\"} 7"), "{shown}");
    assert!(has(&shown, "sent_bytes_total{sender=\"0000000000000002\"} 7"), "{shown}");
    let [first, second] =
        [Description::new("sent", "The first says."), Description::new("sent", "The second says.")];
    collector.receive(&datagram(1, 1, &[&first]), 0);
    collector.receive(&datagram(2, 1, &[&second]), 0);
    tick(&mut collector, &mut now_ms);
    collector.receive(&datagram(1, 2, &[&first]), 0);
    tick(&mut collector, &mut now_ms);
    let shown = page(&collector);
    assert!(has(&shown, "# HELP sent_total The second says."), "what is new counts:\n{shown}");
}

#[test]
fn the_unit_of_a_rule_wins_and_groups_are_described() {
    let rules = "[[rule]]\nmatch = \"sent\"\nunit = \"percent\"\n\n[[rule]]\nmatch = \"all\"\nwithout = [\"sender\"]\n";
    let mapping = Mapping::parse(rules).unwrap();
    let mut collectors = Collector::mapped_shards(Limits::default(), Some(mapping), 1);
    let collector = &mut collectors[0];
    let (sent, all) = (sent(), Counter::new("all"));
    let about_all = Description::new("all", "Of all senders.").unit(Unit::Bytes);
    all.add(2);
    for sender in [1, 2] {
        collector.receive(&datagram(sender, 0, &[&SENT, &sent, &about_all, &all]), 0);
    }
    let shown = page(collector);
    assert!(has(&shown, "sent_percent_total{sender=\"0000000000000001\"} 7"), "{shown}");
    assert!(has(&shown, "# HELP all_bytes_total Of all senders."), "{shown}");
    assert!(has(&shown, "all_bytes_total 4"), "{shown}");
}

/// Descriptions without end, of one sender and of many that come and go, take no more than the limits allow, and what was
/// charged for them is given back.
#[test]
fn they_are_bounded_and_forgotten_with_their_sender() {
    let limits = Limits { bytes: 2 << 20, ..Limits::default() };
    let idle_ms = limits.idle.as_millis() as u64;
    let (mut collector, mut now_ms) = (Collector::new(limits), 0);
    let empty = collector.store().bytes();
    let text: &str = String::leak("t".repeat(255));
    for n in 0..2000 {
        let name: &str = String::leak(format!("name.{n}"));
        let about = Description::new(name, text);
        collector.receive(&datagram(1, n, &[&about]), 0);
        collector.receive(&datagram(u64::from(n) + 2, 0, &[&about]), 0);
    }
    let counts = collector.counts();
    assert!(counts.closes() && counts.refused_series > 100, "{counts:?}");
    assert!(collector.store().bytes() < 2 << 20);
    now_ms += 3 * idle_ms;
    while collector.sender_count() > 0 {
        tick(&mut collector, &mut now_ms);
    }
    (0..200).for_each(|_| tick(&mut collector, &mut now_ms));
    let left = collector.store().bytes();
    assert!(left < empty + (256 << 10), "{left}, not {empty}");
}
