//! Forged and misbehaving senders next to a genuine one, whose numbers must stay exact.

use ringstat_collector::{Collector, Distributions, Io, Limits, Report, metrics};

use crate::wire::{Genuine, datagram};

fn value(collector: &Collector, sender: u64) -> Option<f64> {
    let report = Report::of(collector, &Io::default(), 0, usize::MAX);
    let id = format!("{sender:016x}");
    report.series.iter().find(|s| s.sender == id && s.name == "genuine").map(|s| s.value)
}

#[test]
fn forged_numbers_push_nobody_out_who_is_known_and_keep_nobody_out_who_comes() {
    const SENDERS: usize = 1000;
    let mut collector = Collector::new(Limits { senders: SENDERS, ..Limits::default() });
    let (mut sequence, mut forged) = (0, 1 << 32);
    let mut known = |collector: &mut Collector, now_ms| {
        collector.receive(&datagram(Genuine::ID, sequence), now_ms);
        sequence += 1;
        f64::from(sequence)
    };
    // After a minute the genuine sender is known.
    for second in 0..=60 {
        known(&mut collector, second * 1000);
    }
    // Each of these numbers comes three times, so that it is admitted: a thousand of them every ten seconds, for two
    // minutes.
    let mut newcomer = 0;
    for second in (61..181).step_by(10) {
        let now_ms = second * 1000;
        for _ in 0..1000 {
            (0..3).for_each(|n| _ = collector.receive(&datagram(forged, n), now_ms));
            forged += 1;
        }
        known(&mut collector, now_ms);
        collector.tick(now_ms);
        // Each of these comes only twice.
        for _ in 0..1000 {
            (0..2).for_each(|n| _ = collector.receive(&datagram(forged, n), now_ms));
            forged += 1;
            if newcomer < 10 {
                collector.receive(&datagram(7, newcomer), now_ms);
                newcomer += 1;
            }
        }
    }
    let expected = known(&mut collector, 182_000);
    assert_eq!(value(&collector, Genuine::ID), Some(expected), "the known one lost nothing");
    assert!(collector.sender_count() <= SENDERS);
    let counts = collector.counts();
    assert!(counts.displaced_senders > 10_000 && counts.closes(), "{counts:?}");
    assert_eq!(counts.displaced_series, counts.displaced_senders, "their series went with them");
    assert!(collector.store().len() <= SENDERS);
    // A sender that starts now and sends again is admitted.
    (0..5).for_each(|n| _ = collector.receive(&datagram(8, n), 183_000));
    assert_eq!(value(&collector, 8), Some(3.0), "the first two showed that it means to stay");
    let page = metrics(&collector, &Io::default(), 0, Distributions::default());
    assert!(page.contains("ringstat_collector_limit_hits_total{limit=\"newcomers\"} 1"), "{page}");
}

#[test]
fn an_old_loss_stops_counting_and_a_limit_is_told_by_name() {
    let mut collector = Collector::new(Limits { senders: 2, ..Limits::default() });
    let health = |collector: &Collector| {
        let report = Report::of(collector, &Io::default(), 0, 0);
        (report.health.reasons.join("; "), report.senders[0].health.reasons.join("; "))
    };
    // Half of what it sends is lost, and no other sender is admitted.
    (0..4000).step_by(2).for_each(|n| _ = collector.receive(&datagram(1, n), 0));
    collector.receive(&datagram(2, 0), 0);
    let (own, of_sender) = health(&collector);
    assert!(own.contains("raise --max-senders") && own.contains("0000000000000002"), "{own}");
    assert!(of_sender.contains("% of its datagrams lost"), "{of_sender}");
    // The missing datagrams leave the window.
    (4000..5200).for_each(|n| _ = collector.receive(&datagram(1, n), 0));
    for minute in 1..=5u32 {
        let now_ms = u64::from(minute) * 60_000;
        collector.receive(&datagram(1, 5199 + minute), now_ms);
        collector.tick(now_ms);
    }
    assert_eq!(health(&collector), (String::new(), String::new()));
    assert!(collector.sender(1).unwrap().sequence().lost > 400, "it is still counted");
}
