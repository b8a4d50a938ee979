//! One run: threads that record on time, readings of the client every few milliseconds, and the account at the end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringstat_std::{Client, Ledger, clock};

use super::latency::Latencies;
use super::options::Plan;
use super::outage::Outage;
use super::pace::Schedule;
use super::profile::{Profile, Stage};
use super::receiver::Receiver;
use super::scenario::Scenario;
use super::screen::{Live, Screen};
use super::summary::{Buffer, Latency, Memory, Moment, Report, StageReport};
use super::{memory, stages, workload};
use crate::common::failure::{Exit, Failure};

/// The interval at which the client is read.
const LOOK: Duration = Duration::from_millis(10);
/// The time in which the threads get ready.
const LEAD: Duration = Duration::from_millis(20);
/// How long after the end late events are still recorded; after that, the generator has failed to keep up.
const GRACE: Duration = Duration::from_secs(1);
/// How long the client may take at the end to send what it holds.
const LINGER: Duration = Duration::from_secs(5);
/// About how many record calls per second are timed, of all threads together.
const TIMED_PER_SECOND: u64 = 100_000;
/// The largest number of wake-ups per second of all threads together. A thread that slept for longer than the time
/// between two events finds several due.
const WAKEUPS_PER_SECOND: u32 = 20_000;

/// The measurements of one thread.
struct Measured {
    call: Latencies,
    late: Latencies,
}

/// Runs `plan` to its end, or until `stop` is set.
pub(crate) fn run(plan: &Plan, stop: &AtomicBool, screen: &mut Screen) -> Result<Report, Failure> {
    let numbers = plan.numbers;
    let profile = Profile::of(plan.scenario, &numbers);
    memory::forget_peak();
    let receiver = plan
        .to
        .is_none()
        .then(|| Receiver::start(numbers.rate, plan.config.protocol))
        .transpose()?;
    let own = receiver.as_ref().and_then(Receiver::address);
    let to = plan.to.or(own).map(|a| a.to_string()).unwrap_or_default();
    let measured: Vec<Measured> = (0..numbers.concurrency).map(|_| Measured::new()).collect();
    let counts: Vec<AtomicU64> = (0..numbers.concurrency).map(|_| AtomicU64::new(0)).collect();
    let before = memory::resident();

    let fails = plan.scenario == Scenario::NetworkFailure;
    let protocol = plan.config.protocol;
    let mut outage = fails.then(|| Outage::new(&to, protocol, profile.stages())).transpose()?;
    let builder = Client::builder(to).config(plan.config.clone()).report_interval(None);
    let client = match &outage {
        Some(outage) => builder.build_with(outage.network()),
        None => builder.build(),
    };
    let client = client.map_err(|e| Failure::new(Exit::Environment, e))?;
    let handle = client.clone();
    let start = Instant::now() + LEAD;
    let start_wall = clock::exact() + LEAD.as_nanos() as u64;
    if let Some(receiver) = &receiver {
        receiver.begin(start_wall);
    }
    let mut look = Look::new(plan, &handle, &counts, start, profile.stages());
    screen.begin(numbers.duration);
    let measured = std::thread::scope(|scope| {
        let spawn = |(thread, measured)| {
            let worker = Worker {
                schedule: Schedule::new(profile.clone(), thread, numbers.concurrency),
                client: &client,
                generated: &counts[thread],
                start,
                start_wall,
                give_up: (numbers.duration + GRACE).as_nanos() as u64,
                nap: Duration::from_secs(1) / WAKEUPS_PER_SECOND * numbers.concurrency as u32,
                time_every: (numbers.rate / TIMED_PER_SECOND).max(1),
            };
            scope.spawn(move || worker.work(measured, stop))
        };
        let threads: Vec<_> = measured.into_iter().enumerate().map(spawn).collect();
        // The last stage may be one without events, in which the client comes to rest.
        let rests = || {
            profile.stages().len() > 1
                && start.elapsed() < numbers.duration
                && !stop.load(Ordering::Relaxed)
        };
        while threads.iter().any(|t| !t.is_finished()) || rests() {
            std::thread::sleep(LOOK);
            if let Some(outage) = &mut outage {
                outage.look(start.elapsed(), &handle);
            }
            look.once(screen);
        }
        // A thread that panicked has reported it on standard error, and what it recorded was counted along the way.
        threads.into_iter().filter_map(|t| t.join().ok()).collect::<Vec<_>>()
    });
    let elapsed = start.elapsed();
    screen.end();

    let outage = outage.map(Outage::end);
    let ledger = client.shutdown(LINGER);
    let totals = handle.totals();
    let arrived = receiver.map(|r| r.finish(totals.datagrams));
    let after = memory::resident();
    let generated = look.generated();
    let account =
        stages::account(generated, &ledger, totals.datagrams, arrived.as_ref().map(|a| a.0));

    let (mut call, mut late) = (Latencies::new(), Latencies::new());
    for thread in &measured {
        call.merge(&thread.call);
        late.merge(&thread.late);
    }
    Ok(Report::new(
        plan,
        super::summary::Facts {
            seconds: elapsed.as_secs_f64(),
            intended: profile.total(),
            generated,
            ledger,
            totals,
            send_errors: handle.snapshot().output.send_errors,
            delivered: arrived.as_ref().map(|(received, _)| received.events),
            account,
            latency: Latency {
                record: call.percentiles(),
                late: late.percentiles(),
                end_to_end: arrived.as_ref().and_then(|(_, latencies)| latencies.percentiles()),
                clock_ns: clock_cost(),
            },
            buffer: Buffer::new(look.capacity, look.peak),
            memory: Memory::new(before, after, handle.ring_bytes()),
            stages: look.stages,
            timeline: look.timeline,
            outage,
        },
    ))
}

impl Measured {
    fn new() -> Self {
        Self { call: Latencies::new(), late: Latencies::new() }
    }
}

/// One recording thread.
struct Worker<'a> {
    schedule: Schedule,
    client: &'a Client,
    /// The number of events that it has recorded, for the live line.
    generated: &'a AtomicU64,
    start: Instant,
    start_wall: u64,
    /// When to stop, in nanoseconds after the start.
    give_up: u64,
    nap: Duration,
    time_every: u64,
}

impl Worker<'_> {
    fn work(self, mut measured: Measured, stop: &AtomicBool) -> Measured {
        let mut i = 0;
        loop {
            let now = self.now();
            if i == self.schedule.events() || now > self.give_up || stop.load(Ordering::Relaxed) {
                return measured;
            }
            let ready = self.schedule.ready(now);
            while i < ready {
                self.record(i, &mut measured);
                i += 1;
                self.generated.store(i, Ordering::Relaxed);
            }
            let early = Duration::from_nanos(self.schedule.due(i).saturating_sub(self.now()));
            if !early.is_zero() && i < self.schedule.events() {
                std::thread::sleep(early.max(self.nap));
            }
        }
    }

    /// The time in nanoseconds after the start.
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    #[inline]
    fn record(&self, i: u64, measured: &mut Measured) {
        let due = self.schedule.due(i);
        // The ledger knows what becomes of the event.
        if !i.is_multiple_of(self.time_every) {
            let _ = workload::record(self.client, i, self.start_wall, due);
            return;
        }
        let begun = self.now();
        let _ = workload::record(self.client, i, self.start_wall, due);
        measured.call.record(self.now() - begun);
        measured.late.record(begun.saturating_sub(due));
    }
}

/// Reads the state of the client while it works.
struct Look<'a> {
    client: &'a Client,
    counts: &'a [AtomicU64],
    start: Instant,
    /// The number of events that fit the rings that the threads use.
    capacity: u64,
    peak: u64,
    shown: Instant,
    /// The number generated at the previous reading.
    before: u64,
    /// What happened in each stage so far.
    stages: Vec<StageReport>,
    plan: &'a [Stage],
    /// A reading a second.
    timeline: Vec<Moment>,
}

impl<'a> Look<'a> {
    fn new(
        plan: &Plan,
        client: &'a Client,
        counts: &'a [AtomicU64],
        start: Instant,
        stages: &'a [Stage],
    ) -> Self {
        let config = &plan.config;
        let threads = plan.numbers.concurrency;
        let own = config.shards.min(threads) * config.shard_events;
        let shared = if threads > config.shards { config.shared_events } else { 0 };
        let capacity = (own + shared) as u64;
        Self {
            client,
            counts,
            start,
            capacity,
            peak: 0,
            shown: start,
            before: 0,
            stages: stages.iter().map(StageReport::new).collect(),
            plan: stages,
            timeline: Vec::new(),
        }
    }

    fn generated(&self) -> u64 {
        self.counts.iter().map(|c| c.load(Ordering::Relaxed)).sum()
    }

    fn once(&mut self, screen: &mut Screen) {
        let ledger = self.client.ledger();
        self.peak = self.peak.max(ledger.in_flight);
        let now = Instant::now();
        self.stage(now.saturating_duration_since(self.start), &ledger);
        let since = now.saturating_duration_since(self.shown);
        if since < Duration::from_secs(1) {
            return;
        }
        let generated = self.generated();
        let dropped = ledger.dropped.total();
        let live = Live {
            elapsed: now - self.start,
            generated,
            sent: ledger.left(),
            dropped,
            rate: (generated - self.before) as f64 / since.as_secs_f64(),
            drop_percent: percent(dropped, generated),
            buffer_percent: percent(ledger.in_flight, self.capacity),
        };
        screen.show(&live);
        self.timeline.push(Moment {
            seconds: live.elapsed.as_secs_f64(),
            rate: live.rate,
            dropped,
            buffer_percent: live.buffer_percent,
        });
        (self.shown, self.before) = (now, generated);
    }
}

impl Look<'_> {
    /// Adds what has happened since the last reading to the stage that it belongs to.
    fn stage(&mut self, elapsed: Duration, ledger: &Ledger) {
        let at = self.plan.iter().rposition(|s| s.from <= elapsed).unwrap_or(0);
        let (generated, dropped) = (self.generated(), ledger.dropped.total());
        let buffer = percent(ledger.in_flight, self.capacity);
        let (done, open) = self.stages.split_at_mut(at);
        let before = |of: fn(&StageReport) -> u64| done.iter().map(of).sum::<u64>();
        let (earlier, lost_earlier) = (before(|s| s.generated), before(|s| s.dropped));
        if let Some(stage) = open.first_mut() {
            stage.generated = generated.saturating_sub(earlier);
            stage.dropped = dropped.saturating_sub(lost_earlier);
            stage.buffer_percent = stage.buffer_percent.max(buffer);
        }
    }
}

pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

/// The cost of reading the clock on this machine, which is part of every measured call.
fn clock_cost() -> f64 {
    const READS: u32 = 10_000;
    let begun = Instant::now();
    for _ in 0..READS {
        std::hint::black_box(Instant::now());
    }
    begun.elapsed().as_nanos() as f64 / f64::from(READS)
}
