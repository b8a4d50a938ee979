//! Metrics of the process, under the names that Prometheus' own client libraries use.

use std::fmt::Display;
use std::fmt::Write as _;

use super::family;
use crate::report::Process;

/// Writes the metrics of this process.
pub(super) fn write(out: &mut String, process: &Process) {
    let name = "ringstat_build_info";
    family(out, name, "gauge", "Always 1; the version is in the label.");
    // Writing to a String does not fail.
    let _ = writeln!(out, "{name}{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    let Process { cpu_seconds, resident_bytes, open_fds, max_fds, start_seconds } = *process;
    let help = "CPU time used, in seconds.";
    sample(out, "process_cpu_seconds_total", "counter", help, cpu_seconds);
    let help = "Resident memory, in bytes.";
    sample(out, "process_resident_memory_bytes", "gauge", help, resident_bytes);
    sample(out, "process_open_fds", "gauge", "Open file descriptors.", open_fds);
    sample(out, "process_max_fds", "gauge", "The limit of that.", max_fds);
    let help = "When the process started, in seconds since 1970.";
    sample(out, "process_start_time_seconds", "gauge", help, start_seconds);
}

fn sample(out: &mut String, name: &str, kind: &str, help: &str, value: Option<impl Display>) {
    if let Some(value) = value {
        family(out, name, kind, help);
        let _ = writeln!(out, "{name} {value}");
    }
}
