//! Lines of StatsD, packed into datagrams.

use std::fmt::Write as _;

use ringstat_core::instrument::Unit;

use super::increase::Increase;
use crate::relay::{LINES, RelayProtocol};

/// Datagrams of lines, each with the number of its lines.
#[derive(Debug)]
pub(super) struct Datagrams {
    protocol: RelayProtocol,
    full: Vec<(Vec<u8>, u64)>,
    datagram: String,
    lines: u64,
    /// The number of values that no line can express.
    unsupported: u64,
    line: String,
}

impl Datagrams {
    pub(super) fn new(protocol: RelayProtocol) -> Self {
        Self {
            protocol,
            full: Vec::new(),
            datagram: String::new(),
            lines: 0,
            unsupported: 0,
            line: String::new(),
        }
    }

    /// The datagrams, and how many values have no line.
    pub(super) fn end(mut self) -> (Vec<(Vec<u8>, u64)>, u64) {
        self.next();
        (self.full, self.unsupported)
    }

    /// The value of a gauge.
    pub(super) fn gauge<'t>(
        &mut self,
        name: &str,
        tags: impl Iterator<Item = (&'t str, &'t str)>,
        value: f64,
    ) {
        if !value.is_finite() {
            self.unsupported += 1;
            return;
        }
        let tags = self.tags(tags);
        if value < 0.0 {
            // A value with a sign would change the one before.
            self.begin(name);
            let _ = write!(self.line, "0|g{tags}\n{}:{value}|g{tags}", self.clean(name));
            return self.add(2);
        }
        self.begin(name);
        let _ = write!(self.line, "{value}|g{tags}");
        self.add(1);
    }

    /// The number of distinct members of a set, as a gauge. The members themselves are not known here.
    pub(super) fn distinct<'t>(
        &mut self,
        name: &str,
        tags: impl Iterator<Item = (&'t str, &'t str)>,
        members: u64,
    ) {
        self.gauge(&format!("{name}.distinct"), tags, members as f64);
    }

    /// Adds the growth of a series.
    pub(super) fn increase<'t>(
        &mut self,
        name: &str,
        tags: impl Iterator<Item = (&'t str, &'t str)>,
        unit: Unit,
        increase: &Increase,
    ) {
        let tags = self.tags(tags);
        match increase {
            Increase::Count(by) => {
                self.begin(name);
                let _ = write!(self.line, "{by}|c{tags}");
                self.add(1);
            }
            Increase::Samples(samples) => {
                for (value, count) in samples {
                    self.samples(name, &tags, unit, *value, *count);
                }
            }
        }
    }

    /// So many samples of a value, in one line as far as a rate can say it.
    fn samples(&mut self, name: &str, tags: &str, unit: Unit, value: f64, count: u64) {
        let is_dogstatsd = self.protocol == RelayProtocol::DogStatsD;
        let milliseconds = match unit {
            Unit::Nanoseconds => Some(1e-6),
            Unit::Microseconds => Some(1e-3),
            Unit::Milliseconds => Some(1.0),
            Unit::Seconds => Some(1e3),
            _ => None,
        };
        let value = value * milliseconds.unwrap_or(1.0);
        if !value.is_finite() || (value < 0.0 && !is_dogstatsd) {
            // Etsy's server refuses them.
            self.unsupported += 1;
            return;
        }
        let kind = if is_dogstatsd && milliseconds.is_none() { "d" } else { "ms" };
        let mut left = count;
        while left > 0 {
            let n = left.min(u32::MAX.into());
            left -= n;
            self.begin(name);
            let _ = write!(self.line, "{value}|{kind}");
            if n > 1 {
                let _ = write!(self.line, "|@{}", 1.0 / n as f64);
            }
            self.line.push_str(tags);
            self.add(1);
        }
    }

    fn begin(&mut self, name: &str) {
        let name = self.clean(name);
        self.line.clear();
        self.line += &name;
        self.line.push(':');
    }

    /// Adds the line, which is really so many.
    fn add(&mut self, lines: u64) {
        if !self.datagram.is_empty() && self.datagram.len() + 1 + self.line.len() > LINES {
            self.next();
        }
        if !self.datagram.is_empty() {
            self.datagram.push('\n');
        }
        self.datagram += &self.line;
        self.lines += lines;
    }

    fn next(&mut self) {
        if self.lines > 0 {
            let datagram = std::mem::take(&mut self.datagram).into_bytes();
            self.full.push((datagram, std::mem::take(&mut self.lines)));
        }
    }

    fn tags<'t>(&self, tags: impl Iterator<Item = (&'t str, &'t str)>) -> String {
        let mut text = String::new();
        for (key, value) in tags {
            text += if text.is_empty() { "|#" } else { "," };
            text += &self.clean(key);
            text.push(':');
            // Everything behind the first colon is the value.
            text.extend(value.chars().map(|c| if c == ':' { c } else { self.clean_char(c) }));
        }
        text
    }

    /// Returns a name without the characters that are special in a line.
    fn clean(&self, text: &str) -> String {
        text.chars().map(|c| self.clean_char(c)).collect()
    }

    fn clean_char(&self, c: char) -> char {
        let is_reserved = match c {
            ':' | '|' | '@' | '#' | ',' => true,
            // Graphite's tags are made of these.
            ';' | '=' => self.protocol == RelayProtocol::StatsD,
            c => c.is_control(),
        };
        if is_reserved { '_' } else { c }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(protocol: RelayProtocol, write: impl FnOnce(&mut Datagrams)) -> (Vec<String>, u64) {
        let mut datagrams = Datagrams::new(protocol);
        write(&mut datagrams);
        let (datagrams, unsupported) = datagrams.end();
        let texts = datagrams.into_iter().flat_map(|(datagram, lines)| {
            let text = String::from_utf8(datagram).unwrap();
            assert_eq!(text.lines().count() as u64, lines);
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        (texts.collect(), unsupported)
    }

    fn write_all(all: &mut Datagrams) {
        let tags = || [("zone", "eu:1"), ("a;b", "c=d,e")].into_iter();
        let none = || std::iter::empty();
        all.increase("hits", tags(), Unit::None, &Increase::Count(2.5));
        all.gauge("level", none(), 7.0);
        all.gauge("l:w", tags(), -3.5);
        all.gauge("nothing", none(), f64::INFINITY);
        all.distinct("users", none(), 3);
        let samples = Increase::Samples(vec![(-1.0, 2), (250_000.0, 1), (5e6, 4)]);
        all.increase("took", none(), Unit::Nanoseconds, &samples);
        all.increase("size", none(), Unit::Bytes, &Increase::Samples(vec![(2.0, 1)]));
    }

    #[test]
    fn every_class_has_its_line_in_both_dialects() {
        let (dogstatsd, unsupported) = lines(RelayProtocol::DogStatsD, write_all);
        let expected = [
            "hits:2.5|c|#zone:eu:1,a;b:c=d_e",
            "level:7|g",
            "l_w:0|g|#zone:eu:1,a;b:c=d_e",
            "l_w:-3.5|g|#zone:eu:1,a;b:c=d_e",
            "users.distinct:3|g",
            "took:-0.000001|ms|@0.5",
            "took:0.25|ms",
            "took:5|ms|@0.25",
            "size:2|d",
        ];
        assert_eq!((&*dogstatsd, unsupported), (&expected.map(str::to_owned)[..], 1));
        let (statsd, unsupported) = lines(RelayProtocol::StatsD, write_all);
        assert_eq!((&*statsd[0], unsupported), ("hits:2.5|c|#zone:eu:1,a_b:c_d_e", 2));
        assert_eq!(statsd[5..], ["took:0.25|ms", "took:5|ms|@0.25", "size:2|ms"]);
    }

    #[test]
    fn datagrams_are_full_and_no_line_is_cut() {
        let many = |all: &mut Datagrams| {
            for n in 0..500 {
                all.gauge(&format!("a.gauge.{n}"), std::iter::empty(), 1.0);
            }
        };
        assert_eq!(lines(RelayProtocol::StatsD, many).0.len(), 500);
        let mut datagrams = Datagrams::new(RelayProtocol::StatsD);
        many(&mut datagrams);
        let (all, _) = datagrams.end();
        assert!(all.len() < 7 && all.iter().all(|(datagram, _)| datagram.len() <= LINES));
    }

    #[test]
    fn more_samples_than_a_rate_can_say_take_several_lines() {
        let count = 2 * u64::from(u32::MAX) + 1;
        let samples = Increase::Samples(vec![(1.0, count)]);
        let (all, _) = lines(RelayProtocol::StatsD, |all| {
            all.increase("a", std::iter::empty(), Unit::None, &samples);
        });
        assert_eq!((all.len(), &*all[2]), (3, "a:1|ms"));
    }
}
