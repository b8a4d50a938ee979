//! Record, batch, pack, decode and compare, on a chip without a network: argument `events=N`.
#![no_std]
#![no_main]

use ringstat_core::chip::{Clock, Stats};
use ringstat_core::event_ring;
use ringstat_core::format::TimeUnit;
use ringstat_core::instrument::{Counter, Gauge, Histogram};
use ringstat_core::record::Value;
use ringstat_core::send::{ArrayStore, Identity, Sender, SenderConfig, Step, Time};
use ringstat_core::wire::decode::Body;
use ringstat_core::wire::{DecodeError, Decoder, Encoder};
use ringstat_firmware::report::Report;
use ringstat_firmware::{board, entry, host, sample};
use static_cell::StaticCell;

static ROUNDS: Counter = Counter::new("rounds");
static LEVEL: Gauge = Gauge::new("level");
static LENGTHS: Histogram<64> = Histogram::new("lengths");
static STATS: Stats<32> =
    Stats::new(event_ring!(32), Clock::micros(|| 0)).instruments(&[&ROUNDS, &LEVEL, &LENGTHS]);
static DECODER: StaticCell<Decoder<48, 768>> = StaticCell::new();

const PAYLOAD: usize = 512;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    host::panicked(info)
}

#[entry]
fn main() -> ! {
    board::init();
    let events: u32 = host::Args::read().parse("events", 10_000);
    let config = SenderConfig { payload: PAYLOAD, ..SenderConfig::new(TimeUnit::Micros) };
    // The encoder of servers, with small tables: it fits, too.
    let mut sender: Sender<Encoder<16, 0>, ArrayStore<0>, 4> =
        Sender::new(Identity { sender: 7, epoch: 1 }, &config);
    let decoder = DECODER.init(Decoder::new());
    let mut buf = [0; PAYLOAD];
    let (mut next, mut seen) = (0, 0);
    let mut last = (0, Value::U64(0));
    while next < events || seen < events {
        // As many as the ring takes: the first one that it refuses is recorded again, and the refusal is counted.
        while next < events && sample::record(&STATS, next).is_recorded() {
            next += 1;
        }
        ROUNDS.inc();
        LEVEL.set_int(next.cast_signed());
        sender.flush();
        let time = Time { monotonic: u64::from(next), wall: u64::from(next) };
        while let Step::Send(packed) = STATS.poll(&mut sender, time, &mut buf) {
            let datagram = &mut buf[..packed.len];
            let damaged = packed.len / 2;
            datagram[damaged] ^= 0x10;
            if decoder.open(datagram).err() != Some(DecodeError::BadChecksum) {
                host::fail("a damaged datagram was taken");
            }
            datagram[damaged] ^= 0x10;
            let Ok(mut opened) = decoder.open(datagram) else {
                host::fail("a datagram was refused")
            };
            LENGTHS.record(packed.len as u64);
            while let Some(record) = opened.next() {
                let Ok(record) = record else { host::fail("a record was refused") };
                match record.body {
                    Body::Total(total) => last.0 = total,
                    Body::Level(level) => last.1 = level,
                    Body::Buckets(_) | Body::Info(_) | Body::Description(_) => {}
                    Body::Event(_) if sample::number_of(&record) == Some(seen) => seen += 1,
                    Body::Event(_) => host::fail("not the event that was recorded"),
                }
            }
            sender.sent(packed);
        }
    }
    let ledger = STATS.ledger(&sender);
    let more = [("seen", u64::from(seen)), ("rounds", ROUNDS.total())];
    host::say(format_args!("{}", Report { ledger, totals: *sender.totals(), more: &more }));
    let instruments = last == (ROUNDS.total(), Value::I64(events.into()));
    host::exit(ledger.closes() && ledger.sent == u64::from(events) && instruments)
}
