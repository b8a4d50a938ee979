//! What stands in the store under the key of a shard.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a worker, different for each start of its process.
pub(crate) type WorkerId = Arc<str>;

/// Grows with each change of hands: the revision of the write that took the shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Token(pub(crate) u64);

/// The record of a shard, as JSON, so that the tools of the log show it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Who holds the shard. Nobody does before the first claim and after a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) holder: Option<Holder>,
    /// The valid snapshot. There is none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<Snapshot>,
}

/// Who holds a shard.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) worker: WorkerId,
    /// The number of this write among those of the worker.
    pub(crate) write: u64,
    /// Unknown to the claim itself, whose revision it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Token>,
}

/// Where the state of a shard is kept, and what it stands for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// The name of the object that contains the state.
    pub(crate) object: String,
    /// The sequence number in the log of the last message that the state contains.
    pub(crate) position: u64,
    /// The size of the object in bytes.
    pub(crate) bytes: u64,
}

impl Record {
    /// Whether this worker is its holder.
    pub(crate) fn is_of(&self, worker: &str) -> bool {
        self.holder.as_ref().is_some_and(|holder| &*holder.worker == worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_readable_and_comes_back() {
        let record = Record {
            holder: Some(Holder { worker: "a".into(), write: 3, token: Some(Token(7)) }),
            snapshot: Some(Snapshot { object: "0.7.1".into(), position: 12, bytes: 100 }),
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(
            text,
            r#"{"holder":{"worker":"a","write":3,"token":7},"snapshot":{"object":"0.7.1","position":12,"bytes":100}}"#
        );
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert_eq!(serde_json::from_str::<Record>("{}").unwrap(), Record::default());
    }
}
