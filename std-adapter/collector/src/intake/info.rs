//! What a sender says of itself.

use ringstat_core::instrument::Details;
use ringstat_core::wire::decode::Record;
use serde::{Deserialize, Serialize};

use crate::memory::heap;

/// What a sender says of itself: an [`Info`](ringstat_core::instrument::Info) as received.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SenderInfo {
    /// The name of its program.
    pub program: String,
    /// The version of the program; empty if unknown.
    pub version: String,
    /// The machine that it runs on; empty if unknown.
    pub host: String,
    /// The number of its process; 0 if it has none.
    pub process: u32,
    /// When it started, in milliseconds since 1970; 0 if unknown.
    pub started_ms: u64,
    /// It promises a datagram at least this often, in milliseconds; 0: it makes no promise.
    pub heartbeat_ms: u64,
    /// Free labels.
    pub labels: Vec<(String, String)>,
}

/// A sender may say so many bytes of itself; labels beyond that are left out.
const BYTES: usize = 4096;

impl SenderInfo {
    /// The info in a record, with as many labels as have room.
    pub(super) fn of(record: &Record<'_>, details: &Details<&str>) -> Self {
        let Details { heartbeat_ms, started_ms, process, host, version } = *details;
        let mut info = Self {
            program: record.name.text.into(),
            version: version.into(),
            host: host.into(),
            process,
            started_ms,
            heartbeat_ms,
            labels: Vec::new(),
        };
        for (key, value) in record.tags.iter() {
            if info.bytes() + label(key, value) > BYTES {
                break;
            }
            info.labels.push((key.into(), value.into()));
        }
        info.labels.shrink_to_fit();
        info
    }

    /// Whether a record says the same, as far as it was kept.
    pub(super) fn says(&self, record: &Record<'_>, details: &Details<&str>) -> bool {
        let Details { heartbeat_ms, started_ms, process, host, version } = *details;
        let mut tags = record.tags.iter();
        self.program == record.name.text
            && (self.version.as_str(), self.host.as_str()) == (version, host)
            && (self.process, self.started_ms, self.heartbeat_ms)
                == (process, started_ms, heartbeat_ms)
            && self.labels.iter().all(|(k, v)| tags.next() == Some((k, v)))
            && tags.next().is_none_or(|(k, v)| self.bytes() + label(k, v) > BYTES)
    }

    /// The memory that it takes, at most.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.program, &self.version, &self.host];
        heap(size_of::<Self>())
            + texts.iter().map(|text| heap(text.len())).sum::<usize>()
            + self.labels.iter().map(|(k, v)| label(k, v)).sum::<usize>()
    }
}

/// The memory that a label takes.
fn label(key: &str, value: &str) -> usize {
    heap(key.len()) + heap(value.len()) + size_of::<(String, String)>() + 16
}
