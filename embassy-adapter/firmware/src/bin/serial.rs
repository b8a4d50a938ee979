//! A chip without a network, which records, sends over its UART, and prints its account at the end.
//!
//! All arguments are optional: `events=N`, `critical=N`, `pace=MICROSECONDS` between two records.
#![no_std]
#![no_main]

use ringstat_firmware::{entry, host};

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    host::panicked(info)
}

#[cfg(mps2)]
#[entry]
fn main() -> ! {
    ringstat_firmware::board::init();
    host::fail("this board sends over Ethernet")
}

#[cfg(not(mps2))]
#[entry]
fn main() -> ! {
    line::main()
}

#[cfg(not(mps2))]
mod line {
    use ringstat_core::chip::{Line, LineConfig};
    use ringstat_core::instrument::Counter;
    use ringstat_core::prelude::*;
    use ringstat_core::record::NoNames;
    use ringstat_firmware::board::{self, Uart, micros};
    use ringstat_firmware::host::{self, Args};
    use ringstat_firmware::report::Report;
    use static_cell::StaticCell;

    static REQUESTS: Counter = Counter::new("requests");
    static STATS: Stats<32, 8> = Stats::new(event_ring!(32), Clock::micros(micros))
        .critical(event_ring!(8))
        .instruments(&[&REQUESTS]);

    pub(super) fn main() -> ! {
        static LINE: StaticCell<Line<'_, 32, 8, NoNames, 192>> = StaticCell::new();
        board::init();
        let args = Args::read();
        let (events, critical): (u32, u32) =
            (args.parse("events", 2000), args.parse("critical", 100));
        let pace: u64 = args.parse("pace", 1000);
        let mut config = LineConfig::new(&STATS, Identity::new(7, Epoch::stored(1)));
        config.sender.retry = config.sender.retry.without_end();
        let line = LINE.init(Line::new(&STATS, config));
        let mut uart = Uart::start();
        let (mut recorded, mut alarms) = (0, 0);
        let mut next = micros();
        loop {
            line.serve(&mut uart);
            if recorded < events && micros() >= next {
                next = micros() + pace;
                recorded += 1;
                REQUESTS.inc();
                STATS.count("events", 1u8).record();
            }
            // No more than there is room for, so that none is refused.
            let due = u64::from(recorded) * u64::from(critical) / u64::from(events.max(1));
            if u64::from(alarms) < due && line.totals().acknowledged + 8 > u64::from(alarms) {
                alarms += 1;
                STATS.count("critical", 1u8).priority(Priority::Critical).record();
            }
            let ledger = line.ledger();
            let all = recorded == events && alarms == critical;
            if all && ledger.in_flight == 0 && ledger.unconfirmed == 0 {
                break;
            }
        }
        // The final state of the counter is sent several times, since the line may lose it.
        let end = micros() + 5_000_000;
        while micros() < end {
            line.serve(&mut uart);
        }
        let more = [("requests", REQUESTS.total())];
        let report = Report { ledger: line.ledger(), totals: *line.totals(), more: &more };
        host::say(format_args!("{report}"));
        host::exit(report.ledger.closes())
    }
}
