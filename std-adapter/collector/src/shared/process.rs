//! What the system knows of this process.

use crate::report::Process;

/// What the system says; on Linux it is read from `/proc`.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn look() -> Process {
    let metrics_process::collector::Metrics {
        cpu_seconds_total,
        resident_memory_bytes,
        open_fds,
        max_fds,
        start_time_seconds,
        ..
    } = metrics_process::collector::collect();
    Process {
        cpu_seconds: cpu_seconds_total,
        resident_bytes: resident_memory_bytes,
        open_fds,
        max_fds,
        start_seconds: start_time_seconds,
    }
}

/// Nothing: the library that asks macOS cannot be built without libclang.
#[cfg(target_vendor = "apple")]
pub(super) fn look() -> Process {
    Process::default()
}
