//! A network in memory, and a collector's view of it.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::net::Ipv4Addr;

use embassy_net::{Config, Ipv4Cidr, StaticConfigV4};
use ringstat_core::format::Header;
use ringstat_core::receive::{IdWindow, Seen};
use ringstat_core::wire::Decoder;
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::decode::Body;
use ringstat_core::wire::receipt::Receipt;

pub(crate) const CHIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const COLLECTOR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const PORT: u16 = 8125;

/// The chip's address configuration, without a gateway.
pub(crate) fn address() -> Config {
    Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(CHIP, 24),
        gateway: None,
        dns_servers: Default::default(),
    })
}

/// Removes the IP and UDP headers.
pub(crate) fn payload(packet: &[u8]) -> Option<(&[u8], u16)> {
    let header = usize::from(packet.first()? & 0xF) * 4;
    let udp = packet.get(header..)?;
    let port = |at: usize| Some(u16::from_be_bytes([*udp.get(at)?, *udp.get(at + 1)?]));
    (packet.get(9) == Some(&17) && port(2)? == PORT).then_some((udp.get(8..)?, port(0)?))
}

/// Adds IP and UDP headers to a reply.
pub(crate) fn packet(payload: &[u8], from: u16, to: u16) -> Vec<u8> {
    let length = (28 + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(COLLECTOR.octets());
    packet.extend(CHIP.octets());
    let words = packet.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xFFFF) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(from.to_be_bytes());
    packet.extend(to.to_be_bytes());
    packet.extend((length - 20).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

/// What a collector would have received.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) events: u64,
    pub(crate) alarms: u64,
    pub(crate) repeated: u64,
    pub(crate) total: u64,
    ids: IdWindow,
    next_sequence: u32,
    pub(crate) datagrams: u64,
    /// The number of those that asked for a receipt.
    pub(crate) asked: u64,
    /// The number of events in datagrams that never arrived.
    pub(crate) lost: u64,
    /// The number of datagrams that were expected and never came.
    pub(crate) missing: u32,
    /// The time at which the last event was recorded.
    pub(crate) event_ns: u64,
    /// Whether the last datagram's times count from boot.
    pub(crate) since_boot: bool,
    pub(crate) base_time: u64,
    /// Whether the last datagram said that nothing follows.
    pub(crate) goodbye: bool,
    /// What the sender said of itself: its program, and how often it is heard of.
    pub(crate) info: Option<(String, u64)>,
}

impl Collected {
    /// Receives a datagram, and returns the replies that it asks for.
    pub(crate) fn take(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let mut decoder: Box<Decoder> = Box::default();
        let mut open = decoder.open(datagram).expect("a sound datagram");
        let header = *open.header();
        assert!(header.sequence >= self.next_sequence, "each once and in order");
        self.missing += header.sequence - self.next_sequence;
        self.next_sequence = header.sequence + 1;
        self.since_boot = open.prologue().since_boot;
        self.base_time = open.prologue().base_time;
        self.goodbye = open.prologue().goodbye;
        let (floor, asks) = (open.prologue().ack_floor, open.prologue().wants_receipt);
        floor.inspect(|floor| self.ids.advance(*floor));
        while let Some(record) = open.next() {
            let record = record.expect("a sound record");
            match record.body {
                Body::Info(info) => {
                    self.info = Some((record.name.text.into(), info.heartbeat_ms));
                }
                Body::Event(event) => {
                    self.event_ns = event.time_ns;
                    match event.id.map(|id| self.ids.insert(id)) {
                        None => self.events += 1,
                        Some(Seen::New) => self.alarms += 1,
                        Some(_) => self.repeated += 1,
                    }
                }
                Body::Total(total) => self.total = total,
                _ => {}
            }
        }
        self.datagrams += 1;
        self.asked += u64::from(asks);
        let ack = floor.map(|_| {
            let mut buf = vec![0; Ack::MAX_LEN];
            let ack = self.ids.ack(header.sender, header.epoch);
            let length = ack.emit(&mut buf).expect("room");
            buf.truncate(length);
            buf
        });
        let Header { sender, epoch, sequence, .. } = header;
        let (datagrams, events) = (self.datagrams, self.events);
        let receipt = Receipt { sender, epoch, sequence, instance: 1, first: 0, datagrams, events };
        ack.into_iter().chain(asks.then(|| receipt.emit().to_vec())).collect()
    }
}

impl Collected {
    /// Loses a datagram in the network.
    pub(crate) fn lose(&mut self, datagram: &[u8]) {
        let mut decoder: Box<Decoder> = Box::default();
        let mut open = decoder.open(datagram).expect("a sound datagram");
        self.next_sequence = open.header().sequence + 1;
        while let Some(record) = open.next() {
            if let Body::Event(event) = record.expect("a sound record").body {
                self.lost += u64::from(event.id.is_none());
            }
        }
    }
}
