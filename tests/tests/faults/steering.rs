//! A collector of several threads, and senders whose datagrams come over a cable twice and from changing addresses: the
//! kernel gives all of a sender's datagrams to one thread, so that none has to be handed on.

use std::net::UdpSocket;

use ringstat_collector::shard_of;
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::wire::Encoder;

use crate::netns::{CLIENT, COLLECTOR, Network};
use ringstat_tests::collector::Collector;

/// The other address of the senders' machine.
const ROAMED: &str = "10.9.9.3";
/// The collector's addresses: each datagram is sent to both.
const PORTS: [u16; 2] = [8125, 8127];
const THREADS: usize = 3;
const SENDERS: u64 = 90;
/// Datagrams of each sender, from its addresses in turn.
const EACH: u32 = 12;

fn datagram(encoder: &mut Encoder, sender: u64, sequence: u32) -> Vec<u8> {
    let mut buf = vec![0; 200];
    let header = Header { sender, epoch: 1, sequence, ..Header::default() };
    let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).expect("room");
    let event: Event = Event::new(Kind::Counter, "steered".into(), 1u8.into(), 0).expect("valid");
    open.event(&event, &NoNames).expect("room");
    let length = open.finish(false);
    buf.truncate(length);
    buf
}

pub(crate) fn by_sender() {
    let network = Network::new();
    network.add_address(ROAMED);
    let udp = PORTS.map(|port| format!("{COLLECTOR}:{port}"));
    let threads = THREADS.to_string();
    let collector = Collector::start_with(
        &network.collector,
        &udp.each_ref().map(String::as_str),
        &["--threads", &threads],
    );
    let mut encoder: Box<Encoder> = Box::default();
    let mut of_shards = [0; THREADS];
    for sender in 1..=SENDERS {
        // A port of its own at each address, so that the kernel's own choice would be another one each time.
        let open = || [CLIENT, ROAMED].map(|ip| UdpSocket::bind((ip, 0)).expect("an address"));
        let from = network.client.enter(open);
        for sequence in 0..EACH {
            let datagram = datagram(&mut encoder, sender, sequence);
            for (port, from) in PORTS.iter().zip(from.iter().cycle().skip(sequence as usize % 2)) {
                from.send_to(&datagram, (COLLECTOR, *port)).expect("it leaves");
            }
            of_shards[shard_of(&datagram, None, THREADS)] += 1;
        }
    }
    let sent = SENDERS * u64::from(EACH);
    collector.until("all of them", |known| known.number("datagrams") == 2 * sent);
    // That number may be younger than the rest of the same answer.
    let known = collector.state();
    for sender in 1..=SENDERS {
        let of = |field| known.of(sender, field);
        let account = [of("received"), of("duplicates"), of("lost"), of("outstanding")];
        assert_eq!(account, [EACH.into(), EACH.into(), 0, 0], "sender {sender}");
    }
    assert_eq!(known.sum("steered"), sent, "each once");
    assert!(of_shards.iter().all(|n| *n > sent / 10), "every thread has its part: {of_shards:?}");
    assert_eq!(known.io("handed_on"), 0, "the kernel knows where each belongs");
    println!("steered: {of_shards:?} of {sent} datagrams, each sent twice");
    drop(collector.end());
}
