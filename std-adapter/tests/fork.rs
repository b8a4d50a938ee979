//! Children of the process that owns the client neither hang nor panic, nor send in their parent's name.
//!
//! Every child ends with `_exit`, unless its end is what is tested; one that hangs is killed by an alarm and fails.
//! (A child that is planted to go on under its parent's number is found.)
#![cfg(unix)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::fd::FromRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::libc;
use ringstat_core::testkit::NullTransport;
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_std::{
    BuildError, Cause, Client, Counter, FlushError, Gauge, Grade, Ledger, Outcome, Policy, Preset,
    Reason, Recorder,
};

const LONG: Duration = Duration::from_secs(60); // for what takes milliseconds unless something is wrong
const FORKED: Outcome = Outcome::Dropped(Cause::Forked);
const TEXT: &str =
    "a text that does not fit the slot of an event, and so goes into the memory beside its ring";

/// Forks, runs `child` in the child, and returns what it wrote. Panics if the child panicked, hung or was killed.
fn fork(child: impl FnOnce(&mut dyn Write)) -> String {
    /// The number of seconds after which a child is considered to hang.
    const PATIENCE: libc::c_uint = 60;
    let mut ends = [0; 2];
    // SAFETY: there is room for two descriptors, which are owned only by the `File`s below.
    let (reader, mut writer) = unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        (std::fs::File::from_raw_fd(ends[0]), std::fs::File::from_raw_fd(ends[1]))
    };
    // SAFETY: the child has copies of all that it uses; that it lacks the other threads is what is tested.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: `alarm` has no preconditions.
        unsafe { libc::alarm(PATIENCE) };
        let code = match catch_unwind(AssertUnwindSafe(|| child(&mut writer))) {
            Ok(()) => 0,
            Err(panic) => {
                let said = panic.downcast_ref::<String>().cloned();
                let said = said.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                let _ = write!(writer, "PANIC {}", said.unwrap_or_default());
                1
            }
        };
        // SAFETY: `_exit` has no preconditions.
        unsafe { libc::_exit(code) };
    }
    drop(writer);
    let mut said = String::new();
    { reader }.read_to_string(&mut said).unwrap();
    let mut status = 0;
    // SAFETY: `pid` is our child, and `status` is valid for writing.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "killed by signal {}: {said}", libc::WTERMSIG(status));
    assert_eq!(libc::WEXITSTATUS(status), 0, "{said}");
    said
}

/// What was received from a sender: its events, and the latest total of each counter.
#[derive(Default, Debug)]
struct Heard {
    events: u64,
    /// The number of events that the sender has dropped, according to its last datagram.
    dropped: u64,
    totals: HashMap<String, u64>,
}

/// Reads everything that waits in the socket, by sender.
fn hear(socket: &UdpSocket, heard: &mut HashMap<u64, Heard>) {
    let (mut decoder, mut buf) = (Box::<Decoder>::default(), vec![0; 65_535]);
    while let Ok(length) = socket.recv(&mut buf) {
        let mut datagram = decoder.open(&buf[..length]).unwrap();
        let sender = heard.entry(datagram.header().sender).or_default();
        sender.dropped = datagram.prologue().dropped;
        while let Some(record) = datagram.next() {
            let record = record.unwrap();
            match record.body {
                Body::Event(_) => sender.events += 1,
                Body::Total(total) => _ = sender.totals.insert(record.name.text.to_owned(), total),
                _ => {}
            }
        }
    }
}

fn receiver() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let to = socket.local_addr().unwrap().to_string();
    (socket, to)
}

fn client(to: &str) -> Client {
    let small = Client::builder(to).preset(Preset::LowMemory).policy(Policy::DropNewest);
    small.receipts(false).report_interval(None).build().unwrap()
}

/// Makes every call of a handle in a child, and returns how many records it made.
fn use_everything(stats: &Client, static_gauge: &'static Gauge) -> u64 {
    assert!(stats.is_forked());
    assert_eq!(stats.count("n", 1u8).record(), FORKED);
    assert_eq!(stats.event("long").text(TEXT).tag("key", TEXT).record(), FORKED);
    assert_eq!(stats.count("", 1u8).record(), FORKED, "whatever else is wrong with it");
    assert_eq!(stats.flush(LONG), Err(FlushError::Forked));
    stats.counter("n", &[]).inc();
    stats.gauge("n", &[]).set(1.0);
    stats.histogram("n", &[]).record(1);
    stats.register(static_gauge);
    let _ = stats.intern("a name");
    assert!(!stats.register_thread() && !stats.flush_on_exit());
    let snapshot = stats.snapshot();
    assert_eq!(
        (snapshot.health.grade(), snapshot.health.has(Reason::Forked)),
        (Grade::Unhealthy, true)
    );
    let _ = (stats.totals(), stats.breaker(), stats.ring_bytes(), stats.identity());
    let _ = (stats.overflowed_instruments(), format!("{stats:?}"));
    3
}

fn ledger_of_child(records: u64) -> Ledger {
    let mut ledger = Ledger { recorded: records, ..Ledger::default() };
    ledger.dropped.add(Cause::Forked, records);
    ledger
}

#[test]
fn children_of_a_busy_process_say_forked_and_its_account_is_exact_at_both_ends() {
    const CHILDREN: usize = 40;
    static GAUGE: Gauge = Gauge::new("g");
    let (socket, to) = receiver();
    let stats = client(&to);
    let parent = stats.identity().sender;
    assert!(stats.flush_on_exit());
    let (ended, recorded) = (AtomicBool::new(false), AtomicU64::new(0));
    let heard = Mutex::new(HashMap::new());
    let others = Mutex::new(Vec::new());
    // Threads that take locks, and one that receives what is sent.
    let busy: [&(dyn Fn() + Sync); 4] = [
        &|| _ = stats.snapshot(),
        &|| stats.counter("c", &[]).inc(),
        &|| stats.flush(LONG).unwrap(),
        &|| hear(&socket, &mut heard.lock().unwrap()),
    ];
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let text = stats.event("long").text(TEXT).tag("key", "value").record();
                    let both = [text, stats.count("n", 1u8).record()];
                    let taken = both.iter().filter(|outcome| outcome.is_recorded()).count();
                    recorded.fetch_add(taken as u64, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
        }
        for busy in busy {
            let ended = &ended;
            scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    busy();
                    std::thread::yield_now();
                }
            });
        }
        let children = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..CHILDREN {
                let own = fork(|said| {
                    let handle = stats.clone();
                    let mut records = use_everything(&handle, &GAUGE);
                    // This includes threads of the child.
                    std::thread::scope(|scope| {
                        let record = || {
                            (0..100)
                                .for_each(|_| assert_eq!(handle.count("n", 1u8).record(), FORKED))
                        };
                        (0..2).for_each(|_| _ = scope.spawn(record));
                    });
                    records += 200;
                    assert_eq!(handle.ledger(), ledger_of_child(records));
                    assert_eq!(handle.shutdown(LONG), ledger_of_child(records));
                    // A client that the child builds for itself works as usual.
                    let own = client(&to);
                    assert!(own.count("own", 1u8).record().is_recorded());
                    let sender = own.identity().sender;
                    assert_eq!(own.shutdown(LONG).sent, 1);
                    write!(said, "{sender}").unwrap();
                });
                others.lock().unwrap().push(own.parse::<u64>().unwrap());
            }
        }));
        ended.store(true, Ordering::Relaxed);
        children.unwrap();
    });
    let ledger = stats.shutdown(LONG);
    let recorded = recorded.into_inner();
    assert!(ledger.closes() && recorded > 0, "{ledger}");
    assert_eq!((ledger.sent, ledger.in_flight), (recorded, 0), "{ledger}");
    let mut heard = heard.into_inner().unwrap();
    hear(&socket, &mut heard);
    assert_eq!(heard[&parent].events, recorded);
    // Of children that follow each other each has the number of the one before it.
    let own: std::collections::BTreeSet<_> = others.into_inner().unwrap().into_iter().collect();
    let events = own.iter().map(|own| heard.remove(own).unwrap().events);
    assert_eq!(events.sum::<u64>(), CHILDREN as u64);
    assert_eq!(heard.len(), 1, "the parent, and nobody else");
}

#[test]
fn a_child_that_asks_for_it_begins_an_epoch_of_its_own_with_an_exact_account() {
    static REQUESTS: Counter = Counter::new("requests");
    let (socket, to) = receiver();
    let builder = Client::builder(&to).receipts(false).report_interval(None).instrument(&REQUESTS);
    let stats = builder.sender(Some(7)).build().unwrap();
    let made = stats.counter("made", &[]);
    let name = stats.intern("interned").unwrap();
    REQUESTS.add(100);
    made.add(100);
    assert!(stats.count(name, 1u8).record().is_recorded());
    stats.restart_after_fork().unwrap();
    assert_eq!(stats.identity().sender, 7, "it was no child");
    let said = fork(|said| {
        assert_eq!(stats.count("early", 1u8).record(), FORKED);
        stats.restart_after_fork().unwrap();
        let sender = stats.identity().sender;
        stats.restart_after_fork().unwrap();
        assert_eq!((stats.is_forked(), stats.identity().sender), (false, sender), "once");
        REQUESTS.add(5);
        made.add(6);
        stats.counter("made", &[]).add(1);
        stats.counter("new", &[]).add(8);
        assert!(stats.register_thread());
        for _ in 0..10 {
            assert!(stats.count(name, 1u8).record().is_recorded());
            assert!(stats.event("long").text(TEXT).record().is_recorded());
        }
        stats.flush(LONG).unwrap();
        // A grandchild is in the same situation.
        let grandchild = fork(|said| {
            assert!(stats.is_forked());
            assert_eq!(stats.count(name, 1u8).record(), FORKED);
            assert_eq!(stats.ledger(), ledger_of_child(1));
            stats.restart_after_fork().unwrap();
            made.add(3);
            assert!(stats.count(name, 1u8).record().is_recorded());
            let sender = stats.identity().sender;
            let ledger = stats.clone().shutdown(LONG);
            assert_eq!(
                (ledger.recorded, ledger.sent, ledger.dropped.total()),
                (2, 1, 1),
                "{ledger}"
            );
            write!(said, "{sender}").unwrap();
        });
        assert!(stats.count("last", 1u8).record().is_recorded());
        let ledger = stats.clone().shutdown(LONG);
        assert!(ledger.closes());
        assert_eq!((ledger.recorded, ledger.sent, ledger.in_flight), (22, 21, 0), "{ledger}");
        assert_eq!(ledger.dropped.get(Cause::Forked), 1);
        write!(said, "{sender} {grandchild}").unwrap();
    });
    assert!(stats.count(name, 1u8).record().is_recorded());
    let ledger = stats.shutdown(LONG);
    assert_eq!((ledger.recorded, ledger.sent), (2, 2));
    let mut heard = HashMap::new();
    hear(&socket, &mut heard);
    let senders: Vec<u64> = said.split(' ').map(|sender| sender.parse().unwrap()).collect();
    let told = |sender: u64, name: &str| heard[&sender].totals.get(name).copied().unwrap_or(0);
    let [child, grandchild] = senders[..] else { panic!("{said}") };
    assert_eq!((heard.len(), heard[&7].events), (3, 2));
    assert_eq!((heard[&child].events, heard[&child].dropped), (21, 1));
    assert_eq!((heard[&grandchild].events, heard[&grandchild].dropped), (1, 1));
    assert_eq!((told(7, "requests"), told(7, "made")), (100, 100));
    assert_eq!((told(child, "requests"), told(child, "made"), told(child, "new")), (5, 7, 8));
    assert_eq!((told(grandchild, "requests"), told(grandchild, "made")), (0, 3));
}

#[test]
fn a_record_that_was_begun_before_the_fork_is_the_childs_once_it_has_begun_anew() {
    let stats = client("127.0.0.1:9");
    let begun = stats.event("begun").text(TEXT);
    fork(|_| {
        stats.restart_after_fork().unwrap();
        assert!(stats.event("other").text(&TEXT.to_uppercase()).record().is_recorded());
        // Its text is copied only now, into memory of the child's.
        assert!(begun.record().is_recorded());
        let ledger = stats.clone().shutdown(LONG);
        assert_eq!((ledger.recorded, ledger.sent, ledger.dropped.get(Cause::Forked)), (2, 2, 0));
    });
}

#[test]
fn a_transport_of_the_callers_is_the_callers_to_replace() {
    let stats = Client::builder("").build_with(NullTransport::default()).unwrap();
    fork(|_| {
        assert!(matches!(stats.restart_after_fork(), Err(BuildError::Transport)));
        assert!(stats.is_forked());
        stats.restart_after_fork_with(NullTransport::default()).unwrap();
        assert!(stats.count("n", 1u8).record().is_recorded());
        assert_eq!(stats.clone().shutdown(LONG).sent, 1);
    });
}

#[test]
fn the_last_handle_dropped_in_a_child_waits_for_nothing_but_what_the_child_has_to_send() {
    let (socket, to) = receiver();
    // This is longer than the alarm: a child that waits for the parent's worker is killed.
    let hour = Duration::from_secs(3600);
    let build = || Client::builder(&to).receipts(false).linger(hour).build().unwrap();
    let (dropped, restarted) = (build(), build());
    let mut dropped = Some(dropped);
    fork(|_| drop(dropped.take()));
    let mut restarted = Some(restarted);
    fork(|_| {
        let stats = restarted.take().unwrap();
        stats.restart_after_fork().unwrap();
        assert!(stats.count("n", 1u8).record().is_recorded());
        drop(stats);
    });
    let mut heard = HashMap::new();
    hear(&socket, &mut heard);
    assert_eq!(heard.values().map(|sender| sender.events).sum::<u64>(), 1);
}

#[test]
#[cfg(feature = "metrics")]
fn the_facade_follows_its_client() {
    use metrics::{counter, gauge, histogram, with_local_recorder};
    let (socket, to) = receiver();
    let stats = client(&to);
    let facade = ringstat_std::metrics::Facade::new(&stats);
    let (kept, invalid) = with_local_recorder(&facade, || {
        counter!("known").increment(10);
        (counter!("kept"), gauge!("invalid"))
    });
    kept.increment(10);
    let child = fork(|said| {
        with_local_recorder(&facade, || {
            counter!("unsent").increment(1);
            histogram!("unsent").record(1.0);
            invalid.set(f64::NAN);
            assert_eq!(stats.ledger(), ledger_of_child(1));
            stats.restart_after_fork().unwrap();
            (0..2).for_each(|_| counter!("known").increment(1));
            (0..3).for_each(|_| counter!("new").increment(1));
        });
        kept.increment(4);
        let sender = stats.identity().sender;
        assert_eq!(stats.clone().shutdown(LONG), ledger_of_child(1));
        write!(said, "{sender}").unwrap();
    });
    let parent = stats.identity().sender;
    assert_eq!(stats.shutdown(LONG).recorded, 0);
    let mut heard = HashMap::new();
    hear(&socket, &mut heard);
    let totals = |sender: u64| {
        let mut totals: Vec<_> = heard[&sender].totals.clone().into_iter().collect();
        totals.sort_unstable();
        totals
    };
    let named = |totals: &[(&str, u64)]| -> Vec<(String, u64)> {
        totals.iter().map(|(name, total)| ((*name).to_owned(), *total)).collect()
    };
    assert_eq!(totals(parent), named(&[("kept", 10), ("known", 10)]));
    let of_child = named(&[("kept", 4), ("known", 2), ("new", 3)]);
    assert_eq!(totals(child.parse().unwrap()), of_child);
}

const TO: &str = "RINGSTAT_TEST_TO";

/// A process whose client ends with it, and a child that ends the same way before it; see below.
#[test]
fn process() {
    let Ok(to) = std::env::var(TO) else { return };
    let (to, restarts) = to.split_once(',').unwrap();
    let builder = Client::builder(to).receipts(false).report_interval(None).batch_least(0);
    let stats = builder.batch_age(LONG).payload(65_000).build().unwrap();
    assert!(stats.flush_on_exit());
    (0..1000).for_each(|_| assert!(stats.count("n", 1u8).record().is_recorded()));
    // SAFETY: as above; both processes run the hooks of `atexit` at their end.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: `alarm` has no preconditions.
        unsafe { libc::alarm(60) };
        if restarts == "restarts" {
            stats.restart_after_fork().unwrap();
            (0..10).for_each(|_| assert!(stats.count("n", 1u8).record().is_recorded()));
        }
        std::process::exit(0);
    }
    let mut status = 0;
    // SAFETY: `pid` is our child, and `status` is valid for writing.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    std::process::exit(i32::from(!libc::WIFEXITED(status)));
}

#[test]
fn a_child_that_exits_ends_its_own_client_and_not_its_parents() {
    for (restarts, of_child) in [("restarts", 10), ("does not", 0)] {
        let (socket, to) = receiver();
        let mut process = Command::new(std::env::current_exe().unwrap());
        let to = format!("{to},{restarts}");
        let status = process.args(["--exact", "process"]).env(TO, to).status().unwrap();
        assert!(status.success(), "{status}");
        let mut heard = HashMap::new();
        hear(&socket, &mut heard);
        let mut events: Vec<_> = heard.values().map(|sender| sender.events).collect();
        events.sort_unstable();
        assert_eq!(events, if of_child > 0 { vec![of_child, 1000] } else { vec![1000] });
    }
}
