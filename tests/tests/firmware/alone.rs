//! Chips without a network.

use ringstat_tests::netns::Namespace;

use crate::chip::{Board, Setup};

/// Records, batches, packs, decodes and compares.
pub(crate) fn checks_itself(board: Board) {
    let chip = Setup::new(board, "alone", &["events=10000".into()]);
    let said = chip.start(&Namespace::new()).end();
    said.assert_closed();
    assert_eq!((said.number("seen"), said.number("sent")), (10_000, 10_000));
    // Overflowing the ring repeatedly is part of the test.
    assert!(said.number("dropped_total") > 0);
}

/// A million interrupts record, each while something else is recording.
pub(crate) fn interrupted(board: Board) {
    let times = 1_000_000;
    let chip = Setup::new(board, "preempt", &[format!("times={times}")]);
    // With instruction counting, an interrupt can occur between any two instructions.
    let said = chip.with(&["-icount", "shift=6,sleep=off"]).start(&Namespace::new()).end();
    said.assert_closed();
    assert!(said.number("middle") >= times);
    assert_eq!(said.number("calls"), said.number("recorded"));
    println!(
        "{} interrupts in the middle of {} calls",
        said.number("middle"),
        said.number("calls")
    );
}
