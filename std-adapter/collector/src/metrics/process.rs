//! Metrics of the process, under the names that Prometheus' own client libraries use.

use super::{MetricKind, Sink, family};
use crate::report::Process;

/// Writes the metrics of this process.
pub(super) fn write(out: &mut dyn Sink, process: &Process) {
    let name = "ringstat_build_info";
    family(out, name, MetricKind::Gauge, "Always 1; the version is in the label.");
    out.number(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), 1.0, None);
    let Process { cpu_seconds, resident_bytes, open_fds, max_fds, start_seconds } = *process;
    let number = |value: Option<u64>| value.map(|value| value as f64);
    let (counter, gauge) = (MetricKind::Counter, MetricKind::Gauge);
    for (name, kind, help, value) in [
        ("process_cpu_seconds_total", counter, "CPU time used, in seconds.", cpu_seconds),
        (
            "process_resident_memory_bytes",
            gauge,
            "Resident memory, in bytes.",
            number(resident_bytes),
        ),
        ("process_open_fds", gauge, "Open file descriptors.", number(open_fds)),
        ("process_max_fds", gauge, "The largest number of open file descriptors.", number(max_fds)),
        (
            "process_start_time_seconds",
            gauge,
            "When the process started, in seconds since 1970.",
            number(start_seconds),
        ),
    ] {
        if let Some(value) = value {
            family(out, name, kind, help);
            out.number("", value, None);
        }
    }
}
