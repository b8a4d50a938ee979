//! The lines that a sender packs.

use super::*;
use crate::format::TimeUnit;
use crate::instrument::{Counter, Gauge, Histogram, Instrument, Layout, Unit};
use crate::ledger::Cause;
use crate::record::{Event, Interner, Kind, Name, NoNames, Priority, Value};
use crate::ring::{Slot, overwrite};
use crate::send::{
    ArrayStore, Identity, Inputs, Packed, Sender, SenderConfig, Step, TextSender, Time, Totals,
};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

const IDENTITY: Identity = Identity { sender: 1, epoch: 1 };
const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_790_000_000 * SECOND;

struct Bench {
    ring: Box<overwrite::Ring<Event, [Slot<Event>; 64]>>,
    names: Interner<16, 256>,
    sender: TextSender<Growing>,
    instruments: Vec<&'static dyn Instrument>,
    time: u64,
}

impl Bench {
    fn new(encoder: Encoder<Growing>, payload: usize) -> Self {
        let config = SenderConfig {
            payload,
            batch_age: Duration::from_nanos(1),
            flush_interval: Duration::from_secs(1),
            refresh_interval: Duration::from_secs(1),
            ..SenderConfig::new(TimeUnit::Nanos)
        };
        Self {
            ring: Box::new(overwrite::Ring::new(core::array::from_fn(|_| Slot::new()))),
            names: Interner::new(),
            sender: Sender::with_parts(IDENTITY, &config, encoder, ArrayStore::new()),
            instruments: Vec::new(),
            time: 0,
        }
    }

    fn of(dialect: Dialect) -> Self {
        Self::new(Encoder::new(dialect, Growing::new()), 512)
    }

    fn with(mut self, instruments: &[&'static dyn Instrument]) -> Self {
        self.instruments.extend(instruments);
        self
    }

    fn push(&mut self, event: Event) {
        self.ring.split().0.push(event).unwrap();
    }

    /// The next datagram of this second.
    fn poll(&mut self) -> Option<(Packed, String)> {
        let mut buf = [0; 2048];
        let mut inputs = Inputs {
            events: &mut self.ring.split().1,
            instruments: &self.instruments[..],
            names: &self.names,
            dropped: 0,
        };
        let now = Time { monotonic: self.time, wall: NOW };
        match self.sender.poll(now, &mut inputs, &mut buf) {
            Step::Wait(_) => None,
            Step::Send(packed) => {
                let text = core::str::from_utf8(&buf[..packed.len]).unwrap().to_string();
                Some((packed, text))
            }
        }
    }

    /// Everything that is sent in the next second, as lines.
    fn second(&mut self) -> Vec<String> {
        self.time += SECOND;
        self.sender.flush();
        let mut lines = Vec::new();
        while let Some((packed, text)) = self.poll() {
            assert!(packed.len <= self.sender.payload() && packed.len > 0);
            lines.extend(text.split('\n').map(ToString::to_string));
            self.sender.sent(packed);
        }
        lines
    }

    fn totals(&self) -> Totals {
        *self.sender.totals()
    }
}

fn event(kind: Kind, name: &'static str, value: impl Into<Value>) -> Event {
    Event::new(kind, Name::Static(name), value.into(), NOW).unwrap()
}

/// The lines of one event, or the cause for which there are none.
fn lines(dialect: Dialect, event: Event) -> (Vec<String>, Option<Cause>) {
    let mut bench = Bench::of(dialect);
    bench.push(event);
    let lines = bench.second();
    let cause = bench.totals().dropped.iter().find(|(_, n)| *n > 0).map(|(cause, _)| cause);
    assert_eq!(bench.totals().in_flight(), 0);
    (lines, cause)
}

#[test]
fn every_kind_has_its_line() {
    let duration = Value::millis(Duration::from_nanos(1_250_000));
    for (kind, value, dog, plain) in [
        (Kind::Counter, Value::U64(3), "n:3|c", "n:3|c"),
        (Kind::Counter, Value::F64(-0.5), "n:-0.5|c", "n:-0.5|c"),
        (Kind::Gauge, Value::F64(21.5), "n:21.5|g", "n:21.5|g"),
        (Kind::Gauge, Value::I64(-5), "n:-5|g", "n:0|g n:-5|g"),
        (Kind::Gauge, Value::F64(-0.0), "n:-0|g", "n:0|g n:-0|g"),
        (Kind::Timing, duration, "n:1.25|ms", "n:1.25|ms"),
        (Kind::Distribution, Value::U64(7), "n:7|d", "n:7|ms"),
        (Kind::Distribution, Value::I64(-7), "n:-7|d", ""),
        (Kind::Set, Value::U64(42), "n:42|s", "n:42|s"),
        (Kind::Event, Value::U64(1), "_e{1,1}:n|1|d:1790000000", ""),
    ] {
        for (dialect, expected) in [(Dialect::DogStatsD, dog), (Dialect::StatsD, plain)] {
            let (lines, cause) = lines(dialect, event(kind, "n", value));
            assert_eq!(lines.join(" "), expected, "{kind:?} {dialect:?}");
            assert_eq!(cause, expected.is_empty().then_some(Cause::Unsupported));
        }
    }
}

#[test]
fn rates_tags_and_texts_stand_where_the_protocol_has_them() {
    let mut e = event(Kind::Counter, "hits", 2u8);
    e.set_tags(&[("service", "shop"), ("canary", "")]).unwrap();
    e.push_tag("path", "a:b").unwrap();
    e.set_rate(10);
    let (lines_of, _) = lines(Dialect::DogStatsD, e);
    assert_eq!(lines_of, ["hits:2|c|@0.1|#service:shop,canary,path:a:b"]);
    let (lines_of, _) = lines(Dialect::StatsD, e);
    assert_eq!(lines_of, ["hits:2|c|@0.1|#service:shop,canary,path:a_b"]);

    let mut e = event(Kind::Gauge, "level", -1i8);
    e.set_rate(10);
    e.push_tag("a", "b").unwrap();
    let (lines_of, _) = lines(Dialect::StatsD, e);
    assert_eq!(lines_of, ["level:0|g|#a:b", "level:-1|g|#a:b"], "no rate, twice the tags");

    let mut e = event(Kind::Event, "deployed", 0u8);
    e.set_text("two\nlines|é").unwrap();
    e.push_tag("by", "ci").unwrap();
    e.set_priority(Priority::Low);
    let (lines_of, _) = lines(Dialect::DogStatsD, e);
    assert_eq!(lines_of, ["_e{8,13}:deployed|two\\nlines|é|d:1790000000|p:low|#by:ci"]);
}

#[test]
fn what_is_reserved_is_replaced_and_counted() {
    let mut bench = Bench::of(Dialect::DogStatsD);
    let mut bad = event(Kind::Set, "a:b|c@d#e,f\ng\u{7f}é;=", 0u8);
    bad.set_text("x|y:z").unwrap();
    bad.push_tag("k:,", "v:|\n").unwrap();
    bad.push_tag("", "v").unwrap();
    for _ in 0..2 {
        bench.push(bad);
    }
    let line = "a_b_c_d_e_f_g_é;=:x_y_z|s|#k__:v:__,_:v";
    assert_eq!(bench.second(), [line, line]);
    assert_eq!(bench.totals().altered, 8);
    let mut statsd = Bench::of(Dialect::StatsD);
    statsd.push(event(Kind::Counter, "a;b=c", 1u8));
    statsd.push(event(Kind::Counter, "fine", 1u8));
    assert_eq!(statsd.second(), ["a_b_c:1|c", "fine:1|c"]);
    assert_eq!(statsd.totals().altered, 1);
}

#[test]
fn what_has_no_line_is_counted_and_the_rest_goes_on() {
    let mut bench = Bench::of(Dialect::StatsD);
    let mut empty = event(Kind::Set, "s", 0u8);
    empty.set_text("").unwrap();
    let mut gauge_of_text = event(Kind::Gauge, "g", 0u8);
    gauge_of_text.set_text("text").unwrap();
    let name = Interner::<16, 256>::new().intern("elsewhere").unwrap();
    let unknown = Event::new(Kind::Gauge, Name::Interned(name), Value::U64(1), 0).unwrap();
    let long: &'static str = Box::leak("n".repeat(255).into_boxed_str());
    let mut large = event(Kind::Counter, long, 1u8);
    large.set_tags(Box::leak(Box::new([(long, long)]))).unwrap();
    for e in [event(Kind::Event, "e", 1u8), empty, gauge_of_text, unknown, large] {
        bench.push(e);
        bench.push(event(Kind::Counter, "c", 1u8));
    }
    assert_eq!(bench.second(), ["c:1|c"; 5]);
    let dropped = bench.totals().dropped;
    assert_eq!(dropped.get(Cause::Unsupported), 3);
    assert_eq!(dropped.get(Cause::Encode), 1);
    assert_eq!(dropped.get(Cause::TooLarge), 1);
    assert_eq!((bench.totals().taken, bench.totals().sent), (10, 5));
}

#[test]
fn only_refused_events_make_no_datagram_and_no_number() {
    let mut bench = Bench::of(Dialect::StatsD);
    bench.push(event(Kind::Event, "e", 1u8));
    assert_eq!(bench.second(), [""; 0]);
    assert_eq!(bench.second(), [""; 0], "and no heartbeats");
    bench.push(event(Kind::Counter, "c", 1u8));
    bench.time += SECOND;
    bench.sender.flush();
    let (packed, _) = bench.poll().unwrap();
    assert_eq!(packed.sequence, 0);
    bench.sender.sent(packed);
}

#[test]
fn a_counter_is_sent_as_what_was_added() {
    static COUNTER: Counter = Counter::new("requests").tags(&[("service", "shop")]);
    let mut bench = Bench::of(Dialect::DogStatsD).with(&[&COUNTER]);
    COUNTER.add(5);
    assert_eq!(bench.second(), ["requests:5|c|#service:shop"]);
    assert_eq!(bench.second(), [""; 0], "nothing was added, and a refresh says nothing");
    COUNTER.add(u64::from(u32::MAX) + 1);
    assert_eq!(bench.second(), ["requests:4294967296|c|#service:shop"]);
}

#[test]
fn increments_of_a_datagram_that_was_given_up_are_sent_again() {
    static COUNTER: Counter = Counter::new("c");
    static GAUGE: Gauge = Gauge::new("g");
    let mut bench = Bench::of(Dialect::DogStatsD).with(&[&COUNTER, &GAUGE]);
    GAUGE.set_int(1);
    COUNTER.add(10);
    bench.time += SECOND;
    bench.sender.flush();
    let (first, text) = bench.poll().unwrap();
    assert_eq!(text, "c:10|c\ng:1|g");
    // A second datagram is packed while the first is on its way, as when datagrams are sent together.
    COUNTER.add(3);
    bench.time += SECOND;
    bench.sender.flush();
    let (second, text) = bench.poll().unwrap();
    assert_eq!(text, "c:3|c\ng:1|g");
    bench.sender.gave_up(first, Cause::SendError);
    bench.sender.sent(second);
    assert_eq!(bench.second(), ["c:10|c", "g:1|g"], "the lost ten, and the level once more");
    assert_eq!(bench.second(), ["g:1|g"]);
}

#[test]
fn a_histogram_is_sent_as_weighted_samples_over_several_datagrams() {
    static HISTOGRAM: Histogram = Histogram::new("latency").unit(Unit::Nanoseconds);
    static PLAIN: Histogram<600> =
        Histogram::new("size").tags(&[("a", "b")]).layout(Layout { precision: 3, min_exponent: 0 });
    let mut bench = Bench::new(Encoder::new(Dialect::DogStatsD, Growing::new()), 128)
        .with(&[&HISTOGRAM, &PLAIN]);
    (0..10).for_each(|_| HISTOGRAM.record(1_000_000));
    let middle = HISTOGRAM.percentile(0.5).unwrap() / 1e6;
    assert_eq!(bench.second(), [format!("latency:{middle}|ms|@0.1")]);
    HISTOGRAM.record(1_000_000);
    (0..1000u64).for_each(|v| PLAIN.record(v));
    let lines = bench.second();
    assert_eq!(lines[0], format!("latency:{middle}|ms"));
    let (mut count, mut sum) = (0, 0.0);
    for line in &lines[1..] {
        let (value, rest) = line.strip_prefix("size:").unwrap().split_once("|d").unwrap();
        let rest = rest.strip_suffix("|#a:b").unwrap();
        let rate: f64 = rest.strip_prefix("|@").map_or(1.0, |rate| rate.parse().unwrap());
        let weight = (1.0 / rate) as u64;
        count += weight;
        sum += value.parse::<f64>().unwrap() * weight as f64;
    }
    assert_eq!(count, 1000);
    assert!((sum / 499_500.0 - 1.0).abs() < 0.01, "{sum}");
    assert!(bench.totals().datagrams > 3);
    assert_eq!(bench.second(), [""; 0]);
}

#[test]
fn a_negative_level_in_statsd_is_never_a_change() {
    static GAUGE: Gauge = Gauge::new("g").tags(&[("a", "b")]);
    let mut bench = Bench::of(Dialect::StatsD).with(&[&GAUGE]);
    GAUGE.set(-2.5);
    assert_eq!(bench.second(), ["g:0|g|#a:b", "g:-2.5|g|#a:b"]);
    GAUGE.set(2.5);
    assert_eq!(bench.second(), ["g:2.5|g|#a:b"]);
}

#[test]
fn seconds_are_written_where_they_mean_something() {
    static COUNTER: Counter = Counter::new("c");
    let mut bench =
        Bench::new(Encoder::new(Dialect::DogStatsD, Growing::new()).timestamps(true), 512)
            .with(&[&COUNTER]);
    COUNTER.inc();
    let mut sampled = event(Kind::Counter, "sampled", 1u8);
    sampled.set_rate(2);
    let mut past = event(Kind::Gauge, "past", 1u8);
    past.set_time(NOW - 90 * SECOND);
    for e in [sampled, past, event(Kind::Timing, "t", 1u8)] {
        bench.push(e);
    }
    let expected = ["sampled:1|c|@0.5", "past:1|g|T1789999910", "t:1|ms", "c:1|c|T1790000000"];
    assert_eq!(bench.second(), expected);
}

#[test]
fn what_an_instrument_cannot_say_is_counted() {
    static NAMELESS: Counter = Counter::new("");
    static AFTER: Counter = Counter::new("after");
    let mut bench = Bench::of(Dialect::DogStatsD).with(&[&NAMELESS, &AFTER]);
    NAMELESS.inc();
    AFTER.inc();
    assert_eq!(bench.second(), ["after:1|c"]);
    assert_eq!(bench.totals().unsendable, 1);
}

#[test]
fn a_chip_without_room_counts_what_it_cannot_send() {
    static COUNTERS: [Counter; 3] = [Counter::new("a"), Counter::new("b"), Counter::new("c")];
    let instruments: Vec<&'static dyn Instrument> = COUNTERS.iter().map(|c| c as _).collect();
    COUNTERS.iter().for_each(Counter::inc);
    let encoder = Encoder::new(Dialect::StatsD, Fixed::<2, 4>::new());
    let mut sender: TextSender<Fixed<2, 4>, 4, 64> = Sender::with_parts(
        IDENTITY,
        &SenderConfig::new(TimeUnit::Nanos),
        encoder,
        ArrayStore::new(),
    );
    let mut ring: Box<overwrite::Ring<Event, [Slot<Event>; 2]>> =
        Box::new(overwrite::Ring::new(core::array::from_fn(|_| Slot::new())));
    let mut buf = [0; 512];
    let mut sent = Vec::new();
    let mut inputs = Inputs {
        events: &mut ring.split().1,
        instruments: &instruments[..],
        names: &NoNames,
        dropped: 0,
    };
    while let Step::Send(packed) = sender.poll(Time::default(), &mut inputs, &mut buf) {
        sent.push(String::from_utf8(buf[..packed.len].to_vec()).unwrap());
        sender.sent(packed);
    }
    assert_eq!(sent, ["a:1|c\nb:1|c"]);
    assert_eq!(sender.totals().unsendable, 1);
}
