//! Chips with Ethernet, and a collector.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use ringstat_core::record::Priority;
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;

use ringstat_tests::collector::Collector;
use ringstat_tests::netns::Namespace;

use crate::chip::{Chip, MPS2, Said, Setup};

const EVENTS: u64 = 10_000;
const CRITICAL: u64 = 1_000;
/// The collector's address for a chip behind QEMU's own network; the next one is for a chip on a TAP device.
const BEHIND: &str = "10.0.2.2:8125";
const TAP: &str = "tap0";
const MACHINE: &str = "10.5.0.1";
const LISTEN: &str = "127.0.0.1:8125";
const LISTEN_TAP: &str = "10.5.0.1:8125";

/// Creates the setup of a firmware that records, with the arguments that all tests share.
fn load(to: &str, more: &[&str]) -> Setup {
    Setup::new(MPS2, "network", &args(to, more))
}

/// Creates the same setup on this machine, over a TAP device.
fn host_load(more: &[&str]) -> Setup {
    let tap = [format!("tap={TAP}"), "ip=10.5.0.2".into()];
    Setup::host(&[args(LISTEN_TAP, more), tap.into()].concat())
}

fn args(to: &str, more: &[&str]) -> Vec<String> {
    let always = [format!("to={to}"), format!("events={EVENTS}"), format!("critical={CRITICAL}")];
    always.into_iter().chain(more.iter().map(ToString::to_string)).collect()
}

/// QEMU's user-mode network, which reaches the loopback interface of the machine and has no cable to unplug.
const USER: [&str; 2] = ["-nic", "user,model=lan9118"];

fn assert_complete(said: &Said) {
    said.assert_closed();
    let all = EVENTS + CRITICAL + said.number("timings");
    assert_eq!((said.number("recorded"), said.number("timings")), (all, EVENTS * 3 / 4 / 100));
    assert_eq!((said.number("sent"), said.number("dropped_total")), (all, 0), "{said:?}");
    assert_eq!(said.number("acknowledged"), CRITICAL);
}

/// An emulated chip with an address from DHCP.
pub(crate) fn everything_arrives() {
    arrives(&Namespace::new(), LISTEN, load(BEHIND, &["sender=7"]).with(&USER));
}

/// A chip that records ten times as fast.
pub(crate) fn everything_arrives_at_any_pace() {
    for pace in ["pace=2000", "pace=100", "pace=40"] {
        arrives(&Namespace::new(), LISTEN, load(BEHIND, &["sender=7", pace]).with(&USER));
    }
}

/// The chip resets itself again and again. Each critical event that was ever in its retained memory arrives once, and the
/// collector knows of each run.
pub(crate) fn resets() {
    let machine = Namespace::new();
    let collector = Collector::start(&machine, &[LISTEN]);
    let resets = 24;
    let args = [format!("to={BEHIND}"), format!("resets={resets}")];
    let said = Setup::new(MPS2, "reset", &args).with(&USER).start(&machine).end();
    said.assert_closed();
    assert_eq!(said.number("lives"), resets + 1);
    assert!(said.number("kept") > 3 * resets, "{said:?}");
    assert!(said.number("found") >= resets / 2, "resets come in the middle: {said:?}");
    let known = collector.state();
    assert_eq!(known.series("critical"), said.number("kept"), "each once");
    let known = collector.end();
    assert_eq!(known.senders(), 1);
    println!(
        "{} events, {} of them found after a reset",
        said.number("kept"),
        said.number("found")
    );
}

/// The collector is away for a minute, and critical events are kept as long as there is room.
pub(crate) fn a_minute_without_a_collector() {
    let machine = Namespace::new();
    let first = Collector::start(&machine, &[LISTEN]);
    let chip = load(BEHIND, &["sender=7", "keep=1", "pause=3000"]).with(&USER).start(&machine);
    // The firmware pauses after half of its events, so that it is known which collector has which.
    first.until("half of it", |k| k.series("requests") == EVENTS * 3 / 4 / 2);
    let before = first.all_read(8125).series("critical");
    first.kill();
    std::thread::sleep(Duration::from_secs(60));
    let second = Collector::start(&machine, &[LISTEN]);
    let said = chip.end();
    said.assert_closed();
    assert_eq!(said.number("acknowledged"), CRITICAL, "nothing was given up");
    assert_eq!(before + second.state().series("critical"), CRITICAL, "each once");
}

/// The same client on this machine.
pub(crate) fn everything_arrives_from_the_host() {
    arrives(&tap(), LISTEN_TAP, host_load(&["sender=7"]));
}

/// 10 000 events and 1 000 critical ones arrive without loss, according to both ledgers.
fn arrives(machine: &Namespace, listen: &str, load: Setup) {
    let collector = Collector::start(machine, &[listen]);
    let said = load.start(machine).end();
    assert_complete(&said);
    let known = collector.state();
    assert_eq!((known.sum("events"), known.series("critical")), (EVENTS, CRITICAL));
    assert_eq!(known.series("requests"), said.number("requests"));
    assert_eq!(known.series("board.ticks"), said.number("ticks"));
    let known = collector.end();
    assert_eq!((known.sender("received"), known.sender("lost")), (said.number("datagrams"), 0));
    assert_eq!(known.sender("dropped_at_sender"), 0);
}

/// Two devices at a time, each with an account of its own.
pub(crate) fn two_devices() {
    let machine = Namespace::new();
    let collector = Collector::start(&machine, &[LISTEN]);
    let start = |more: &[&str]| load(BEHIND, more).with(&USER).start(&machine);
    let chips = [start(&["sender=1"]), start(&["sender=2", "ip=10.0.2.15/24"])];
    let said = chips.map(Chip::end);
    said.iter().for_each(assert_complete);
    let known = collector.state();
    assert_eq!((known.sum("events"), known.sum("critical")), (2 * EVENTS, 2 * CRITICAL));
    let requests: u64 = said.iter().map(|said| said.number("requests")).sum();
    assert_eq!(known.sum("requests"), requests);
    let known = collector.end();
    assert_eq!(known.senders(), 2);
    for (sender, said) in [1, 2].into_iter().zip(&said) {
        assert_eq!(known.of(sender, "received"), said.number("datagrams"));
        assert_eq!(known.of(sender, "lost"), 0);
    }
}

/// The restart with an emulated chip.
pub(crate) fn collector_restarted() {
    restarted(&Namespace::new(), LISTEN, load(BEHIND, &["pause=3000"]).with(&USER));
}

/// The restart with the same client on this machine.
pub(crate) fn collector_restarted_for_the_host() {
    restarted(&tap(), LISTEN_TAP, host_load(&["pause=3000"]));
}

/// The collector is stopped in the middle and another one takes its place: critical events arrive once, and totals are
/// exact.
fn restarted(machine: &Namespace, listen: &str, load: Setup) {
    let first = Collector::start(machine, &[listen]);
    let chip = load.start(machine);
    // Three quarters of the events come from the task, which now pauses, so that it is known which collector has which
    // critical event.
    first.until("half of it", |k| k.series("requests") == EVENTS * 3 / 4 / 2);
    let before = (first.all_read(8125).series("critical"), first.end());
    // The chip keeps sending, first to a receiver that does not answer, then to nobody.
    hear_critical(machine, listen);
    let heard = machine.unheard();
    until("somebody is missed", || machine.unheard() > heard);
    let second = Collector::start(machine, &[listen]);
    let said = chip.end();
    said.assert_closed();
    assert_eq!(said.number("acknowledged"), CRITICAL);
    assert!(said.number("repeated") > 0, "some had to be sent again");
    let known = second.all_read(8125);
    assert_eq!(before.0 + known.series("critical"), CRITICAL, "each once");
    assert_eq!(known.series("requests"), said.number("requests"));
    assert_eq!(known.series("board.ticks"), said.number("ticks"));
    let known = second.end();
    let missed = known.sender("missed_before_start");
    assert!(missed > before.1.sender("received"), "it knows that it came late");
    assert_eq!(known.sender("received") + missed + known.sender("lost"), said.number("datagrams"));
    println!(
        "{missed} datagrams before the second collector, {} critical events again",
        said.number("repeated")
    );
}

/// Listens in the collector's place until a critical event comes, without answering.
fn hear_critical(machine: &Namespace, listen: &str) {
    let socket = machine.enter(|| UdpSocket::bind(listen)).expect("the port is free");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut decoder: Box<Decoder> = Box::default();
    let mut buffer = [0; 2048];
    loop {
        let length = socket.recv(&mut buffer).expect("the chip goes on");
        let mut datagram = decoder.open(&buffer[..length]).expect("a datagram of ours");
        while let Some(record) = datagram.next() {
            let Body::Event(event) = record.expect("a record").body else { continue };
            if event.priority == Priority::Critical {
                return;
            }
        }
    }
}

/// Polls until `done` holds.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Creates a machine with a TAP device.
fn tap() -> Namespace {
    let machine = Namespace::new();
    machine.run("ip", &["tuntap", "add", "dev", TAP, "mode", "tap"]);
    machine.run("ip", &["address", "add", &format!("{MACHINE}/24"), "dev", TAP]);
    machine.run("ip", &["link", "set", TAP, "up"]);
    machine
}

fn on_tap(name: &str) -> Setup {
    let nic = format!("tap,id=cable,model=lan9118,ifname={TAP},script=no,downscript=no");
    load(LISTEN_TAP, &["ip=10.5.0.2/24", "gateway=10.5.0.1"]).with(&["-nic", &nic]).monitored(name)
}

/// Checks what must hold after any network failure: critical events arrived once, totals are exact, and every datagram
/// was received or is known to be lost.
fn assert_accounted(collector: Collector<'_>, said: &Said) {
    said.assert_closed();
    assert_eq!(said.number("acknowledged"), CRITICAL);
    let known = collector.state();
    assert_eq!(known.series("critical"), CRITICAL, "each once");
    assert_eq!(known.series("requests"), said.number("requests"));
    assert_eq!(known.series("board.ticks"), said.number("ticks"));
    let events = known.sum("events");
    let known = collector.end();
    assert_eq!(known.sender("dropped_at_sender"), said.number("dropped_total"));
    assert_eq!(known.sender("received") + known.sender("lost"), said.number("datagrams"));
    // The chip knows of each event whether it arrived.
    assert_eq!(said.number("unconfirmed"), 0);
    let arrived = said.number("sent") - CRITICAL;
    let timings = said.number("timings");
    assert!((events..=events + timings).contains(&arrived), "{events} and {timings}, {arrived}");
    println!(
        "{} of {} datagrams lost, {} records dropped at the chip, {} critical events again",
        known.sender("lost"),
        said.number("datagrams"),
        said.number("dropped_total"),
        said.number("repeated"),
    );
}

/// The chip notices that the link is down, and keeps as much as it can.
pub(crate) fn link_down_and_up() {
    let machine = tap();
    let collector = Collector::start(&machine, &[LISTEN_TAP]);
    let chip = on_tap("link").start(&machine);
    collector.until("load", |k| k.sum("events") > EVENTS / 5);
    chip.tell("set_link cable off");
    let there = collector.all_read(8125);
    // This is longer than the ring can hold what is recorded.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(collector.state().number("datagrams"), there.number("datagrams"), "it is down");
    chip.tell("set_link cable on");
    let said = chip.end();
    assert!(said.number("dropped_total") > 0, "the ring does not hold so much");
    assert_accounted(collector, &said);
}

/// The other end is down, which the chip cannot notice: what it sends meanwhile is lost, and known to be lost.
pub(crate) fn dead_cable() {
    let machine = tap();
    let collector = Collector::start(&machine, &[LISTEN_TAP]);
    let chip = on_tap("cable").start(&machine);
    collector.until("load", |k| k.sum("events") > EVENTS / 5);
    machine.run("ip", &["link", "set", TAP, "down"]);
    // During this time datagrams leave the chip and are lost.
    std::thread::sleep(Duration::from_millis(1500));
    machine.run("ip", &["link", "set", TAP, "up"]);
    let said = chip.end();
    assert_accounted(collector, &said);
}
