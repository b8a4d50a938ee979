//! A hand-written name server over a device in memory, which answers "no such name" at first.

use std::net::Ipv4Addr;

use embassy_futures::select::{Either, select, select3};
use embassy_net::{IpEndpoint, Ipv4Cidr, StackResources, StaticConfigV4};
use embassy_net_driver_channel as channel;
use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use embassy_time::Timer;
use ringstat_embassy::resolve;

const CHIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const COLLECTOR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
/// The position of the flags and the answer count in a query's header (RFC 1035, 4.1).
const FLAGS: std::ops::Range<usize> = 2..4;
const ANSWERS: std::ops::Range<usize> = 6..8;

/// The reply to a packet, if the packet is a query: IP, UDP and DNS.
fn answer(packet: &[u8], known: bool) -> Option<Vec<u8>> {
    let is_query = packet.get(9) == Some(&17) && packet.get(22..24)? == 53u16.to_be_bytes();
    let query = packet.get(28..).filter(|_| is_query)?;
    let mut dns = query.to_vec();
    // A response; code 3 means "no such name".
    dns[FLAGS].copy_from_slice(&[0x81, if known { 0x80 } else { 0x83 }]);
    if known {
        dns[ANSWERS].copy_from_slice(&[0, 1]);
        // The name in the question, type A, class IN, valid for a minute.
        dns.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        dns.extend(COLLECTOR.octets());
    }
    let length = (28 + dns.len()) as u16;
    let mut reply = vec![0x45, 0];
    reply.extend(length.to_be_bytes());
    reply.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    reply.extend(SERVER.octets());
    reply.extend(CHIP.octets());
    let sum: u32 = reply.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    let sum = !((sum & 0xFFFF) + (sum >> 16)) as u16;
    reply[10..12].copy_from_slice(&sum.to_be_bytes());
    reply.extend(53u16.to_be_bytes());
    reply.extend(&packet[20..22]);
    reply.extend((length - 20).to_be_bytes());
    reply.extend([0, 0]);
    reply.extend(dns);
    Some(reply)
}

#[test]
fn a_name_is_asked_for_until_it_is_known() {
    let mut state: channel::State<1514, 4, 4> = channel::State::new();
    let (runner, device) = channel::new(&mut state, HardwareAddress::Ip);
    let address = StaticConfigV4 {
        address: Ipv4Cidr::new(CHIP, 24),
        gateway: None,
        dns_servers: [SERVER].into_iter().collect(),
    };
    let mut resources: StackResources<2> = StackResources::new();
    let config = embassy_net::Config::ipv4_static(address);
    let (stack, mut net) = embassy_net::new(device, config, &mut resources, 7);
    let (link, mut rx, mut tx) = runner.split();
    link.set_link_state(LinkState::Up);
    let mut queries = 0;
    let wire = async {
        loop {
            let frame = tx.tx_buf().await.to_vec();
            tx.tx_done();
            let Some(reply) = answer(&frame, queries > 0) else { continue };
            queries += 1;
            rx.rx_buf().await[..reply.len()].copy_from_slice(&reply);
            rx.rx_done(reply.len());
        }
    };
    let done = select(
        resolve(stack, "metrics.example.org", 8125),
        select3(net.run(), wire, Timer::after_secs(20)),
    );
    let Either::First(found) = futures_executor::block_on(done) else { panic!("never found") };
    assert_eq!(found, IpEndpoint::from((COLLECTOR, 8125)));
    assert_eq!(queries, 2, "once more after it was not known");
}
