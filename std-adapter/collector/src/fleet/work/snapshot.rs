//! A snapshot: the state of a shard as bytes, compressed, with a checksum in each frame.
//!
//! It has the rows that a data directory would have, one behind the other.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::{Read, Rules, ShardState};
use crate::intake::{MemberKey, SenderRow, ShardRow};
use crate::rows::{Rows, Table};
use crate::store::{SeriesRow, ValueRow};

/// The version of snapshots. It grows with each change, as does the version of the rows.
const FORMAT: u32 = 1;

/// The largest size of a snapshot before compression. No state has more by far.
const LARGEST: u64 = 8 << 30;

/// What stands before the rows.
#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    rows_format: u32,
    key: (u64, u64),
    read: Read,
}

/// Why a snapshot cannot be used.
#[derive(Debug)]
pub(super) enum SnapshotError {
    /// It cannot be read: bytes are missing, or changed.
    Damaged(String),
    /// It is of another version.
    Version(u32, u32),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) => write!(f, "the snapshot is damaged: {what}"),
            Self::Version(format, rows) => {
                write!(f, "the snapshot has format {format}.{rows}, which is not this version's")
            }
        }
    }
}

impl From<io::Error> for SnapshotError {
    fn from(error: io::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<postcard::Error> for SnapshotError {
    fn from(error: postcard::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl ShardState {
    /// The state as bytes. The shard must be [kept](Self::keep).
    pub(super) fn snapshot(&self) -> Vec<u8> {
        let mut collector = self.collector.write();
        collector.put_all_into_next_cut();
        let rows_format = crate::data::FORMAT;
        let head = Head { format: FORMAT, rows_format, key: self.key.parts(), read: self.read };
        let mut out = snap::write::FrameEncoder::new(Vec::new());
        let mut write = |bytes: &[u8]| {
            // Memory takes everything.
            let _ = out.write_all(bytes);
        };
        write(&postcard::to_allocvec(&head).unwrap_or_default());
        let _ = collector.begin_cut(self.read.clock_ms);
        let mut rows: [Rows; 2] = Default::default();
        loop {
            // Nothing changes meanwhile, so it cannot be outrun.
            let more = collector.cut_some(Duration::from_millis(20), &mut rows).unwrap_or(false);
            for rows in &mut rows {
                for (table, key, row) in rows.iter() {
                    let Some(row) = row else { continue };
                    let mut head = [0; 21];
                    let put = postcard::to_slice(&(code(table), key, row.len() as u64), &mut head);
                    write(put.unwrap_or_default());
                    write(row);
                }
                rows.clear();
            }
            if !more {
                break;
            }
        }
        collector.end_cut(true);
        drop(collector);
        out.into_inner().unwrap_or_default()
    }

    /// The state of a snapshot.
    pub(super) fn restore(rules: &Rules, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut all = Vec::new();
        snap::read::FrameDecoder::new(bytes).take(LARGEST).read_to_end(&mut all)?;
        let (head, mut rest) = postcard::take_from_bytes::<Head>(&all)?;
        if (head.format, head.rows_format) != (FORMAT, crate::data::FORMAT) {
            return Err(SnapshotError::Version(head.format, head.rows_format));
        }
        let state = Self::of(rules, MemberKey::of(head.key), head.read);
        let mut collector = state.collector.write();
        let (mut series, mut values) = (Vec::new(), HashMap::new());
        while !rest.is_empty() {
            let ((table, key, length), behind) = postcard::take_from_bytes::<(u8, u64, u64)>(rest)?;
            let row =
                usize::try_from(length).ok().and_then(|length| behind.split_at_checked(length));
            let (row, behind) =
                row.ok_or_else(|| SnapshotError::Damaged("it is cut off".into()))?;
            rest = behind;
            match table {
                SHARD => collector.restore_shard(&postcard::from_bytes::<ShardRow>(row)?),
                SENDER => {
                    let of = postcard::from_bytes::<SenderRow>(row)?;
                    collector.restore_sender(key, of, head.read.clock_ms);
                }
                SERIES => series.push((key, row)),
                VALUE => _ = values.insert(key, row),
                _ => return Err(SnapshotError::Damaged("there is an unknown row".into())),
            }
        }
        // In the order in which they came, as their senders' shares were filled.
        series.sort_unstable_by_key(|(place, _)| *place);
        for (place, row) in series {
            let row = postcard::from_bytes::<SeriesRow<'_>>(row)?;
            let value = values.get(&place).map(|value| postcard::from_bytes::<ValueRow>(value));
            match value.transpose()? {
                Some(value) if value.data.is_sound(row.class) => {
                    collector.restore_series(None, &row, value);
                }
                _ => return Err(SnapshotError::Damaged("a series has no value".into())),
            }
        }
        drop(collector);
        Ok(state)
    }
}

const SHARD: u8 = 0;
const SENDER: u8 = 1;
const SERIES: u8 = 2;
const VALUE: u8 = 3;

const fn code(table: Table) -> u8 {
    match table {
        Table::Shard => SHARD,
        Table::Sender => SENDER,
        Table::Series => SERIES,
        Table::Value => VALUE,
    }
}
