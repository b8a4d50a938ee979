//! What only the sockets know, handed in by whoever has them.

use serde::{Deserialize, Serialize};

/// What a [`Collector`](crate::Collector), which itself has no sockets, is told of the machine around it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Io {
    /// As of now.
    pub now: IoCounts,
    /// As of some minutes ago: what has happened since then is what the health is judged by.
    pub before: IoCounts,
}

/// Counts of the machine around a collector. All of them only grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct IoCounts {
    /// Datagrams that the kernel dropped before they could be read; a train of segments counts as one.
    pub kernel_drops: u64,
    /// Receive calls that failed for a reason other than "nothing there".
    pub receive_errors: u64,
    /// What came of those who asked.
    pub http: HttpCounts,
}

/// What came of HTTP connections and requests.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct HttpCounts {
    /// Connections taken.
    pub connections: u64,
    /// Requests answered, with whatever status.
    pub requests: u64,
    /// Requests refused because they came with a body.
    pub bodies: u64,
    /// Connections refused because there were too many, in all or of one address.
    pub refused: u64,
    /// Connections that had not asked for anything, closed to make room for others.
    pub displaced: u64,
    /// Connections closed because the client did not read its answer.
    pub unread: u64,
    /// Connections that could not be taken because no descriptor was free.
    pub no_descriptors: u64,
}
