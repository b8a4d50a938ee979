//! What is kept on disk, on its way there: rows of a few tables, one behind the other.
//!
//! Rooms that have something to keep put their rows here while the lock is held, which is no more than copying; `data`
//! writes them when it is not.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

use crate::memory::heap;

/// The tables. Keys are numbers within a shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Table {
    /// A shard's counts; its only key is 0.
    Shard,
    /// What is known of a sender, by its number.
    Sender,
    /// What a series is: its sender, name and tags, by its place.
    Series,
    /// What a series holds, by its place.
    Value,
}

/// A row's table and key, and the length of its contents; `None` if it is to be deleted.
type Row = (Table, u64, Option<usize>);

/// How much memory rows keep for the next, in bytes.
const SPARE: usize = 256 << 10;

/// More has changed while a cut was written than may wait in memory: the disk is that slow. The cut is void.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outrun;

/// Rows to be written, or deleted.
#[derive(Default, Debug)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    bytes: Vec<u8>,
}

impl Rows {
    /// A row to be written.
    pub(crate) fn put(&mut self, table: Table, key: u64, row: &impl Serialize) {
        let before = self.bytes.len();
        let put = postcard::serialize_with_flavor(row, Append(&mut self.bytes));
        debug_assert!(put.is_ok(), "memory takes everything: {put:?}");
        self.rows.push((table, key, Some(self.bytes.len() - before)));
    }

    /// A row that is not to be there any more, if it ever was.
    pub(crate) fn delete(&mut self, table: Table, key: u64) {
        self.rows.push((table, key, None));
    }

    /// All of them, each with its contents or, if it is to be deleted, `None`.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Table, u64, Option<&[u8]>)> {
        let mut rest = &*self.bytes;
        self.rows.iter().map(move |(table, key, length)| {
            let row = length.map(|length| {
                let (row, behind) = rest.split_at(length);
                rest = behind;
                row
            });
            (*table, *key, row)
        })
    }

    /// Forgets them, and keeps some of the memory for the next.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.bytes.clear();
        self.rows.shrink_to(SPARE / size_of::<Row>());
        self.bytes.shrink_to(SPARE);
    }

    /// Their memory in bytes.
    pub(crate) fn memory(&self) -> usize {
        heap(self.rows.capacity() * size_of::<Row>()) + heap(self.bytes.capacity())
    }
}

/// Behind what is there.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_as_they_went_in() {
        let mut rows = Rows::default();
        rows.put(Table::Value, 7, &(1u8, "text"));
        rows.delete(Table::Series, 8);
        rows.put(Table::Sender, 9, &300u64);
        let all: Vec<_> = rows.iter().collect();
        assert_eq!(
            all,
            [
                (Table::Value, 7, Some(&b"\x01\x04text"[..])),
                (Table::Series, 8, None),
                (Table::Sender, 9, Some(&[0xac, 2][..]))
            ]
        );
        rows.clear();
        assert_eq!(rows.iter().count(), 0);
    }
}
