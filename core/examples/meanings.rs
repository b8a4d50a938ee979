//! Prints what datagrams mean, in the same words as `docs/decoder.mjs`, so that the two can be compared.
//!
//! ```text
//! meanings                  reads lines as that program does, and prints a line for each
//! meanings fuzz N SEED      prints N such lines, made from the golden datagrams by damaging them
//! ```

#[path = "../tests/given/meaning.rs"]
mod meaning;

use std::fmt::Write as _;
use std::io::{BufRead, Write, stdin, stdout};

use ringstat_core::testkit::Rng;
use ringstat_core::wire::Decoder;
use serde_json::Value as Json;

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::BufWriter::new(stdout().lock());
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let mut decoder: Box<Decoder> = Box::default();
            for line in stdin().lock().lines() {
                writeln!(out, "{}", answer(&mut decoder, &line?))?;
            }
        }
        ["fuzz", n, seed] => {
            let mut fuzz = Fuzz::new(seed.parse().expect("SEED is a number"));
            for _ in 0..n.parse().expect("N is a number") {
                writeln!(out, "{}", fuzz.line())?;
            }
        }
        _ => panic!("meanings, or meanings fuzz N SEED"),
    }
    out.flush()
}

fn answer(decoder: &mut Decoder, line: &str) -> Json {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or("");
    let mut datagrams: Vec<Vec<u8>> = words.map(bytes).collect();
    match first {
        "ack" => meaning::of_ack(&datagrams.pop().unwrap_or_default()),
        "receipt" => meaning::of_receipt(&datagrams.pop().unwrap_or_default()),
        "arrive" => meaning::of_arrivals(decoder, &datagrams, false),
        "join" => meaning::of_arrivals(decoder, &datagrams, true),
        hex => meaning::of_datagram(decoder, &bytes(hex)),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    bytes.iter().for_each(|b| write!(out, "{b:02x}").unwrap());
    out
}

/// Where the flags stand in a datagram, and where the account begins behind them.
const FLAGS: usize = 22;
const ACCOUNT: usize = 23;
const CHECKSUM: usize = 4;

/// A golden datagram taken apart.
struct Seed {
    flags: u8,
    records: u16,
    account: Vec<u8>,
    body: Vec<u8>,
}

impl Seed {
    fn of(datagram: &[u8]) -> Option<Self> {
        let inner = datagram.get(ACCOUNT..datagram.len().checked_sub(CHECKSUM)?)?;
        let flags = datagram[FLAGS];
        let varints = 4 + usize::from(flags >> 1 & 1);
        let ends = (0..inner.len()).filter(|i| inner[*i] < 0x80);
        let (account, body) = inner.split_at(ends.take(varints).last()? + 1);
        Some(Self {
            flags,
            records: u16::from_le_bytes([datagram[20], datagram[21]]),
            account: account.to_vec(),
            body: body.to_vec(),
        })
    }
}

/// Damages golden datagrams, and shuffles their records into others.
struct Fuzz {
    rng: Rng,
    /// Of golden datagrams, valid and refused; the long ones of both fill the tables.
    valid: Vec<Seed>,
    refused: Vec<Seed>,
    long: Vec<Seed>,
    /// What receivers answer: the command for it, and the datagram.
    answers: Vec<(&'static str, Vec<u8>)>,
}

impl Fuzz {
    fn new(seed: u64) -> Self {
        let (mut answers, mut datagrams) = (Vec::new(), Vec::new());
        for line in include_str!("../docs/vectors.jsonl").lines() {
            let vector: Json = serde_json::from_str(line).unwrap();
            let Some(datagram) = vector["hex"].as_str().map(bytes) else { continue };
            let is_answer = |key: &&str| vector.get(key).is_some();
            if let Some(command) = ["ack", "receipt"].into_iter().find(is_answer) {
                answers.push((command, datagram));
            } else if datagram.len() < 60_000 {
                // What is only too long says nothing about records.
                datagrams.push((vector.get("refusal").is_some(), datagram));
            }
        }
        let (mut valid, mut refused, mut long) = (Vec::new(), Vec::new(), Vec::new());
        for (is_refused, datagram) in datagrams {
            let Some(seed) = Seed::of(&datagram) else { continue };
            match (seed.body.len() > 500, is_refused) {
                (true, _) => long.push(seed),
                (_, true) => refused.push(seed),
                (_, false) => valid.push(seed),
            }
        }
        Self { rng: Rng::new(seed), valid, refused, long, answers }
    }

    fn line(&mut self) -> String {
        match self.rng.below(100) {
            0..80 => hex(&self.datagram(0)),
            80..82 => hex(&self.datagram(1)),
            82..90 => self.answer(),
            _ => self.arrivals(),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.below(bound as u64) as usize
    }

    /// The records of some golden datagrams one behind the other, damaged, with a right checksum as a rule. With `long`
    /// ones that fill a table among them.
    fn datagram(&mut self, long: usize) -> Vec<u8> {
        let (mut body, mut records) = (Vec::new(), 0u16);
        let head = self.below(self.valid.len());
        let (mut flags, mut account) = (self.valid[head].flags, self.valid[head].account.clone());
        for i in 0..=self.below(2) + long {
            let seeds = match self.rng.below(8) {
                _ if i < long => &self.long,
                0 => &self.refused,
                _ => &self.valid,
            };
            let seed = &seeds[self.rng.below(seeds.len() as u64) as usize];
            body.extend_from_slice(&seed.body);
            records = records.wrapping_add(seed.records);
            if i == 0 && self.rng.chance(0.9) {
                (flags, account) = (seed.flags, seed.account.clone());
            }
        }
        for _ in 0..self.below(4).saturating_sub(1) {
            self.damage(&mut body);
        }
        match self.below(40) {
            0 => flags = self.rng.next_u64() as u8,
            1 => self.damage(&mut account),
            2 => records = records.wrapping_sub(1),
            3 => records = records.wrapping_add(1),
            4 => flags ^= 4,
            _ => {}
        }
        let mut datagram = b"RS\x10\0".to_vec();
        datagram.extend([7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        datagram.extend(records.to_le_bytes());
        datagram.push(flags);
        datagram.extend(account);
        datagram.extend(body);
        self.framed(datagram)
    }

    fn answer(&mut self) -> String {
        let at = self.below(self.answers.len());
        let (command, mut answer) = self.answers[at].clone();
        answer.truncate(answer.len().saturating_sub(CHECKSUM));
        if self.rng.chance(0.3) {
            self.damage(&mut answer);
        } else if answer.len() > 16 {
            let at = 16 + self.below(answer.len() - 16);
            answer[at] = self.rng.next_u64() as u8;
        }
        format!("{command} {}", hex(&self.framed(answer)))
    }

    /// Adds a checksum, which is wrong now and then, as is what it stands behind.
    fn framed(&mut self, mut datagram: Vec<u8>) -> Vec<u8> {
        match self.below(100) {
            0 => self.damage(&mut datagram),
            1 if datagram.len() > 4 => {
                let at = self.below(4);
                datagram[at] = self.rng.next_u64() as u8;
            }
            2 => datagram.truncate(self.below(30)),
            _ => {}
        }
        seal(&mut datagram);
        match self.below(200) {
            0 => self.damage(&mut datagram),
            1 => datagram.truncate(self.below(30)),
            _ => {}
        }
        datagram
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        const TELLING: [u8; 12] = [0, 1, 2, 3, 4, 6, 16, 0x30, 0x7F, 0x80, 0xC3, 0xFF];
        let at = self.below(bytes.len() + 1);
        let byte = match self.below(3) {
            0 => self.rng.next_u64() as u8,
            _ => TELLING[self.below(TELLING.len())],
        };
        let end = (at + 1 + self.below(12)).min(bytes.len());
        match self.below(8) {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end.max(at))),
            4 => {
                let part = bytes.get(at..end).unwrap_or(&[]).to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            5 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            _ if at < bytes.len() => bytes[at] = byte,
            _ => bytes.push(byte),
        }
    }

    /// Datagrams of a sender that now and then restarts, jumps, goes back or says goodbye, and of another beside it.
    fn arrivals(&mut self) -> String {
        let mut line = if self.rng.chance(0.5) { "arrive" } else { "join" }.to_owned();
        let (mut epoch, mut floor) = (0u32, 0u64);
        let mut next = [0, 0, 5000, u32::MAX - 5][self.below(4)];
        let mut other = (1, 0);
        for _ in 0..1 + self.below(40) {
            match self.below(20) {
                0 => (epoch, next) = (self.below(6) as u32, self.below(3) as u32),
                1 => {
                    next = next.wrapping_add([900, 1022, 1023, 1024, 1025, 100_000][self.below(6)])
                }
                2 => next = next.wrapping_sub([900, 1023, 1024, 1025, 2048][self.below(5)]),
                3 => next = self.rng.next_u64() as u32,
                4 => {
                    floor = floor.saturating_add([1, 8, 500, 1024, u64::MAX - 2000][self.below(5)])
                }
                5 => floor = floor.saturating_sub(self.rng.below(700)),
                6..9 => ((epoch, next), other) = (other, (epoch, next)),
                _ => {}
            }
            let sequence = next.wrapping_sub(self.below(4) as u32);
            next = next.wrapping_add(self.below(3) as u32);
            let mut datagram = b"RS\x10\0".to_vec();
            datagram.extend(7u64.to_le_bytes());
            datagram.extend(epoch.to_le_bytes());
            datagram.extend(sequence.to_le_bytes());
            let ids = self.below(4) as u8;
            let flags = if self.rng.chance(0.1) { 18 } else { 2 };
            datagram.extend([ids, 0, flags, 0, 0, 0, 0]);
            varint(floor, &mut datagram);
            for _ in 0..ids {
                // An event "e", which says 1.
                datagram.extend([0xBD, 0x23, 0, 1, b'e', 0]);
                let above = if self.rng.chance(0.1) { 2000 } else { 12 };
                varint(self.rng.below(above).min(u64::MAX - floor), &mut datagram);
            }
            seal(&mut datagram);
            write!(line, " {}", hex(&datagram)).unwrap();
        }
        line
    }
}

fn varint(mut v: u64, out: &mut Vec<u8>) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn seal(datagram: &mut Vec<u8>) {
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(datagram);
    datagram.extend(sum.to_le_bytes());
}
