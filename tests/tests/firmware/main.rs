//! Firmware on emulated chips, and the same client over a TAP device, with the real collector:
//! `embassy-adapter/firmware/check.sh` builds both and runs this.
//!
//! Each test has its own network namespace, which requires root. If something cannot be set up, the test fails; nothing
//! is skipped.

mod alone;
mod chip;
mod network;
mod serial;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let trials = vec![
        trial("cortex_m3_records_packs_and_decodes", || alone::checks_itself(chip::MPS2)),
        trial("cortex_m0_records_packs_and_decodes", || alone::checks_itself(chip::MICROBIT)),
        trial("cortex_m3_interrupted_in_the_middle_a_million_times", || {
            alone::interrupted(chip::MPS2);
        }),
        trial("cortex_m0_interrupted_in_the_middle_a_million_times", || {
            alone::interrupted(chip::MICROBIT);
        }),
        trial("rv32imc_records_packs_and_decodes", || alone::checks_itself(chip::RV32IMC)),
        trial("rv32imac_records_packs_and_decodes", || alone::checks_itself(chip::RV32IMAC)),
        trial("everything_arrives_over_a_serial_line", || {
            serial::everything_arrives("m0", chip::MICROBIT);
        }),
        trial("a_bad_serial_line_has_an_exact_account", || {
            serial::a_bad_line("m0-bad", chip::MICROBIT);
        }),
        trial("everything_arrives_over_a_serial_line_of_rv32imc", || {
            serial::everything_arrives("imc", chip::RV32IMC);
        }),
        trial("a_bad_serial_line_of_rv32imac_has_an_exact_account", || {
            serial::a_bad_line("imac-bad", chip::RV32IMAC);
        }),
        trial("everything_arrives", network::everything_arrives),
        trial("everything_arrives_at_any_pace", network::everything_arrives_at_any_pace),
        trial("critical_events_outlive_resets", network::resets),
        trial("a_minute_without_a_collector", network::a_minute_without_a_collector),
        trial("everything_arrives_from_the_host", network::everything_arrives_from_the_host),
        trial("two_devices_are_told_apart", network::two_devices),
        trial("the_collector_is_restarted", network::collector_restarted),
        trial("the_collector_is_restarted_for_the_host", network::collector_restarted_for_the_host),
        trial("the_link_goes_down_and_comes_back", network::link_down_and_up),
        trial("the_cable_is_dead_and_nobody_knows", network::dead_cable),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
