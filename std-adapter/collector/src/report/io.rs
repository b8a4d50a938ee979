//! What only the sockets know, passed in by their owner.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::OutputReport;

/// What a [`Collector`](crate::Collector), which has no sockets itself, is told about the machine around it.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Io {
    /// The counts at present.
    pub now: IoCounts,
    /// The counts of some minutes ago: health is judged by what has happened since.
    pub before: IoCounts,
    /// The longest that a receiving thread has waited for somebody who looked at what it keeps.
    pub longest_pause: Duration,
    /// The process, if it is to be shown.
    pub process: Option<Process>,
    /// How the data directory is doing, where there is one.
    pub data: Option<DataNow>,
    /// Where the collector sends what it knows, and how that is going.
    pub outputs: Vec<OutputReport>,
}

/// What the system knows of this process, as far as it tells.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Process {
    /// CPU time used, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// The largest number of open file descriptors.
    pub max_fds: Option<u64>,
    /// When it started, in seconds since 1970.
    pub start_seconds: Option<u64>,
}

/// Counts of the machine around a collector. All of them only grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct IoCounts {
    /// Datagrams that the kernel dropped before they could be read; segments that were sent together count as one.
    pub kernel_drops: u64,
    /// Receive calls that failed for a reason other than "nothing there".
    pub receive_errors: u64,
    /// Datagrams that came to another thread than the one that has their sender, and were handed on.
    pub handed_on: u64,
    /// Datagrams that could not be handed on, as that thread was behind: they are lost like others.
    pub hand_on_drops: u64,
    /// What became of HTTP connections and requests.
    pub http: HttpCounts,
    /// What was written to the data directory.
    pub data: DataCounts,
}

/// What was written to the data directory.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct DataCounts {
    /// Commits of what has changed in a shard.
    pub commits: u64,
    /// Commits of what has changed in a shard that failed.
    pub commit_failures: u64,
    /// Commits of critical events.
    pub critical_commits: u64,
    /// Commits of critical events that failed.
    pub critical_failures: u64,
    /// Acknowledgements that were not sent, because what they would have said was not on disk.
    pub withheld: u64,
    /// Commits, of either kind, that took so long that the log says so.
    pub slow: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// How the data directory is doing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct DataNow {
    /// The last commit of a shard, in milliseconds of Unix time; 0 before the first.
    pub last_unix_ms: u64,
    /// How long it took.
    pub duration: Duration,
    /// The longest that any took.
    pub longest: Duration,
    /// The size of the file.
    pub file_bytes: u64,
    /// Whether the latest attempt to commit failed.
    pub failing: bool,
}

/// What became of HTTP connections and requests.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct HttpCounts {
    /// Connections accepted.
    pub connections: u64,
    /// Requests answered, with whatever status.
    pub requests: u64,
    /// Requests refused because they had a body.
    pub bodies: u64,
    /// Connections refused because there were too many, in all or from one address.
    pub refused: u64,
    /// Connections closed to make room for others before they had asked for anything.
    pub displaced: u64,
    /// Connections closed because the client did not read its answer.
    pub unread: u64,
    /// Connections that could not be accepted because no descriptor was free.
    pub no_descriptors: u64,
}
