//! Interrupts that record in the middle of a record call, at random points: two timers interrupt the task's calls, and
//! the second one also those of the first.
//!
//! Argument `times=N`: this many interrupts must have arrived in the middle of a call. Every event that comes out must
//! be one that was recorded, the events of each source must be in order, and none may be missing unless it was refused.
//! The emulator must count instructions (`-icount`); otherwise it delivers interrupts only between basic blocks.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use portable_atomic::Ordering::Relaxed;
use portable_atomic::{AtomicBool, AtomicU32};
use ringstat_core::chip::{Clock, Stats};
use ringstat_core::event_ring;
use ringstat_core::format::TimeUnit;
use ringstat_core::instrument::{Counter, Gauge};
use ringstat_core::send::{Identity, LeanSender, Sender, SenderConfig, Step, Time};
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_firmware::board::{self, Timer, ticks};
use ringstat_firmware::report::Report;
use ringstat_firmware::{host, sample};
use static_cell::StaticCell;

static CALLS: Counter = Counter::new("calls");
/// Two words on a chip: half of one value and half of another would be neither.
static LEVEL: Gauge = Gauge::new("level");
static STATS: Stats<48> =
    Stats::new(event_ring!(48), Clock::micros(|| 0)).instruments(&[&CALLS, &LEVEL]);
static DECODER: StaticCell<Decoder<48, 768>> = StaticCell::new();

/// The sources of records: the task, the timer that interrupts it, and the timer that interrupts both.
const SOURCES: u32 = 3;
static BUSY: [AtomicBool; SOURCES as usize] = [const { AtomicBool::new(false) }; 3];
static NEXT: [AtomicU32; SOURCES as usize] = [const { AtomicU32::new(0) }; 3];
/// How many interrupts arrived while another source was recording.
static MIDDLE: AtomicU32 = AtomicU32::new(0);
/// The duration of a record call, in ticks.
static CALL: AtomicU32 = AtomicU32::new(0);

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    host::panicked(info)
}

#[entry]
fn main() -> ! {
    board::init();
    let times: u32 = host::Args::read().parse("times", 1_000_000);
    let config = SenderConfig { payload: 512, ..SenderConfig::new(TimeUnit::Micros) };
    let mut sender: LeanSender = Sender::new(Identity { sender: 7, epoch: 1 }, &config);
    let mut check = Check { decoder: DECODER.init(Decoder::new()), seen: [0; 3], out: 0 };
    let before = ticks();
    record(0);
    CALL.store(ticks().wrapping_sub(before), Relaxed);
    while MIDDLE.load(Relaxed) < times {
        for _ in 0..16 {
            interrupt_soon(Timer::Low, || {
                interrupt_soon(Timer::High, || record(2));
                record(1);
            });
            record(0);
        }
        // A late interrupt arrives while the ring is drained, which must be harmless as well.
        check.drain(&mut sender);
    }
    // Waits for the last interrupt, if it is still to come.
    let late = ticks();
    while ticks().wrapping_sub(late) < 4 * CALL.load(Relaxed) {}
    check.drain(&mut sender);
    let ledger = STATS.ledger(&sender);
    let calls = NEXT.iter().map(|n| u64::from(n.load(Relaxed))).sum::<u64>();
    let complete = ledger.closes()
        && ledger.in_flight == 0
        && (ledger.recorded, CALLS.total()) == (calls, calls)
        && ledger.sent == check.out;
    let more = [
        ("middle", MIDDLE.load(Relaxed).into()),
        ("calls", calls),
        ("call_ticks", CALL.load(Relaxed).into()),
    ];
    host::say(format_args!("{}", Report { ledger, totals: *sender.totals(), more: &more }));
    host::exit(complete)
}

/// Makes one record call of each kind, as one source.
fn record(source: u32) {
    let at = source as usize;
    if BUSY[..at].iter().any(|busy| busy.load(Relaxed)) {
        MIDDLE.store(MIDDLE.load(Relaxed) + 1, Relaxed);
    }
    let number = SOURCES * NEXT[at].load(Relaxed) + source;
    NEXT[at].store(number / SOURCES + 1, Relaxed);
    BUSY[at].store(true, Relaxed);
    CALLS.inc();
    LEVEL.set(f64::from_bits(twice(number)));
    sample::record(&STATS, number);
    BUSY[at].store(false, Relaxed);
}

/// A finite number both halves of whose bits follow from `number`.
fn twice(number: u32) -> u64 {
    let half = u64::from(number & 0x3FFF_FFFF);
    half << 32 | half
}

/// Sets a timer to interrupt during the next record call, or soon after.
fn interrupt_soon(timer: Timer, handler: fn()) {
    static RANDOM: AtomicU32 = AtomicU32::new(0x9E37_79B9);
    // Marsaglia's xorshift (2003). An interrupt in between draws the same number, which is harmless.
    let mut random = RANDOM.load(Relaxed);
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    RANDOM.store(random, Relaxed);
    board::interrupt(timer, 1 + random % CALL.load(Relaxed).max(1), handler);
}

struct Check {
    decoder: &'static mut Decoder<48, 768>,
    /// One more than the number of the last event from each source.
    seen: [u32; SOURCES as usize],
    out: u64,
}

impl Check {
    /// Packs and unpacks everything that waits.
    fn drain(&mut self, sender: &mut LeanSender) {
        let mut buf = [0; 512];
        sender.flush();
        while let Step::Send(packed) = STATS.poll(sender, Time::default(), &mut buf) {
            let Ok(mut opened) = self.decoder.open(&buf[..packed.len]) else {
                host::fail("a datagram was refused")
            };
            while let Some(record) = opened.next() {
                let Ok(record) = record else { host::fail("a record was refused") };
                match record.body {
                    Body::Event(_) => {
                        let Some(number) = sample::number_of(&record) else {
                            host::fail("a torn event")
                        };
                        let seen = &mut self.seen[(number % SOURCES) as usize];
                        if number < *seen {
                            host::fail("events of one source in another order, or twice")
                        }
                        *seen = number + 1;
                        self.out += 1;
                    }
                    Body::Level(level) => {
                        let bits = level.as_f64().to_bits();
                        if bits >> 32 != bits & 0xFFFF_FFFF {
                            host::fail("a torn gauge")
                        }
                    }
                    _ => {}
                }
            }
            sender.sent(packed);
        }
    }
}
