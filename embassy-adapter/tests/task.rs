//! The task over a network device in memory: what it sends, that it receives acknowledgements, and that it survives the
//! loss of the network.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use embassy_futures::select::{Either, Either3, select, select3};
use embassy_net::{IpAddress, Ipv4Cidr, StackResources, StaticConfigV4};
use embassy_net_driver_channel as channel;
use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use embassy_time::Timer;
use ringstat_core::format::Header;
use ringstat_core::receive::{IdWindow, Seen};
use ringstat_core::send::LivenessConfig;
use ringstat_core::wire::Decoder;
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::decode::Body;
use ringstat_core::wire::receipt::Receipt;
use ringstat_embassy::prelude::*;
use ringstat_embassy::{run, stats, totals, wake};

static FRAMES: Counter = Counter::new("radio.frames");
static STATS: Stats<256, 16> =
    stats(event_ring!(256)).instruments(&[&FRAMES]).critical(event_ring!(16)).wake(32, wake);

const CHIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const COLLECTOR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PORT: u16 = 8125;

/// Removes the IP and UDP headers.
fn payload(packet: &[u8]) -> Option<(&[u8], u16)> {
    let header = usize::from(packet.first()? & 0xF) * 4;
    let udp = packet.get(header..)?;
    let port = |at: usize| Some(u16::from_be_bytes([*udp.get(at)?, *udp.get(at + 1)?]));
    (packet.get(9) == Some(&17) && port(2)? == PORT).then_some((udp.get(8..)?, port(0)?))
}

/// Puts IP and UDP headers around a reply.
fn packet(payload: &[u8], to: u16) -> Vec<u8> {
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
    packet.extend(PORT.to_be_bytes());
    packet.extend(to.to_be_bytes());
    packet.extend((length - 20).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

/// What a collector would have received.
#[derive(Default)]
struct Collected {
    events: u64,
    alarms: u64,
    repeated: u64,
    total: u64,
    ids: IdWindow,
    next_sequence: u32,
    datagrams: u64,
    /// Events in datagrams that never arrived.
    lost: u64,
}

impl Collected {
    /// Takes a datagram, and returns the replies that it asks for.
    fn take(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let mut decoder: Box<Decoder> = Box::default();
        let mut open = decoder.open(datagram).expect("a sound datagram");
        let header = *open.header();
        assert_eq!(header.sequence, self.next_sequence, "each once and in order");
        self.next_sequence += 1;
        let (floor, asks) = (open.prologue().ack_floor, open.prologue().wants_receipt);
        floor.inspect(|floor| self.ids.advance(*floor));
        while let Some(record) = open.next() {
            match record.expect("a sound record").body {
                Body::Event(event) => match event.id.map(|id| self.ids.insert(id)) {
                    None => self.events += 1,
                    Some(Seen::New) => self.alarms += 1,
                    Some(_) => self.repeated += 1,
                },
                Body::Total(total) => self.total = total,
                _ => {}
            }
        }
        self.datagrams += 1;
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
    /// Counts a datagram that the network loses.
    fn lose(&mut self, datagram: &[u8]) {
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

#[test]
fn it_sends_hears_and_survives_a_link_that_goes_away() {
    let mut state: channel::State<1514, 8, 8> = channel::State::new();
    let (runner, device) = channel::new(&mut state, HardwareAddress::Ip);
    let address = StaticConfigV4 {
        address: Ipv4Cidr::new(CHIP, 24),
        gateway: None,
        dns_servers: Default::default(),
    };
    let mut resources: StackResources<2> = StackResources::new();
    let config = embassy_net::Config::ipv4_static(address);
    let (stack, mut net) = embassy_net::new(device, config, &mut resources, 7);
    let (link, mut rx, mut tx) = runner.split();
    let mut config = TaskConfig::new((IpAddress::from(COLLECTOR), PORT), 7, 1);
    config.sender.flush_interval = Duration::from_millis(20);
    config.sender.batch_age = Duration::from_millis(10);
    config.sender.patience.timeout = Duration::from_millis(50);
    config.sender.heartbeat_interval = Duration::from_millis(50);
    config.liveness = LivenessConfig {
        interval: Duration::from_millis(50),
        retry: Duration::from_millis(20),
        silence: Duration::from_millis(200),
    };
    config.breaker.backoff = 50_000;
    config.breaker.backoff_max = 100_000;

    let (deaf, gone) = (AtomicBool::new(true), AtomicBool::new(false));
    let mut seen = Collected::default();
    let script = async {
        // The link is down: nothing may be sent, and nothing may get stuck.
        for n in 0..100u32 {
            FRAMES.inc();
            assert!(STATS.level("board.celsius", n).record().is_recorded());
        }
        for _ in 0..5 {
            assert!(STATS.event("door").priority(Priority::Critical).record().is_recorded());
        }
        Timer::after_millis(50).await;
        assert_eq!((totals().datagrams, STATS.waiting()), (0, 105));
        link.set_link_state(LinkState::Up);
        // Nobody answers at first: critical events are repeated.
        while totals().repeated < 5 {
            Timer::after_millis(5).await;
        }
        deaf.store(false, Ordering::Relaxed);
        while totals().acknowledged < 5 || totals().unconfirmed > 0 {
            Timer::after_millis(5).await;
        }
        assert_eq!((totals().sent, totals().lost), (105, 0));
        // The link goes down and comes up again in between.
        link.set_link_state(LinkState::Down);
        Timer::after_millis(20).await;
        let before = totals().datagrams;
        for n in 0..200u32 {
            FRAMES.inc();
            STATS.level("board.celsius", n).record();
        }
        Timer::after_millis(50).await;
        assert!(totals().datagrams <= before + 1, "one may have been under way");
        link.set_link_state(LinkState::Up);
        while STATS.account(&totals()).sent < 305 {
            Timer::after_millis(5).await;
        }
        // Time for the last totals.
        Timer::after_millis(100).await;
        let ledger = STATS.account(&totals());
        assert!(ledger.closes());
        assert_eq!((ledger.recorded, ledger.sent, ledger.dropped.total()), (305, 305, 0));
        // The collector disappears, and only its silence tells.
        gone.store(true, Ordering::Relaxed);
        let mut recorded = 305;
        let mut held = 0;
        while held < 50 {
            recorded += u64::from(STATS.level("board.celsius", 1u8).record().is_recorded());
            Timer::after_millis(5).await;
            // Once the silence has lasted long enough, events stay in the ring.
            held = STATS.waiting();
        }
        let ledger = STATS.account(&totals());
        assert_eq!((ledger.sent, ledger.dropped.total()), (305, 0), "nobody knows of more");
        assert!(ledger.closes() && ledger.unconfirmed > 0);
        gone.store(false, Ordering::Relaxed);
        // The collector returns, and the events that were under way turn out to be lost.
        loop {
            let ledger = STATS.account(&totals());
            assert!(ledger.closes());
            if ledger.sent + ledger.lost == recorded {
                break;
            }
            Timer::after_millis(5).await;
        }
    };
    let wire = async {
        loop {
            let frame = tx.tx_buf().await.to_vec();
            tx.tx_done();
            let Some((datagram, from)) = payload(&frame) else { continue };
            if gone.load(Ordering::Relaxed) {
                seen.lose(datagram);
                continue;
            }
            // The collector ignores critical events, but still gives signs of life.
            let replies = seen.take(datagram).into_iter();
            for reply in replies.filter(|r| Receipt::is_one(r) || !deaf.load(Ordering::Relaxed)) {
                let reply = packet(&reply, from);
                rx.rx_buf().await[..reply.len()].copy_from_slice(&reply);
                rx.rx_done(reply.len());
            }
        }
    };
    let begun = Instant::now();
    let everything = select3(run(stack, &STATS, config.payload::<512>()), net.run(), wire);
    let timeout = Timer::after_secs(20);
    let done = select(script, select(everything, timeout));
    match futures_executor::block_on(done) {
        Either::First(()) => {}
        Either::Second(Either::First(
            Either3::First(_) | Either3::Second(_) | Either3::Third(_),
        )) => {
            unreachable!("they run for ever")
        }
        Either::Second(Either::Second(())) => {
            panic!("not done after {:?}: {:?}", begun.elapsed(), totals())
        }
    }
    // The accounts of both ends agree to the last event.
    let ledger = STATS.account(&totals());
    assert_eq!((ledger.sent, ledger.lost), (seen.events + seen.alarms, seen.lost));
    assert!(ledger.unconfirmed == 0 && ledger.closes());
    assert_eq!((seen.alarms, seen.total), (5, 300));
    assert!(seen.repeated >= 5, "they were sent until they were acknowledged");
}
