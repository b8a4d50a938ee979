//! The collector's ledger for people: what was received, what became of it, and who sent it.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use ringstat_collector::{Report, SenderReport};

use crate::common::table;

/// The number of senders listed, the most recently heard from first.
const SENDERS: usize = 20;

pub(crate) fn print(report: &Report) -> io::Result<()> {
    io::stdout().write_all(render(report).as_bytes())
}

/// The ledger as text.
pub(crate) fn render(report: &Report) -> String {
    let mut out = String::new();
    let malformed: u64 = report.malformed.values().sum();
    let refused_lines: u64 = report.refused_lines.values().map(|refused| refused.count).sum();
    let lines: [(&str, u64); 20] = [
        ("datagrams", report.datagrams),
        ("  taken", report.accepted),
        ("  of StatsD lines", report.line_datagrams),
        ("  seen before", report.duplicates),
        ("  too late to tell", report.too_late),
        ("  of runs that were over", report.old_epoch),
        ("  of runs not believed", report.strangers),
        ("  malformed", malformed),
        ("  of senders without room", report.refused_senders),
        ("lines of StatsD", report.lines),
        ("  refused", refused_lines),
        ("records", report.records),
        ("  stored", report.stored),
        ("  seen before (critical)", report.repeated),
        ("  without room", report.refused_series),
        ("  values that cannot be", report.refused_values),
        ("  dropped by a rule", report.mapped_away),
        ("of these, in overflow series", report.overflowed),
        ("dropped by the kernel", report.kernel_drops),
        ("lost", report.lost),
    ];
    for (what, count) in lines {
        let _ = writeln!(out, "{what:28} {count:>12}");
    }
    for (reason, count) in &report.malformed {
        let _ = writeln!(out, "  malformed: {reason:15} {count:>12}");
    }
    for (reason, refused) in &report.refused_lines {
        let _ = writeln!(out, "  refused line: {reason:12} {:>12}", refused.count);
    }
    let _ =
        writeln!(out, "{:28} {:>12}", "ledger closes", if report.closes { "yes" } else { "no" });
    for reason in &report.health.reasons {
        let _ = writeln!(out, "note: {reason}");
    }
    for sender in report.senders.iter().filter(|s| !s.health.reasons.is_empty()).take(SENDERS) {
        let _ = writeln!(out, "note: sender {}: {}", sender.id, sender.health.reasons.join(", "));
    }
    if report.senders.is_empty() {
        return out;
    }
    let _ = writeln!(out, "{}", senders(&report.senders));
    if report.senders.len() > SENDERS {
        let _ = writeln!(out, "… and {} more senders", report.senders.len() - SENDERS);
    }
    out
}

/// A table of senders: how many datagrams were lost, how many of those the sender itself gave up, and how many events
/// it dropped before that.
fn senders(senders: &[SenderReport]) -> String {
    const COLUMNS: [&str; 6] = ["sender", "received", "lost", "given up", "records", "dropped"];
    let row = |s: &SenderReport| {
        let counts =
            [Some(s.received), s.lost, s.lost_at_sender, Some(s.records), s.dropped_at_sender];
        // Nobody can know what was lost of lines, which have no numbers.
        let text = |n: Option<u64>| n.map_or_else(|| "unknown".into(), |n| n.to_string());
        std::iter::once(s.id.clone()).chain(counts.map(text)).collect()
    };
    let rows: Vec<Vec<String>> = senders.iter().take(SENDERS).map(row).collect();
    table::render(&COLUMNS, &rows, 1)
}
