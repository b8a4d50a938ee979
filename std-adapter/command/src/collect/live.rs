//! What `collect` shows in a terminal: the collector at a glance, its senders, and the latest lines of its log.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ringstat_collector::{Report, Running, SenderReport};

use super::log::Latest;
use super::out::Out;
use crate::common::screen::Frame;

/// How often it is drawn.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// A view that is redrawn in place.
pub(super) struct Live {
    log: Latest,
    begun: Instant,
    at: Instant,
    /// Datagrams and records of all, and records of each sender, when it was last drawn.
    before: (u64, u64),
    of_senders: HashMap<String, u64>,
}

impl Live {
    /// Whether there is a terminal to draw on.
    pub(super) fn is_possible() -> bool {
        io::stdout().is_terminal() && io::stderr().is_terminal()
    }

    pub(super) fn new(log: Latest) -> Self {
        let now = Instant::now();
        Self { log, begun: now, at: now, before: (0, 0), of_senders: HashMap::new() }
    }

    /// Draws it anew.
    pub(super) fn draw(&mut self, running: &Running, out: &Out) {
        let report = running.report(0);
        let seconds = self.at.elapsed().as_secs_f64().max(1e-3);
        self.at = Instant::now();
        out.frame(self.frame(&report, seconds));
    }

    fn frame(&mut self, report: &Report, seconds: f64) -> Frame {
        let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let rates = (
            per_second(report.datagrams, self.before.0),
            per_second(report.records, self.before.1),
        );
        self.before = (report.datagrams, report.records);
        let up = self.begun.elapsed().as_secs();
        let mut title = vec![
            String::new(),
            format!(
                "{up:>6} s  {} datagrams ({:.0}/s), {} records ({:.0}/s), {} lost, {} dropped by the kernel",
                report.datagrams,
                rates.0,
                report.records,
                rates.1,
                report.lost,
                report.kernel_drops
            ),
            format!(
                "          {} lines of StatsD, {} refused; {} senders, {} series, {:.1} MiB kept",
                report.lines,
                report.refused_lines.values().map(|refused| refused.count).sum::<u64>(),
                report.senders.len(),
                report.series_count,
                report.series_bytes as f64 / f64::from(1 << 20)
            ),
        ];
        title.extend(report.health.reasons.iter().map(|reason| format!("        ! {reason}")));
        title.extend(self.log.lines());
        let mut senders: Vec<_> = report.senders.iter().collect();
        senders.sort_by(|a, b| a.id.cmp(&b.id));
        let rows = senders.iter().map(|sender| self.row(sender, seconds)).collect();
        self.of_senders = senders.iter().map(|s| (s.id.clone(), s.records)).collect();
        Frame {
            line: String::new(),
            title,
            columns: &["sender", "health", "silent", "records", "a second", "lost", "restarts"],
            texts: 2,
            rows,
        }
    }

    fn row(&self, sender: &SenderReport, seconds: f64) -> Vec<String> {
        let before = self.of_senders.get(&sender.id).copied().unwrap_or(sender.records);
        let rate = sender.records.saturating_sub(before) as f64 / seconds;
        vec![
            sender.id.clone(),
            format!("{:?}", sender.health.status).to_lowercase(),
            format!("{} s", sender.silent_ms / 1000),
            sender.records.to_string(),
            format!("{rate:.0}"),
            count(sender.lost),
            count(sender.restarts),
        ]
    }
}

/// A count, or that it cannot be known.
fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "unknown".into(), |count| count.to_string())
}

#[cfg(test)]
mod tests {
    use ringstat_collector::{Collector, Io, Limits};

    use super::*;

    const HEARTBEAT: &str = "525310000700000000000000030000000000000000000000c0843d000006e6ff2d";

    #[test]
    fn a_frame_says_what_came_and_from_whom() {
        let mut collector = Collector::new(Limits::default());
        let datagram = hex::decode(HEARTBEAT).unwrap();
        collector.receive(&datagram, 0);
        let report = Report::of(&collector, &Io::default(), 5000, 0);
        assert_eq!(report.accepted, 1);
        let frame = Live::new(Latest::default()).frame(&report, 2.0);
        assert!(frame.title[1].contains(" 1 datagrams (0/s)"), "{:?}", frame.title);
        assert_eq!(frame.rows.len(), 1);
        assert_eq!(frame.rows[0][..3], [&*report.senders[0].id, "healthy", "5 s"]);
    }
}
