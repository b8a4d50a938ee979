//! Counts the instructions of each call. Run with `-icount shift=8,sleep=off`, so that the clock counts them.
//!
//! Prints a line for each call: a name and the number of instructions of the call alone, without the surrounding loop
//! and closure.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::sync::atomic::{Ordering, compiler_fence};

use cortex_m_rt::entry;
use portable_atomic::AtomicU32;
use ringstat_core::chip::{Clock, EventRing, Stats};
use ringstat_core::format::{Format, Header, Mode, Prologue, TimeUnit};
use ringstat_core::instrument::{Counter, Gauge, Histogram};
use ringstat_core::record::{Event, Kind, NoNames, Recorder, Tag};
use ringstat_core::send::{Identity, LeanSender, Sender, SenderConfig, Step, Time};
use ringstat_core::wire::LeanEncoder;
use ringstat_firmware::{board, host};

static COUNTER: Counter = Counter::new("radio.frames");
static GAUGE: Gauge = Gauge::new("board.celsius");
static HISTOGRAM: Histogram<64> = Histogram::new("loop.micros");
static RING: EventRing<32> = EventRing::new();
static STATS: Stats<32> = Stats::new(&RING, Clock::micros(clock));
static TAGS: [Tag; 3] = [("board", "mps2"), ("bus", "spi"), ("unit", "left")];
static NOW: AtomicU32 = AtomicU32::new(0);

/// One instruction takes 256 ns of the emulator's time.
const TICKS_PER_THOUSAND: u64 = 256 * board::TICKS_PER_SECOND as u64 / 1_000_000;
/// As many calls as the ring has room for.
const CALLS: u32 = 32;
/// Large enough for all of them.
const PAYLOAD: usize = 512;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    host::panicked(info)
}

/// The cost of a chip's clock depends on the chip: here it is a load.
fn clock() -> u64 {
    NOW.load(portable_atomic::Ordering::Relaxed).into()
}

#[entry]
fn main() -> ! {
    board::init();
    let empty = ticks(|_| ());
    let say = |name: &str, ticks: u64, calls: u64| {
        let instructions = (ticks * 1000).div_ceil(calls * TICKS_PER_THOUSAND);
        host::say(format_args!("{name} {instructions}"));
    };
    macro_rules! each {
        ($name:expr, $call:expr) => {
            say($name, ticks($call).saturating_sub(empty), CALLS.into())
        };
    }
    each!("counter_inc", |_| COUNTER.inc());
    each!("counter_add", |n| COUNTER.add(black_box(n.into())));
    each!("gauge_set_int", |n| GAUGE.set_int(black_box(n.cast_signed())));
    each!("gauge_set", |_| _ = GAUGE.set(black_box(21.5)));
    each!("histogram_record", |n| HISTOGRAM.record(black_box(100 * u64::from(n))));

    let mut sender: LeanSender<32> = Sender::new(
        Identity { sender: 7, epoch: 1 },
        &SenderConfig { payload: PAYLOAD, ..SenderConfig::new(TimeUnit::Micros) },
    );
    each!("record_event", |n| _ = black_box(STATS.count("radio.frames", n).record()));
    drain(&mut sender);
    each!("record_event_3_tags", |n| {
        _ = black_box(STATS.count("radio.frames", n).tags(&TAGS).record());
    });
    drain(&mut sender);
    each!("record_event_dynamic_tag", |n| {
        let tag = black_box("uplink");
        _ = black_box(STATS.count("radio.frames", n).tag("port", tag).record());
    });
    drain(&mut sender);
    // With one event and with all of them, to separate what each event adds from the rest.
    let events: [Event; CALLS as usize] = core::array::from_fn(|n| {
        let event = Event::new(Kind::Counter, "radio.frames".into(), (n as u32).into(), n as u64);
        let mut event = event.unwrap_or_else(|_| host::fail("not an event"));
        if event.set_tags(&TAGS).is_err() {
            host::fail("not its tags");
        }
        event
    });
    let mut encoder = LeanEncoder::<32>::new();
    let mut buf = [0; PAYLOAD];
    let header = Header { mode: Mode::Checksum, key: 0, sender: 7, epoch: 1, sequence: 0 };
    let prologue = Prologue { since_boot: true, unit: TimeUnit::Micros, ..Prologue::default() };
    let mut encode = |events: &[Event]| {
        let Ok(mut datagram) = encoder.begin(&mut buf, &header, &prologue) else {
            host::fail("a datagram")
        };
        let encoded = ticks_of(|| {
            for event in events {
                if datagram.event(event, &NoNames).is_err() {
                    host::fail("an event has no room");
                }
            }
        });
        let finished = ticks_of(|| _ = black_box(datagram.finish(false)));
        (encoded, finished)
    };
    let (first, all) = (encode(&events[..1]).0, encode(&events));
    say("encode_event", all.0 - first, u64::from(CALLS) - 1);
    say("encode_first_event", first, 1);
    say("finish_datagram_crc", all.1, 1);
    for n in 0..CALLS {
        _ = STATS.count("radio.frames", n).tags(&TAGS).record();
    }
    sender.flush();
    let mut packed = Step::Wait(0);
    let whole = ticks_of(|| packed = STATS.poll(&mut sender, Time::default(), &mut buf));
    match packed {
        Step::Send(packed) if u32::from(packed.events) == CALLS => sender.sent(packed),
        _ => host::fail("not all in one datagram"),
    }
    say("pack_datagram_of_32_events", whole, 1);
    host::exit(true)
}

/// The ticks of one call.
#[inline(never)]
fn ticks_of(call: impl FnOnce()) -> u64 {
    let before = board::ticks();
    compiler_fence(Ordering::SeqCst);
    call();
    compiler_fence(Ordering::SeqCst);
    board::ticks().wrapping_sub(before).into()
}

/// The ticks of `CALLS` calls.
#[inline(never)]
fn ticks(mut call: impl FnMut(u32)) -> u64 {
    let before = board::ticks();
    for n in 0..CALLS {
        compiler_fence(Ordering::SeqCst);
        call(n);
        compiler_fence(Ordering::SeqCst);
    }
    board::ticks().wrapping_sub(before).into()
}

fn drain(sender: &mut LeanSender<32>) {
    let mut buf = [0; PAYLOAD];
    if STATS.waiting() != CALLS as usize {
        host::fail("not every call recorded");
    }
    sender.flush();
    while let Step::Send(packed) = STATS.poll(sender, Time::default(), &mut buf) {
        sender.sent(packed);
    }
}
