//! A cut is of one moment, whatever happens while it is copied; and what is read is what was kept.

use proptest::prelude::*;
use ringstat_core::record::Kind;

use super::wire::{Says, datagram};
use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A datagram of a sender, which may have begun anew.
    Receive(u64, bool, Vec<Says>),
    /// Time passes, and what is idle is forgotten.
    Wait,
    /// A cut begins, is copied a little, is written, or fails.
    Begin,
    Copy,
    Write,
    Fail,
    /// The process ends without a word, and another begins with so many threads.
    Crash(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kinds =
        [Kind::Counter, Kind::Gauge, Kind::Timing, Kind::Distribution, Kind::Set, Kind::Event];
    let says = prop_oneof![
        6 => (0..kinds.len(), 0..4u8, 0..1000u32)
            .prop_map(move |(kind, tag, value)| Says::Event(kinds[kind], tag, value)),
        1 => (0..1000u32).prop_map(Says::State),
    ];
    let says = proptest::collection::vec(says, 0..4);
    let step = prop_oneof![
        20 => (0..4u64, proptest::bool::weighted(0.05), says)
            .prop_map(|(sender, anew, says)| Step::Receive(sender, anew, says)),
        1 => Just(Step::Wait),
        2 => Just(Step::Begin),
        6 => Just(Step::Copy),
        2 => Just(Step::Write),
        1 => Just(Step::Fail),
        1 => (1..4usize).prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 0..120)
}

/// A collector whose cuts are begun and written one step at a time, and what it should know after a crash.
struct KeptShard {
    dir: TempDir,
    rules: Option<&'static str>,
    opened: Option<Opened>,
    /// What is on disk, and what will be when the cut under way is.
    on_disk: Value,
    begun: Option<(Value, bool)>,
    rows: Vec<[Rows; 2]>,
    now_ms: u64,
    at: [(u32, u32); 4],
}

impl KeptShard {
    fn new(rules: Option<&'static str>) -> Self {
        let dir = directory();
        let opened = open_mapped(dir.path(), rules, 1).unwrap();
        let on_disk = known(&opened.collectors, 0);
        let opened = Some(opened);
        let (begun, rows, at) = (None, Vec::new(), [(1, 0); 4]);
        Self { dir, rules, opened, on_disk, begun, rows, now_ms: 0, at }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Receive(sender, anew, says) => {
                let at = &mut self.at[*sender as usize];
                if *anew {
                    *at = (at.0 + 1, 0);
                }
                let datagram = datagram(*sender, *at, None, says);
                at.1 += 1;
                self.now_ms += 10;
                let now_ms = self.now_ms;
                self.opened().collectors[0].receive(&datagram, now_ms);
            }
            Step::Wait => {
                self.now_ms += 400_000;
                let now_ms = self.now_ms;
                self.opened().collectors[0].tick(now_ms);
            }
            Step::Begin if self.begun.is_none() => {
                let now_ms = self.now_ms;
                let known = known(&self.opened().collectors, now_ms);
                let begun = self.opened().collectors[0].begin_cut(now_ms);
                self.begun = begun.map(|begun| (known, begun.has_all));
            }
            Step::Copy if self.begun.is_some() => self.copy(Duration::ZERO),
            Step::Write => {
                if let Some((known, has_all)) = self.begun.take() {
                    self.copy(Duration::from_secs(1));
                    let state = &mut self.opened.as_mut().unwrap().keeper.files.state;
                    let written = state.write(state.about, |tables| {
                        if has_all {
                            tables.clear(Some(0))?;
                        }
                        self.rows
                            .iter_mut()
                            .try_for_each(|rows| super::super::apply(tables, 0, rows))
                    });
                    written.unwrap();
                    self.opened().collectors[0].end_cut(true);
                    self.on_disk = known;
                    self.rows.clear();
                }
            }
            Step::Fail if self.begun.take().is_some() => {
                self.opened().collectors[0].end_cut(false);
                self.rows.clear();
            }
            Step::Crash(shards) => {
                self.restart(*shards);
                let opened = self.opened();
                let read = known(&opened.collectors, opened.now_ms);
                assert_eq!(read, self.on_disk);
                // One shard again: cuts of several are of several moments.
                self.restart(1);
                self.now_ms = self.opened().now_ms;
                assert_eq!(
                    {
                        let now_ms = self.now_ms;
                        known(&self.opened().collectors, now_ms)
                    },
                    read
                );
                self.at = self.at.map(|(epoch, _)| (epoch + 1, 0));
                self.begun = None;
                self.rows.clear();
            }
            _ => {}
        }
    }

    fn opened(&mut self) -> &mut Opened {
        self.opened.as_mut().unwrap()
    }

    fn restart(&mut self, shards: usize) {
        self.opened = None;
        self.opened = Some(open_mapped(self.dir.path(), self.rules, shards).unwrap());
    }

    fn copy(&mut self, time: Duration) {
        loop {
            let mut rows: [Rows; 2] = Default::default();
            let more = self.opened().collectors[0].cut_some(time, &mut rows).unwrap();
            self.rows.push(rows);
            if !more || time.is_zero() {
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_crash_leaves_the_last_cut(steps in steps()) {
        for rules in [None, Some(super::groups::RULES)] {
            let mut kept = KeptShard::new(rules);
            for step in &steps {
                kept.step(step);
            }
            kept.step(&Step::Crash(2));
        }
    }
}

/// A sender that is forgotten and comes back under the same id is another one to the disk, too.
#[test]
fn a_sender_that_returns_is_neither_in_the_cut_under_way_nor_left_behind() {
    use Step::{Begin, Crash, Receive, Wait, Write};
    let comes = || Receive(3, false, Vec::new());
    let returns_during_a_cut =
        vec![comes(), Begin, Wait, Wait, Write, Begin, comes(), Write, Crash(1)];
    let returns_and_goes_again =
        vec![comes(), Begin, Write, Wait, Wait, comes(), Wait, Wait, Begin, Write, Crash(1)];
    for steps in [returns_during_a_cut, returns_and_goes_again] {
        let mut kept = KeptShard::new(None);
        steps.iter().for_each(|step| kept.step(step));
    }
}

#[test]
fn everything_is_kept_at_once_and_series_that_went_are_not() {
    let dir = directory();
    let mut opened = open(dir.path(), 1).unwrap();
    let all = [Kind::Counter, Kind::Gauge, Kind::Timing, Kind::Set, Kind::Event];
    let says: Vec<_> = (0..20).map(|n| Says::Event(all[n % 5], n as u8 % 4, n as u32)).collect();
    for sender in 0..50 {
        opened.collectors[0].receive(&datagram(sender, (1, 0), None, &says), 5);
        opened.collectors[0].receive(&datagram(sender, (1, 1), None, &[Says::State(77)]), 6);
    }
    cut(&mut opened, 7);
    // Half of them are heard of again, the rest is forgotten.
    for sender in 0..25 {
        opened.collectors[0].receive(&datagram(sender, (1, 2), None, &says[..3]), 500_000);
    }
    (0..20).for_each(|n| opened.collectors[0].tick(700_000 + n * 100));
    assert_eq!(opened.collectors[0].sender_count(), 25);
    cut(&mut opened, 700_000);
    let before = known(&opened.collectors, 700_000);
    drop(opened);
    let opened = open(dir.path(), 3).unwrap();
    assert_eq!(opened.now_ms, 700_000);
    assert!(opened.collectors.iter().all(|c| c.sender_count() > 0), "each has a part");
    assert_eq!(known(&opened.collectors, 700_000), before);
}

#[test]
fn what_waits_for_a_slow_disk_is_charged_and_bounded() {
    let dir = directory();
    let limits = Limits { bytes: 32 << 20, ..Limits::default() };
    let opened = open_on(&Disk::default(), &DataConfig::new(dir.path()), limits, None, 1);
    let mut opened = opened.unwrap();
    let says: Vec<_> = (0..100).map(|n| Says::Event(Kind::Counter, n, 1)).collect();
    let receive = |opened: &mut Opened, sequence| {
        let receive = |sender| {
            let datagram = datagram(sender, (1, sequence), None, &says);
            opened.collectors[0].receive(&datagram, 5);
            opened.collectors[0].store().bytes()
        };
        (0..200).map(receive).max().unwrap()
    };
    let before = receive(&mut opened, 0);
    assert!(opened.collectors[0].begin_cut(7).is_some());
    // The disk takes nothing, and everything changes.
    let most = receive(&mut opened, 1);
    assert!(most > before + (600 << 10), "it is charged: {most} after {before}");
    assert!(most < before + (4 << 20), "and bounded: {most} after {before}");
    let mut rows: [Rows; 2] = Default::default();
    assert_eq!(opened.collectors[0].cut_some(Duration::MAX, &mut rows), Err(Outrun));
    opened.collectors[0].end_cut(false);
    let after = receive(&mut opened, 2);
    assert!(after < before + (700 << 10), "nothing waits any more: {after} after {before}");
    cut(&mut opened, 8);
    let expected = known(&opened.collectors, 8);
    drop(opened);
    let opened = open(dir.path(), 1).unwrap();
    assert_eq!(known(&opened.collectors, 8), expected, "the next cut has all of it");
}

#[test]
fn what_is_beyond_a_limit_that_fell_is_left_out_and_counted() {
    let dir = directory();
    let mut opened = open(dir.path(), 1).unwrap();
    let says: Vec<_> = (0..100).map(|n| Says::Event(Kind::Counter, n, 1)).collect();
    opened.collectors[0].receive(&datagram(1, (1, 0), None, &says), 5);
    cut(&mut opened, 7);
    drop(opened);
    let limits = Limits { series: 60, ..Limits::default() };
    let opened = open_on(&Disk::default(), &DataConfig::new(dir.path()), limits, None, 1).unwrap();
    let store = opened.collectors[0].store();
    assert!((40..=60).contains(&store.len()), "{}", store.len());
    let left = store.len();
    drop(opened);
    assert_eq!(open(dir.path(), 1).unwrap().collectors[0].store().len(), left, "they are gone");
}
