//! Captures of network traffic: pcap and pcapng files, down to the UDP payloads.
//!
//! Link types: Ethernet (with VLAN tags), raw IP, BSD and OpenBSD loopback, Linux cooked (both versions). A sender on
//! Linux may pass several datagrams to the kernel at once (UDP_SEGMENT); a capture taken before the kernel separates
//! them has them in one long packet, which is separated here.

use std::io::{self, BufRead, Cursor, Read};
use std::path::Path;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::pcapng::Block;
use pcap_parser::{Linktype, PcapBlockOwned, PcapError, create_reader};
use ringstat_core::format::Header;
use ringstat_core::wire::MAGIC;

use crate::common::failure::{Exit, Failure, Outcome};

/// The size of the largest packet, which is tcpdump's own limit.
const PACKET_LIMIT: usize = 256 << 10;

/// What a captured packet contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packet<'a> {
    /// A datagram for ringstat.
    Datagram(&'a [u8]),
    /// A datagram that was only captured in part.
    CutShort,
    /// A fragment of a UDP packet.
    Fragment,
    /// Something else.
    Other,
}

/// Whether a file that begins with `head` is a capture.
pub(crate) fn is_capture(head: &[u8]) -> bool {
    const PCAP: [[u8; 4]; 5] = [
        [0xA1, 0xB2, 0xC3, 0xD4],
        [0xD4, 0xC3, 0xB2, 0xA1],
        [0xA1, 0xB2, 0x3C, 0x4D],
        [0x4D, 0x3C, 0xB2, 0xA1],
        [0x0A, 0x0D, 0x0D, 0x0A],
    ];
    PCAP.iter().any(|magic| head == magic)
}

/// Reads the rest of the file's own header into `head`, which holds its first four bytes. The parser needs the header
/// in one piece, but a pipe may deliver less at a time.
fn complete(head: &mut Vec<u8>, from: &mut impl BufRead) -> io::Result<()> {
    const SECTION: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];
    let mut up_to = |head: &mut Vec<u8>, length: usize| {
        let more = length.saturating_sub(head.len());
        from.take(more as u64).read_to_end(head)
    };
    if !head.starts_with(&SECTION) {
        return up_to(head, 24).map(drop);
    }
    // The block's type, its length, and the magic number that gives the byte order.
    up_to(head, 12)?;
    if let [_, _, _, _, a, b, c, d, mark, ..] = head[..] {
        let length = if mark == 0x1A { u32::from_be_bytes } else { u32::from_le_bytes };
        up_to(head, (length([a, b, c, d]) as usize).min(PACKET_LIMIT))?;
    }
    Ok(())
}

/// Passes the packets of a capture to `each`, with their numbers from 1 on, as Wireshark counts them. The first bytes
/// of the file are already in `head`.
pub(crate) fn read(
    mut head: Vec<u8>,
    mut from: impl BufRead + Send,
    path: &Path,
    port: Option<u16>,
    mut each: impl FnMut(u64, Packet<'_>) -> io::Result<()>,
) -> Outcome {
    let damaged = |what: &str| {
        Failure::new(Exit::Verdict, format_args!("{}: {what}", path.display()))
            .hint("What stands before the damage was decoded. `tcpdump -r FILE` shows whether it is readable.")
    };
    complete(&mut head, &mut from).map_err(|e| Failure::file("read", path, &e))?;
    let from = Cursor::new(head).chain(from);
    let mut reader = create_reader(2 * PACKET_LIMIT, from)
        .map_err(|e| damaged(&format!("not a capture: {e}")))?;
    let (mut number, mut links) = (0, Links::default());
    loop {
        let exhausted = reader.reader_exhausted();
        let used = match reader.next() {
            Ok((used, block)) => {
                if let Some(captured) = links.packet(&block) {
                    number += 1;
                    captured.classify(port, |packet| each(number, packet))?;
                }
                used
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) if !exhausted => {
                reader.refill().map_err(|e| damaged(describe(&e)))?;
                continue;
            }
            Err(PcapError::Incomplete(_) | PcapError::UnexpectedEof) => {
                return Err(damaged("ends inside a packet"));
            }
            Err(e) => return Err(damaged(&format!("behind packet {number}: {}", describe(&e)))),
        };
        reader.consume(used);
    }
}

/// The link types of the interfaces that a capture was taken on.
#[derive(Default)]
struct Links(Vec<Linktype>);

/// A packet as it was captured.
struct Captured<'a> {
    link: Linktype,
    data: &'a [u8],
    /// Whether part of it is missing.
    cut: bool,
}

impl Links {
    /// The packet in a block of the file, if the block holds one.
    fn packet<'a>(&mut self, block: &PcapBlockOwned<'a>) -> Option<Captured<'a>> {
        let (interface, data, caplen, origlen) = match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.0 = vec![header.network];
                return None;
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.0.clear();
                return None;
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                self.0.push(interface.linktype);
                return None;
            }
            PcapBlockOwned::Legacy(p) => (0, p.data, p.caplen, p.origlen),
            PcapBlockOwned::NG(Block::EnhancedPacket(p)) => {
                (p.if_id as usize, p.data, p.caplen, p.origlen)
            }
            PcapBlockOwned::NG(Block::SimplePacket(p)) => {
                (0, p.data, p.origlen.min(p.data.len() as u32), p.origlen)
            }
            PcapBlockOwned::NG(_) => return None,
        };
        Some(Captured {
            // A packet from an interface without a description counts as something else.
            link: self.0.get(interface).copied().unwrap_or(Linktype(-1)),
            // The file pads packets to a multiple of four bytes.
            data: data.get(..caplen as usize).unwrap_or(data),
            cut: caplen < origlen,
        })
    }
}

/// A description of a parser's error without the rest of the file, which the error contains.
fn describe<I>(error: &PcapError<I>) -> &'static str {
    match error {
        PcapError::BufferTooSmall => "a packet of more than 256 KiB",
        PcapError::ReadError => "cannot be read",
        _ => "damaged",
    }
}

impl Captured<'_> {
    /// Finds the UDP payload and classifies it.
    fn classify(
        &self,
        port: Option<u16>,
        mut each: impl FnMut(Packet<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(packet) = slice(self.link, self.data) else { return each(Packet::Other) };
        if let Some(TransportSlice::Udp(udp)) = &packet.transport {
            let payload = udp.payload();
            let ours = match port {
                Some(port) => udp.destination_port() == port,
                None => payload.starts_with(&MAGIC),
            };
            if !ours {
                return each(Packet::Other);
            }
            if self.cut {
                return each(Packet::CutShort);
            }
            return segments(payload).try_for_each(|datagram| each(Packet::Datagram(datagram)));
        }
        let payload = packet.net.as_ref().and_then(LaxNetSlice::ip_payload_ref);
        match payload {
            Some(ip)
                if ip.fragmented && ip.ip_number == etherparse::IpNumber::UDP && port.is_some() =>
            {
                each(Packet::Fragment)
            }
            _ => each(Packet::Other),
        }
    }
}

fn slice(link: Linktype, data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    /// Parses what follows a link header of `length` bytes with the EtherType at `at`.
    fn typed(data: &[u8], at: usize, length: usize) -> Option<LaxSlicedPacket<'_>> {
        let kind = u16::from_be_bytes(*data.get(at..)?.first_chunk()?);
        Some(LaxSlicedPacket::from_ether_type(EtherType(kind), data.get(length..)?))
    }
    /// Raw IP is 12 or 14 in captures from some BSDs.
    const RAW_BSD: [Linktype; 2] = [Linktype(12), Linktype(14)];
    match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok(),
        Linktype::LINUX_SLL => typed(data, 14, 16),
        Linktype::LINUX_SLL2 => typed(data, 0, 20),
        // Four bytes with the address family in unknown byte order; the IP version says the same.
        Linktype::NULL | Linktype::LOOP => LaxSlicedPacket::from_ip(data.get(4..)?).ok(),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => LaxSlicedPacket::from_ip(data).ok(),
        link if RAW_BSD.contains(&link) => LaxSlicedPacket::from_ip(data).ok(),
        _ => None,
    }
}

/// Separates datagrams that were sent in one call: all of one length, except that the last may be shorter, each with
/// the sender and epoch of the first and the next sequence number. Anything else is a single datagram.
fn segments(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let length = segment_length(payload).unwrap_or(payload.len()).max(1);
    payload.chunks(length)
}

fn segment_length(payload: &[u8]) -> Option<usize> {
    let first = Header::parse(payload).ok()?;
    let next = Header { sequence: first.sequence.wrapping_add(1), ..first };
    let length = payload.windows(Header::LEN).skip(1).position(|w| w == next.emit())? + 1;
    let continues = |(i, segment): (u32, &[u8])| {
        let expected = Header { sequence: first.sequence.wrapping_add(i), ..first };
        segment.starts_with(&expected.emit())
    };
    (0..).zip(payload.chunks(length)).all(continues).then_some(length)
}

#[cfg(test)]
mod tests;
