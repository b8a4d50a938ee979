//! A chip without a network: its serial line, a pseudo-terminal, and the collector that reads it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use ringstat_core::testkit::Rng;
use ringstat_tests::collector::Collector;
use ringstat_tests::netns::Namespace;
use ringstat_tests::terminal::Terminal;

use crate::chip::{Board, Setup};

const EVENTS: u64 = 2000;
const CRITICAL: u64 = 100;
const LISTEN: &str = "127.0.0.1:8125";

/// Carries bytes, and does something to one in so many: flips a bit, leaves it out, repeats it.
fn carry(mut from: impl Read, mut to: impl Write, one_in: Option<u64>, seed: u64) {
    let mut rng = Rng::new(seed);
    let mut bytes = [0; 256];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        let mut out = Vec::new();
        for byte in &bytes[..read] {
            match one_in.map(|one_in| rng.below(3 * one_in)) {
                Some(0) => out.push(byte ^ 1 << rng.below(8)),
                Some(1) => {}
                Some(2) => out.extend([*byte; 2]),
                _ => out.push(*byte),
            }
        }
        if to.write_all(&out).is_err() {
            return;
        }
    }
}

/// What chip and collector know in the end.
fn run(name: &str, board: Board, one_in: Option<u64>) {
    let machine = Namespace::new();
    let Terminal { chip: master, computer: slave, port } = Terminal::new();
    let port = port.to_str().expect("text");
    let collector = Collector::start_with(&machine, &[LISTEN], &["--serial", port]);
    let path = std::env::temp_dir().join(format!("ringstat-{name}-{}", std::process::id()));
    let args = [format!("events={EVENTS}"), format!("critical={CRITICAL}")];
    let chip = Setup::new(board, "serial", &args).serial(&path).start(&machine);
    let socket = loop {
        match UnixStream::connect(&path) {
            Ok(socket) => break socket,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    };
    let (out, back) = (socket.try_clone().expect("a copy"), master.try_clone().expect("a copy"));
    thread::spawn(move || carry(socket, back, one_in, 1));
    thread::spawn(move || carry(master, out, one_in, 2));
    let said = chip.end();
    let _ = std::fs::remove_file(&path);
    said.assert_closed();
    assert_eq!((said.number("acknowledged"), said.number("dropped_total")), (CRITICAL, 0));
    let known = collector.all_read(8125);
    assert_eq!(known.series("critical"), CRITICAL, "each once");
    assert_eq!((known.series("requests"), said.number("requests")), (EVENTS, EVENTS));
    assert_eq!(said.number("sent"), known.series("events") + CRITICAL, "{said:?}");
    assert_eq!((said.number("recorded"), said.number("unconfirmed")), (EVENTS + CRITICAL, 0));
    let known = collector.end();
    let counted = known.sender("received") + known.sender("lost");
    // If the line damages the very last datagram, the collector cannot know that there was one.
    let unheard = said.number("datagrams") - counted;
    assert!(unheard <= u64::from(one_in.is_some()), "{counted} counted: {said:?}");
    println!("{} of {} datagrams lost", known.sender("lost"), said.number("datagrams"));
    assert_eq!(said.number("lost") > 0, one_in.is_some(), "{said:?}");
    drop(slave);
}

/// Nothing happens to any byte, and nothing is lost.
pub(crate) fn everything_arrives(name: &str, board: Board) {
    run(name, board, None);
}

/// Bytes are flipped, cut and doubled, both ways.
pub(crate) fn a_bad_line(name: &str, board: Board) {
    run(name, board, Some(1000));
}
