//! The display during a run: a line per second, under a progress bar on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// The state at one moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Live {
    pub(crate) elapsed: Duration,
    pub(crate) generated: u64,
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
    /// Events generated per second since the previous line.
    pub(crate) rate: f64,
    pub(crate) drop_percent: f64,
    pub(crate) buffer_percent: f64,
}

impl std::fmt::Display for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:3} s  generated {:>11}  sent {:>11}  dropped {:>9}  {:>10}/s  drop {:5.2} %  buffer {:5.1} %",
            self.elapsed.as_secs(),
            HumanCount(self.generated).to_string(),
            HumanCount(self.sent).to_string(),
            HumanCount(self.dropped).to_string(),
            HumanCount(self.rate.round() as u64).to_string(),
            self.drop_percent,
            self.buffer_percent,
        )
    }
}

/// Where the state is shown.
pub(crate) struct Screen {
    /// Whether lines are printed to standard output, which is otherwise reserved for the report.
    lines: bool,
    bar: Option<ProgressBar>,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        Self { lines: !json, bar: None }
    }

    /// Begins a run that will take `time`.
    pub(crate) fn begin(&mut self, time: Duration) {
        if !io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::new(time.as_millis() as u64);
        // The template is a constant; if it were wrong, the default style would be used.
        if let Ok(style) = ProgressStyle::with_template("{wide_bar:.cyan/blue} {percent:>3} %") {
            bar.set_style(style);
        }
        self.bar = Some(bar);
    }

    pub(crate) fn show(&mut self, live: &Live) {
        if let Some(bar) = &self.bar {
            bar.set_position(live.elapsed.as_millis() as u64);
        }
        if self.lines {
            self.line(&live.to_string());
        }
    }

    /// Prints a remark between the lines, for people only.
    pub(crate) fn say(&self, text: &str) {
        if self.lines {
            self.line(text);
        }
    }

    fn line(&self, text: &str) {
        let print = || {
            // If the reader is gone, the command ends when it prints its report.
            let _ = writeln!(io::stdout(), "{text}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Ends the run.
    pub(crate) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_asked_for() {
        let live = Live {
            elapsed: Duration::from_millis(3010),
            generated: 30_000,
            sent: 29_500,
            dropped: 300,
            rate: 10_000.4,
            drop_percent: 1.0,
            buffer_percent: 2.25,
        };
        let shown = live.to_string();
        let words: Vec<_> = shown.split_whitespace().collect();
        assert_eq!(
            words.join(" "),
            "3 s generated 30,000 sent 29,500 dropped 300 10,000/s drop 1.00 % buffer 2.2 %"
        );
    }
}
