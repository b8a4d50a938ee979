//! Checksums: CRC-32 (ISO-HDLC), which ends every datagram, over the lengths that datagrams have.
//!
//! ringstat uses `crc32fast` on hosts, and the `crc` crate with a table of 1 KiB on chips. They are compared with the
//! same crate without a table and with one of 16 KiB, and with eight lines that work bit by bit.
//!
//! Each implementation must agree with the checksum in a datagram that ringstat packed.
//!
//! `cargo bench -p ringstat-benches --bench checksums`

use std::hint::black_box;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable, Table};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringstat_benches::corpus;

/// Lengths from a heartbeat to a jumbo frame, in bytes.
const LENGTHS: [usize; 4] = [64, 512, 1472, 8972];

static NONE: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
static ONE: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);
static SIXTEEN: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

fn bit_by_bit(bytes: &[u8]) -> u32 {
    let mut sum = !0u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

const IMPLEMENTATIONS: [(&str, fn(&[u8]) -> u32); 5] = [
    ("crc32fast, ringstat on hosts", |bytes| crc32fast::hash(bytes)),
    ("crc 1 KiB, ringstat on chips", |bytes| ONE.checksum(bytes)),
    ("crc 16 KiB", |bytes| SIXTEEN.checksum(bytes)),
    ("crc without a table", |bytes| NONE.checksum(bytes)),
    ("bit by bit", bit_by_bit),
];

/// Returns the beginning of a datagram and its checksum, computed the slow way, which is checked against the checksum
/// that ringstat wrote at the end of the whole datagram.
fn beginning(length: usize) -> (Vec<u8>, u32) {
    let events = corpus::events(2000).expect("the corpus is sound");
    // Datagrams with events are longer than the shortest length here.
    let mut bytes = corpus::datagrams(&events, length.max(512)).swap_remove(0);
    let sum = bytes.split_off(bytes.len() - 4);
    assert_eq!(bit_by_bit(&bytes).to_le_bytes(), *sum, "ringstat's checksum");
    bytes.truncate(length);
    let sum = bit_by_bit(&bytes);
    (bytes, sum)
}

fn checksums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksums");
    for length in LENGTHS {
        let (bytes, sum) = beginning(length);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        for (name, checksum) in IMPLEMENTATIONS {
            assert_eq!(checksum(&bytes), sum, "{name}, {length} bytes");
            group.bench_function(BenchmarkId::new(name, length), |b| {
                b.iter(|| checksum(black_box(&bytes)));
            });
        }
    }
}

criterion_group!(benches, checksums);
criterion_main!(benches);
