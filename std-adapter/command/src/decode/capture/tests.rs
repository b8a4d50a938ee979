use super::*;
use etherparse::PacketBuilder;
use ringstat_core::format::Prologue;
use ringstat_core::wire::Encoder;

const PORT: u16 = 8125;

/// An empty datagram of sender 7 with this sequence number, padded to `length` bytes.
fn datagram(sequence: u32, length: usize) -> Vec<u8> {
    let mut encoder: Encoder = Encoder::new();
    let mut buffer = vec![0; length];
    let header = Header { sender: 7, sequence, ..Header::default() };
    let datagram = encoder.begin(&mut buffer, &header, &Prologue::default()).unwrap();
    assert_eq!(datagram.finish(true), length);
    buffer
}

fn udp(v6: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    if v6 {
        let builder = PacketBuilder::ipv6([1; 16], [2; 16], 64).udp(40_000, PORT);
        builder.write(&mut packet, payload).unwrap();
    } else {
        let builder = PacketBuilder::ipv4([127, 0, 0, 1], [127, 0, 0, 1], 64).udp(40_000, PORT);
        builder.write(&mut packet, payload).unwrap();
    }
    packet
}

/// An IP packet after the header of a link type.
fn framed(link: u32, ip: &[u8]) -> Vec<u8> {
    let v6 = ip[0] >> 4 == 6;
    let kind: [u8; 2] = if v6 { [0x86, 0xDD] } else { [0x08, 0x00] };
    let header = match link {
        1 => [[0; 12].as_slice(), &kind].concat(),
        113 => [[0; 14].as_slice(), &kind].concat(),
        276 => [kind.as_slice(), &[0; 18]].concat(),
        0 | 108 => vec![if v6 { 30 } else { 2 }, 0, 0, 0],
        _ => Vec::new(),
    };
    [header, ip.to_vec()].concat()
}

/// A pcap file with these packets; for each, the captured part and the full length.
fn pcap(link: u32, packets: &[(&[u8], usize)]) -> Vec<u8> {
    let mut file = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    file.extend(link.to_le_bytes());
    for (packet, length) in packets {
        file.extend([0; 8]);
        file.extend((packet.len() as u32).to_le_bytes());
        file.extend((*length as u32).to_le_bytes());
        file.extend(*packet);
    }
    file
}

/// What is found in a file.
fn found(file: &[u8], port: Option<u16>) -> Result<Vec<(u64, String)>, Failure> {
    assert!(is_capture(&file[..4]));
    let mut found = Vec::new();
    let (head, rest) = file.split_at(4);
    // As from a pipe that delivers a byte at a time.
    let rest = std::io::BufReader::with_capacity(1, rest);
    read(head.to_vec(), rest, Path::new("test"), port, |number, packet| {
        found.push((
            number,
            match packet {
                Packet::Datagram(bytes) => {
                    let header = Header::parse(bytes);
                    header
                        .map_or("foreign".into(), |h| format!("{} of {}", h.sequence, bytes.len()))
                }
                other => format!("{other:?}"),
            },
        ));
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn datagrams_are_found_behind_every_kind_of_link() {
    for link in [0, 1, 12, 101, 108, 113, 276, 228, 229] {
        for v6 in [false, true] {
            let packet = framed(link, &udp(v6, &datagram(3, 200)));
            let file = pcap(link, &[(&packet, packet.len())]);
            assert_eq!(found(&file, None).unwrap(), [(1, "3 of 200".into())], "{link} {v6}");
        }
    }
}

#[test]
fn the_kernels_segments_are_cut_apart() {
    let long = [datagram(8, 300), datagram(9, 300), datagram(10, 140)].concat();
    let packet = udp(false, &long);
    let file = pcap(101, &[(&packet, packet.len())]);
    let expected = ["8 of 300", "9 of 300", "10 of 140"].map(|d| (1, d.to_owned()));
    assert_eq!(found(&file, None).unwrap(), expected);
    // A number is missing, so this is not a group of datagrams sent in one call.
    let odd = [datagram(8, 300), datagram(9, 300), datagram(11, 140)].concat();
    let packet = udp(false, &odd);
    let file = pcap(101, &[(&packet, packet.len())]);
    assert_eq!(found(&file, None).unwrap(), [(1, "8 of 740".into())]);
}

#[test]
fn other_traffic_is_told_apart() {
    let ours = udp(false, &datagram(0, 200));
    let text = udp(false, b"statsd.text:1|c");
    let mut tcp = Vec::new();
    PacketBuilder::ipv4([1; 4], [2; 4], 9).tcp(1, PORT, 0, 9).write(&mut tcp, b"RS").unwrap();
    let mut fragment = udp(false, &datagram(1, 200));
    fragment[6] = 0x20;
    let cut = &ours[..100];
    let runt = vec![0; 3];
    let packets = [&text, &tcp, &fragment, &ours, &runt].map(|p| (p.as_slice(), p.len()));
    let file = pcap(101, &[&packets[..], &[(cut, ours.len())]].concat());
    let kinds = |port| {
        let found = found(&file, port).unwrap();
        assert!(found.iter().map(|(number, _)| *number).eq(1..=6));
        found.into_iter().map(|(_, kind)| kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(None), ["Other", "Other", "Other", "0 of 200", "Other", "CutShort"]);
    assert_eq!(
        kinds(Some(PORT)),
        ["foreign", "Other", "Fragment", "0 of 200", "Other", "CutShort"]
    );
    // A fragment has no port by which it could be excluded.
    assert_eq!(kinds(Some(1)), ["Other", "Other", "Fragment", "Other", "Other", "Other"]);
}

#[test]
fn a_damaged_file_is_read_up_to_the_damage() {
    let packet = udp(false, &datagram(0, 200));
    let mut file = pcap(101, &[(&packet, packet.len())]);
    file.extend([0; 10]);
    let mut seen = 0;
    let result = read(Vec::new(), file.as_slice(), Path::new("test"), None, |_, _| {
        seen += 1;
        Ok(())
    });
    assert_eq!(seen, 1);
    assert!(result.is_err());
    for length in 4..file.len() {
        // No prefix of the file does more harm than an early end.
        let _ = found(&file[..length], None);
    }
}

#[test]
fn pcapng_packets_name_their_interface() {
    let packet = framed(276, &udp(true, &datagram(5, 201)));
    let block = |kind: u32, body: &[u8]| {
        let body = [body, &vec![0; body.len().wrapping_neg() % 4]].concat();
        let length = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes(), length.as_slice(), &body, &length].concat()
    };
    let section = block(
        0x0A0D_0D0A,
        &[&0x1A2B_3C4Du32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xFF; 8]].concat(),
    );
    let interface = |link: u8, high: u8| block(1, &[link, high, 0, 0, 0, 0, 4, 0]);
    let length = (packet.len() as u32).to_le_bytes();
    let head = [[1, 0, 0, 0], [0; 4], [0; 4], length, length].concat();
    let file = [
        section,
        interface(1, 0),
        interface(20, 1),
        block(6, &[head, packet].concat()),
        block(5, &[0; 12]),
    ]
    .concat();
    assert_eq!(found(&file, None).unwrap(), [(1, "5 of 201".into())]);
}
