//! What the system knows of this process.

use metrics_process::collector::{Metrics, collect};

use crate::report::Process;

/// Replies the system; on Linux it reads `/proc`.
pub(super) fn look() -> Process {
    let Metrics {
        cpu_seconds_total,
        resident_memory_bytes,
        open_fds,
        max_fds,
        start_time_seconds,
        ..
    } = collect();
    Process {
        cpu_seconds: cpu_seconds_total,
        resident_bytes: resident_memory_bytes,
        open_fds,
        max_fds,
        start_seconds: start_time_seconds,
    }
}
