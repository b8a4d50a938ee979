//! What is kept in a row is part of the format, and a change of it needs a new version.

use ringstat_core::record::Kind;

use super::super::FORMAT;
use super::wire::{Says, datagram};
use super::*;
use crate::rows::Table;

/// A field that is added to a row, such as a new count, makes it longer: earlier data cannot be read any more. Raise
/// [`FORMAT`], and write the new lengths down.
#[test]
fn rows_are_as_long_as_the_format_says() {
    let dir = directory();
    let mut opened = open(dir.path(), 1).unwrap();
    let says = [Says::Critical(0), Says::Event(Kind::Timing, 0, 1), Says::State(9)];
    let collector = &mut opened.collectors[0];
    collector.receive(&datagram(7, (1, 0), Some(0), &says), 0);
    let mut rows: [Rows; 2] = Default::default();
    collector.begin_cut(0).unwrap();
    while collector.cut_some(Duration::from_secs(1), &mut rows).unwrap() {}
    let length = |table| {
        let of_table = rows.iter().flat_map(Rows::iter).filter(|(of, ..)| *of == table);
        of_table.map(|(.., row)| row.map_or(0, <[u8]>::len)).sum::<usize>()
    };
    let lengths = [Table::Shard, Table::Sender, Table::Series, Table::Value].map(length);
    assert_eq!((FORMAT, lengths), (3, [80, 93, 65, 125]));
}
