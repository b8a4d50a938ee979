//! Values that are not numbers, and the limits of numbers.

use std::time::Duration;

use ringstat_core::record::Outcome::{Dropped, Recorded};
use ringstat_std::{Cause, ClientConfig, Gauge, Histogram, Recorder, Value};

use crate::{assert_only, client, end, value};

#[test]
fn nan_and_infinities_are_refused_in_every_kind() {
    let (stats, spy) = client(ClientConfig::default());
    let mut refused = 0;
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for value in [Value::F64(bad), Value::F32(bad as f32)] {
            let drafts = [
                stats.level("bad", value),
                stats.count("bad", value),
                stats.distribution("bad", value),
                stats.set("bad", value),
            ];
            for draft in drafts {
                assert_eq!(draft.tag("k", "v").record(), Dropped(Cause::Invalid), "{value:?}");
                refused += 1;
            }
        }
    }
    let (ledger, report) = end(stats, &spy);
    assert_eq!((ledger.recorded, ledger.sent), (24, 0));
    assert_only(&ledger, Cause::Invalid, refused);
    assert!(report.series.is_empty());
}

#[test]
fn the_ends_of_every_type_arrive_as_they_are() {
    let (stats, spy) = client(ClientConfig::default());
    let ends = [
        ("u64", Value::U64(u64::MAX)),
        ("i64", Value::I64(i64::MIN)),
        ("f64", Value::F64(f64::MIN)),
        ("tiny", Value::F64(f64::MIN_POSITIVE)),
        ("subnormal", Value::F64(5e-324)),
        ("f32", Value::F32(f32::MAX)),
        ("decimal", Value::Decimal { mantissa: -Value::MANTISSA_MAX, scale: 8 }),
    ];
    for (name, value) in ends {
        assert_eq!(stats.level(name, value).record(), Recorded, "{value:?}");
    }
    for (mantissa, scale) in [(Value::MANTISSA_MAX + 1, 0), (i64::MIN, 0), (1, 9), (1, u8::MAX)] {
        let beyond = Value::Decimal { mantissa, scale };
        assert_eq!(stats.level("beyond", beyond).record(), Dropped(Cause::Invalid), "{beyond:?}");
    }
    assert_eq!(stats.timing("took", Duration::MAX).record(), Recorded, "saturates");
    let (ledger, report) = end(stats, &spy);
    assert_only(&ledger, Cause::Invalid, 4);
    for (name, sent) in ends {
        assert_eq!(value(&report, name), Some(sent.as_f64()), "{name}");
    }
    assert_eq!(value(&report, "took"), Some(1.0));
}

#[test]
fn instruments_keep_their_last_good_value() {
    static LEVEL: Gauge = Gauge::new("level");
    static SPREAD: Histogram = Histogram::new("spread");
    let (stats, spy) = client(ClientConfig::default());
    stats.register(&LEVEL);
    stats.register(&SPREAD);
    assert!(LEVEL.set(f64::MAX));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(!LEVEL.set(bad) && !LEVEL.add(bad), "told at the call: {bad}");
    }
    assert!(!LEVEL.add(f64::MAX), "the sum would be infinite");
    [0, 1, u64::MAX].into_iter().for_each(|sample| SPREAD.record(sample));
    let owned = stats.gauge("owned", &[]);
    assert!(owned.set(1.5) && !owned.set(f64::NAN));
    let (_, report) = end(stats, &spy);
    assert_eq!(value(&report, "level"), Some(f64::MAX));
    assert_eq!(value(&report, "spread"), Some(3.0), "samples counted");
    assert_eq!(value(&report, "owned"), Some(1.5));
}

#[test]
fn a_sample_rate_of_none_counts_as_one() {
    let (stats, spy) = client(ClientConfig::default());
    for rate in [0, 1, 255] {
        assert_eq!(stats.count("hits", 1u8).sampled(rate).record(), Recorded);
    }
    let (_, report) = end(stats, &spy);
    assert_eq!(value(&report, "hits"), Some(257.0));
}
