//! Real network failures: a client and a collector, each a process in a network namespace of its own, and a cable
//! between them that is cut, filtered, rerouted and degraded under load; and a disk without room.
//!
//! This requires root, `ip` and `nft`: `.ci/faults` installs them and runs everything. If something cannot be set up,
//! the test fails; nothing is skipped.

mod client;
mod disk;
mod names;
mod netns;
mod outage;
mod redundant;
mod relay;
mod restart;
mod silence;
mod steering;
mod weather;

use libtest_mimic::{Arguments, Trial};
use netns::{Block, Hook};
use ringstat_core::policy::Policy;
use ringstat_core::testkit::Faults;
use silence::Silence;

fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some(client::ROLE) {
        return client::run(&args.next().unwrap_or_default());
    }
    let silences =
        [Silence::Killed, Silence::BlackHole, Silence::Unheard].into_iter().flat_map(|silence| {
            // At most 1000, 20 000 and 400 000 events a second.
            [1, 20, 400].map(|burst| {
                let name = format!("a_collector_that_is_silent_{silence:?}_{burst}");
                trial(&name, move || silence::of(silence, burst))
            })
        });
    let trials = vec![
        trial("a_firewall_that_says_no", || outage::told(Block::Filter, Policy::DropNewest)),
        trial("a_firewall_that_says_no_dropping_the_oldest", || {
            outage::told(Block::Filter, Policy::DropOldest)
        }),
        trial("a_route_that_is_gone", || outage::told(Block::Route, Policy::ByPriority)),
        trial("a_route_that_is_gone_with_degradation_step_by_step", || {
            outage::told(Block::Route, Policy::Graded(10))
        }),
        trial("a_link_that_is_down", || outage::told(Block::Link, Policy::DropNewest)),
        trial("a_link_whose_packets_become_smaller", outage::smaller_packets),
        trial("the_collector_is_killed_and_comes_back", restart::of_the_collector),
        trial("the_sender_is_killed_and_comes_back", restart::of_the_sender),
        trial("two_ways_and_one_of_them_is_forbidden", || redundant::one_way_at_a_time(Hook::Sent)),
        trial("two_ways_and_one_of_them_is_silent", || {
            redundant::one_way_at_a_time(Hook::Received)
        }),
        trial("a_name_with_several_addresses", names::one_of_several),
        trial("a_disk_that_is_full", disk::full),
        trial("the_kernel_gives_each_sender_to_its_thread", steering::by_sender),
        trial("5_percent_loss", || weather::bad(Faults { loss: 0.05, ..Faults::NONE })),
        trial("30_percent_loss", || weather::bad(Faults { loss: 0.3, ..Faults::NONE })),
        trial("10_percent_reordered_and_10_percent_twice", || {
            weather::bad(Faults { reorder: 0.1, duplicate: 0.1, ..Faults::NONE });
        }),
        trial("all_of_it_at_once", || {
            weather::bad(Faults { loss: 0.05, reorder: 0.1, duplicate: 0.1, ..Faults::NONE });
        }),
    ];
    let trials = trials.into_iter().chain(silences).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
