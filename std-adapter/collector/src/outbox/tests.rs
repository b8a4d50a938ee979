//! Batches and their account.

use std::time::Duration;

use super::*;

const ROOM: usize = 1 << 20;

fn batch(n: u64, samples: u64) -> Batch {
    let body: Vec<u8> = n.to_le_bytes().repeat(100);
    Batch { time_ms: n * 1000, samples, body: body.into() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn assert_closes(outbox: &Outbox) {
    for Standing { counts, pending_samples, .. } in outbox.standings() {
        let known = counts.sent + counts.dropped() + pending_samples;
        assert_eq!(counts.restored + counts.queued, known, "{counts:?}");
    }
}

const TAKEN: fn(u64) -> Outcome = |sent| Outcome { sent, cause: OutputCause::Refused };

#[test]
fn each_target_has_each_batch_once_in_order() {
    let outbox = Outbox::open(names(&["a", "b"]), ROOM, None).unwrap();
    (1..=3).for_each(|n| {
        outbox.put(batch(n, 10 * n));
    });
    for n in 1..=3 {
        let (number, got) = outbox.next(0).unwrap();
        assert_eq!(got, batch(n, 10 * n));
        outbox.done(0, number, TAKEN(10 * n));
        assert_closes(&outbox);
    }
    let (number, got) = outbox.next(1).unwrap();
    assert_eq!(got, batch(1, 10));
    outbox.done(1, number, Outcome { sent: 4, cause: OutputCause::Refused });
    let [a, b] = outbox.standings().try_into().unwrap();
    assert_eq!((a.counts.sent, a.pending_samples, a.oldest_ms), (60, 0, None));
    assert_eq!(
        (b.counts.sent, b.counts.dropped, b.pending_samples),
        (4, [6, 0, 0, 0, 0, 0, 0], 50)
    );
    assert_eq!(b.oldest_ms, Some(2000));
    assert_closes(&outbox);
    outbox.end(Instant::now());
    assert_eq!(outbox.next(1), None);
    assert_eq!(outbox.give_up(), 50);
    assert_closes(&outbox);
    assert_eq!(outbox.standings()[1].counts.dropped, [6, 0, 0, 50, 0, 0, 0]);
}

#[test]
fn the_oldest_that_nobody_is_at_goes_when_there_is_no_room() {
    let outbox = Outbox::open(names(&["slow", "fast"]), 2500, None).unwrap();
    // Each has 800 bytes, so there is room for three.
    (1..=3).for_each(|n| {
        outbox.put(batch(n, 1));
    });
    let (first, _) = outbox.next(0).unwrap();
    for n in 1..=3 {
        let (number, _) = outbox.next(1).unwrap();
        assert_eq!(number, first + n - 1);
        outbox.done(1, number, TAKEN(1));
    }
    outbox.put(batch(4, 1));
    let [slow, fast] = outbox.standings().try_into().unwrap();
    assert_eq!(
        (slow.counts.dropped[OutputCause::QueueFull as usize], slow.pending_samples),
        (1, 3)
    );
    assert_eq!((fast.counts.dropped(), fast.pending_samples), (0, 1));
    // The first is being delivered, so the second went.
    outbox.done(0, first, TAKEN(1));
    assert_eq!(outbox.next(0).unwrap().1, batch(3, 1));
    assert_closes(&outbox);
}

#[test]
fn what_waits_is_there_in_the_next_life() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("queue.redb");
    let open = |targets: &[&str]| Outbox::open(names(targets), ROOM, Some((&file, false))).unwrap();
    let outbox = open(&["a", "b"]);
    (1..=5).for_each(|n| {
        outbox.put(batch(n, n));
    });
    for _ in 0..2 {
        let (number, got) = outbox.next(0).unwrap();
        outbox.done(0, number, TAKEN(got.samples));
    }
    // The third was sent, but nobody noted that before the end.
    assert_eq!(outbox.next(0).unwrap().1, batch(3, 3));
    drop(outbox);
    let outbox = open(&["b", "a", "new"]);
    assert_eq!(outbox.newest_ms(), 5000);
    let [b, a, new] = outbox.standings().try_into().unwrap();
    assert_eq!((b.counts.restored, b.pending_samples, b.oldest_ms), (15, 15, Some(1000)));
    assert_eq!((a.counts.restored, a.pending_samples, a.oldest_ms), (12, 12, Some(3000)));
    assert_eq!((new.counts.restored, new.pending_samples), (0, 0));
    outbox.put(batch(6, 6));
    for n in 3..=6 {
        let (number, got) = outbox.next(1).unwrap();
        assert_eq!(got, batch(n, n));
        outbox.done(1, number, TAKEN(n));
    }
    assert_eq!(outbox.next(2).unwrap().1, batch(6, 6));
    assert_closes(&outbox);
    drop(outbox);
    // A target that is left out keeps nothing back.
    let outbox = open(&["a"]);
    assert_eq!((outbox.standings()[0].pending_samples, outbox.state().entries.len()), (0, 0));
    drop(outbox);
    assert_eq!(open(&["a", "b"]).standings()[1].pending_samples, 0);
}

#[test]
fn a_damaged_file_is_refused_or_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("queue.redb");
    std::fs::write(&file, b"this is no database").unwrap();
    let open = |recover| Outbox::open(names(&["a"]), ROOM, Some((&file, recover)));
    assert!(matches!(open(false), Err(DataError::Damaged { .. })));
    let outbox = open(true).unwrap();
    outbox.put(batch(1, 1));
    drop(outbox);
    assert_eq!(std::fs::read(dir.path().join("queue.damaged")).unwrap(), b"this is no database");
    assert_eq!(open(false).unwrap().standings()[0].pending_samples, 1);
}

#[test]
fn a_target_that_waits_hears_of_a_batch_and_of_the_end() {
    let outbox = Outbox::open(names(&["a"]), ROOM, None).unwrap();
    std::thread::scope(|scope| {
        let got = scope.spawn(|| {
            let (number, got) = outbox.next(0).unwrap();
            outbox.done(0, number, TAKEN(1));
            (got, outbox.next(0))
        });
        outbox.put(batch(7, 1));
        while outbox.standings()[0].counts.sent == 0 {
            std::thread::yield_now();
        }
        outbox.end(Instant::now() + Duration::from_secs(600));
        assert_eq!(got.join().unwrap(), (batch(7, 1), None));
        assert!(!outbox.pause(Duration::from_secs(600)), "the end interrupts a pause");
    });
}

#[test]
fn failures_are_told_once_until_a_delivery_succeeds() {
    let outbox = Outbox::open(names(&["a"]), ROOM, None).unwrap();
    outbox.put(batch(1, 1));
    let (number, _) = outbox.next(0).unwrap();
    assert_eq!([outbox.failed(0, "no"), outbox.failed(0, "still no")], [true, false]);
    let standing = &outbox.standings()[0];
    assert_eq!(standing.failing.as_ref().unwrap().1, "still no");
    assert_eq!(standing.counts.failures, 2);
    outbox.done(0, number, TAKEN(1));
    assert!(outbox.standings()[0].failing.is_none());
}
