//! The health of each sender in the collector: what the collector observes, and what the sender reports about itself.

use ringstat_collector::{Collector, Io, Limits, Report, Status};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::instrument::{Counter, Gauge, Instrument};
use ringstat_core::observe::Reason;
use ringstat_core::wire::Encoder;

static HEALTH: Gauge = Gauge::new("ringstat.client.health");
static DROPS: Gauge = Gauge::new("ringstat.client.degraded").tags(&[("reason", "drops")]);
static BUFFER: Gauge = Gauge::new("ringstat.client.degraded").tags(&[("reason", "buffer")]);
static RECORDED: Counter = Counter::new("ringstat.client.recorded");

fn says(collector: &mut Collector, sender: u64, sequence: u32, instruments: &[&dyn Instrument]) {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 1472];
    let header = Header { sender, sequence, epoch: 1, ..Header::default() };
    let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
    for instrument in instruments {
        assert_eq!(open.instrument(*instrument, 0), Ok(None));
    }
    let length = open.finish(false);
    collector.receive(&buf[..length], 0);
}

#[test]
fn what_was_missing_long_before_is_no_more_than_all_of_it() {
    let mut collector = Collector::new(Limits::default());
    says(&mut collector, 1, 0, &[]);
    says(&mut collector, 1, 900, &[]);
    // Minutes later it is still outstanding, and then it is lost.
    for minute in 1..=4 {
        collector.tick(minute * 120_000);
    }
    (901..=903).for_each(|n| says(&mut collector, 1, n, &[]));
    collector.finish();
    let report = Report::of(&collector, &Io::default(), 480_000, 0);
    assert_eq!(report.senders[0].lost, Some(899));
    assert_eq!(report.senders[0].health.reasons, ["99.7 % of its datagrams lost"]);
}

#[test]
fn a_sender_that_says_it_is_degraded_is_shown_as_such_until_it_recovers() {
    let mut collector = Collector::new(Limits::default());
    HEALTH.set(2.0);
    DROPS.set(1.0);
    BUFFER.set(0.0);
    RECORDED.add(77);
    says(&mut collector, 1, 0, &[&HEALTH, &DROPS, &BUFFER, &RECORDED]);
    says(&mut collector, 2, 0, &[&RECORDED]);
    let report = Report::of(&collector, &Io::default(), 0, 0);
    let sender = |id: &str| report.senders.iter().find(|s| s.id.ends_with(id)).unwrap();
    assert_eq!(sender("1").health.status, Status::Unhealthy);
    assert_eq!(
        sender("1").health.reasons,
        [format!("it says that too many records are given up ({})", Reason::Drops.advice())]
    );
    assert_eq!(sender("1").own["recorded"], 77.0);
    assert_eq!(sender("1").own["degraded.drops"], 1.0);
    assert_eq!(sender("2").health.status, Status::Healthy, "each speaks for itself");
    assert_eq!(report.health.status, Status::Healthy, "a sender's trouble is its own");
    assert_eq!(report.degraded_senders, 1);

    HEALTH.set(0.0);
    DROPS.set(0.0);
    says(&mut collector, 1, 1, &[&HEALTH, &DROPS]);
    let report = Report::of(&collector, &Io::default(), 0, 0);
    assert!(report.senders.iter().all(|s| s.health.status == Status::Healthy), "{report:?}");
}
