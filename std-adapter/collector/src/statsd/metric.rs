//! Values of a metric.

use super::LineError;
use super::number::{finite, rate, seconds};
use super::tags::LONGEST;

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// `c`, and `m`, which some clients call a meter: how often something happened.
    Counter,
    /// `g`: the latest value, or a change of it.
    Gauge,
    /// `ms`: a duration in milliseconds.
    Timing,
    /// `h` and `d`: a sample of a distribution.
    Distribution,
    /// `s`: a member of a set.
    Set,
}

/// A line with values of a metric.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Metric<'a> {
    /// The name, in some dialects with tags: all that precedes the first colon.
    pub(crate) head: &'a str,
    /// The tags of DogStatsD, as they were sent.
    pub(crate) tags: &'a str,
    /// The container that it came from.
    pub(crate) container: Option<&'a str>,
    /// When it was measured, in seconds since 1970.
    pub(crate) time_s: Option<u64>,
    /// Whether it has parts that only DogStatsD has.
    pub(crate) is_dogstatsd: bool,
    first: Group<'a>,
    /// Further values with types of their own: `:320|ms`. Mostly empty.
    more: &'a str,
    /// A sample rate that stands behind the tags.
    rate: f64,
}

/// Values with a type: `1:2:3|c|@0.1`.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Group<'a> {
    kind: Kind,
    /// The first value, unless it is a member of a set, and where it ends if it is not the only one.
    first: f64,
    end: Option<usize>,
    values: &'a str,
    rate: f64,
}

/// One value of a line.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) kind: Kind,
    /// The value; 0 for a set.
    pub(crate) value: f64,
    /// The value as it was sent, with its sign; the member of a set.
    pub(crate) text: &'a str,
    /// The share of events that are sent: 1, or less if the line stands for several.
    pub(crate) rate: f64,
}

impl<'a> Metric<'a> {
    /// Reads a line.
    #[inline]
    pub(super) fn parse(line: &'a str) -> Result<Self, LineError> {
        let colon = memchr::memchr(b':', line.as_bytes()).ok_or(LineError::NoValue)?;
        if colon == 0 {
            return Err(LineError::BadName);
        }
        let (head, rest) = (&line[..colon], &line[colon + 1..]);
        let (first, behind) = Group::parse(rest)?;
        let mut rest = behind;
        while let Some(next) = rest.strip_prefix(':') {
            (_, rest) = Group::parse(next)?;
        }
        let more = &behind[..behind.len() - rest.len()];
        let mut metric = Self {
            head,
            tags: "",
            container: None,
            time_s: None,
            is_dogstatsd: false,
            first,
            more,
            rate: 1.0,
        };
        while let Some(part) = rest.strip_prefix('|') {
            let end = memchr::memchr(b'|', part.as_bytes()).unwrap_or(part.len());
            rest = &part[end..];
            metric.take(&part[..end])?;
        }
        Ok(metric)
    }

    /// Takes what stands behind the type.
    #[inline]
    fn take(&mut self, part: &'a str) -> Result<(), LineError> {
        match part.as_bytes() {
            [b'#', ..] => (self.tags, self.is_dogstatsd) = (&part[1..], true),
            [b'@', ..] => self.rate = rate(&part[1..])?,
            [b'T', ..] => (self.time_s, self.is_dogstatsd) = (Some(seconds(&part[1..])?), true),
            [b'c', b':', ..] => {
                (self.container, self.is_dogstatsd) = (container(&part[2..])?, true);
            }
            _ if is_other(part) => {}
            _ => return Err(LineError::UnknownPart),
        }
        Ok(())
    }

    /// The values of the line.
    #[inline]
    pub(crate) fn samples(&self) -> impl Iterator<Item = Sample<'a>> + use<'a> {
        let (rate, mut more) = (self.rate, self.more);
        let further = std::iter::from_fn(move || {
            // Read before, so it can be read.
            let (group, rest) = Group::parse(more.strip_prefix(':')?).ok()?;
            more = rest;
            Some(group)
        });
        std::iter::once(self.first).chain(further).flat_map(move |group| group.samples(rate))
    }
}

impl<'a> Group<'a> {
    /// Reads values, their type and their rate, and returns what follows.
    #[inline]
    fn parse(text: &'a str) -> Result<(Self, &'a str), LineError> {
        let (bar, colon) = ends(text.as_bytes()).ok_or(LineError::NoType)?;
        let (values, behind) = (&text[..bar], &text[bar + 1..]);
        let (kind, rest) = match behind.as_bytes() {
            [b'c' | b'm', b'|' | b':', ..] | [b'c' | b'm'] => (Kind::Counter, &behind[1..]),
            [b'g', b'|' | b':', ..] | [b'g'] => (Kind::Gauge, &behind[1..]),
            [b'm', b's', b'|' | b':', ..] | [b'm', b's'] => (Kind::Timing, &behind[2..]),
            [b'h' | b'd', b'|' | b':', ..] | [b'h' | b'd'] => (Kind::Distribution, &behind[1..]),
            [b's', b'|' | b':', ..] | [b's'] => (Kind::Set, &behind[1..]),
            [] | [b'|' | b':', ..] => return Err(LineError::NoType),
            _ => return Err(LineError::UnknownType),
        };
        if values.is_empty() {
            return Err(LineError::NoValue);
        }
        let end = colon.filter(|_| kind != Kind::Set);
        let mut group = Self { kind, first: 0.0, end, values, rate: 1.0 };
        if kind != Kind::Set {
            group.check()?;
        }
        let Some(behind) = rest.strip_prefix("|@") else { return Ok((group, rest)) };
        let end = memchr::memchr2(b'|', b':', behind.as_bytes()).unwrap_or(behind.len());
        group.rate = rate(&behind[..end])?;
        Ok((group, &behind[end..]))
    }

    /// Checks all values, and keeps the first.
    #[inline]
    fn check(&mut self) -> Result<(), LineError> {
        let Self { values, end, .. } = *self;
        self.first = self.value(&values[..end.unwrap_or(values.len())])?;
        let Some(end) = end else { return Ok(()) };
        values[end + 1..].split(':').try_for_each(|value| self.value(value).map(|_| ()))
    }

    #[inline]
    fn value(&self, text: &str) -> Result<f64, LineError> {
        if text.is_empty() {
            return Err(LineError::NoValue);
        }
        let value = finite(text)?;
        // Minus zero is no decrease.
        if self.kind == Kind::Counter && value < 0.0 {
            return Err(LineError::NegativeCount);
        }
        Ok(value)
    }

    /// The values. `rate` is that of the whole line. A set has one member, in which there may be colons.
    #[inline]
    fn samples(self, rate: f64) -> impl Iterator<Item = Sample<'a>> {
        let Self { kind, values, rate: own, first, end } = self;
        let rate = if own < 1.0 { own } else { rate };
        let text = end.map_or(values, |end| &values[..end]);
        let more = end.map(|end| &values[end + 1..]).into_iter().flat_map(|more| more.split(':'));
        // They were read before, so they can be read.
        let more = more.map(move |text| (text, finite(text).unwrap_or(0.0)));
        let all = std::iter::once((text, first)).chain(more);
        all.map(move |(text, value)| Sample { kind, value, text, rate })
    }
}

/// Where values end, and where the first of them does if there are several.
#[inline]
fn ends(text: &[u8]) -> Option<(usize, Option<usize>)> {
    /// Most values are so short that a loop finds their end before a search has begun.
    const SHORT: usize = 12;
    let mut colon = None;
    for (at, byte) in text.iter().enumerate().take(SHORT) {
        match byte {
            b'|' => return Some((at, colon)),
            b':' if colon.is_none() => colon = Some(at),
            _ => {}
        }
    }
    let bar = memchr::memchr(b'|', text)?;
    Some((bar, memchr::memchr(b':', &text[..bar])))
}

/// The name of a container, if it is not empty.
pub(super) fn container(text: &str) -> Result<Option<&str>, LineError> {
    if text.len() > LONGEST {
        return Err(LineError::TooLong);
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Whether this is a part of a kind that DogStatsD may come to have, like `e:` and `card:`: a few letters and a colon.
/// The Datadog agent ignores those that it does not know.
pub(super) fn is_other(part: &str) -> bool {
    let key = part.split_once(':').map_or("", |(key, _)| key);
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase())
}
