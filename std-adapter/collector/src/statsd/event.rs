//! DogStatsD's events and service checks.

use super::LineError;
use super::metric::{container, is_other};
use super::number::seconds;
use super::tags::{check, tags};

/// Something that happened: `_e{5,4}:title|text|d:1656581400|p:low|t:error|#key:value`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) title: &'a str,
    /// The text, in which a line end is written as `\n`.
    pub(crate) text: &'a str,
    pub(crate) container: Option<&'a str>,
    /// What else is said of it.
    parts: Parts<'a>,
}

/// The state of a service: `_sc|name|status|#key:value|m:message`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Check<'a> {
    pub(crate) name: &'a str,
    /// 0: all is well, 1: a warning, 2: critical, 3: unknown.
    pub(crate) status: u8,
    pub(crate) time_s: Option<u64>,
    pub(crate) container: Option<&'a str>,
    parts: Parts<'a>,
}

/// What events and service checks have in common.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct Parts<'a> {
    host: Option<&'a str>,
    priority: Option<&'a str>,
    alert_type: Option<&'a str>,
    source: Option<&'a str>,
    tags: &'a str,
}

impl<'a> Event<'a> {
    /// Reads what follows `_e{`.
    pub(super) fn parse(line: &'a str) -> Result<Self, LineError> {
        let bad = LineError::BadEvent;
        let (lengths, rest) = line.split_once("}:").ok_or(bad)?;
        let (title, text) = lengths.split_once(',').ok_or(bad)?;
        let length = |text: &str| text.parse::<usize>().map_err(|_| bad);
        let (title, text) = (length(title)?, length(text)?);
        // Lengths are in bytes of UTF-8; one that ends within a character fits none.
        let (title, rest) = rest.split_at_checked(title).ok_or(bad)?;
        let rest = rest.strip_prefix('|').ok_or(bad)?;
        let (text, rest) = rest.split_at_checked(text).ok_or(bad)?;
        check(title, bad)?;
        let mut event = Self { title, text, container: None, parts: Parts::default() };
        each_part(rest, |part| match part.split_at_checked(2) {
            Some(("d:", time)) => seconds(time).map(|_| ()),
            Some(("c:", of)) => container(of).map(|of| event.container = of),
            _ => event.parts.take(part),
        })?;
        event.parts.check()?;
        Ok(event)
    }

    /// Its tags, and what else is said of it that is worth one.
    pub(crate) fn tags(&self) -> Vec<(&'a str, &'a str)> {
        self.parts.tags()
    }
}

impl<'a> Check<'a> {
    /// Reads what follows `_sc|`.
    pub(super) fn parse(line: &'a str) -> Result<Self, LineError> {
        let bad = LineError::BadCheck;
        let (name, rest) = line.split_once('|').ok_or(bad)?;
        let end = rest.find('|').unwrap_or(rest.len());
        let status = match &rest[..end] {
            "0" => 0,
            "1" => 1,
            "2" => 2,
            "3" => 3,
            _ => return Err(bad),
        };
        check(name, bad)?;
        let mut read =
            Self { name, status, time_s: None, container: None, parts: Parts::default() };
        let mut rest = &rest[end..];
        // The message is the last part, and may contain anything.
        if let Some(message) = rest.find("|m:") {
            rest = &rest[..message];
        }
        each_part(rest, |part| match part.split_at_checked(2) {
            Some(("d:", time)) => seconds(time).map(|time| read.time_s = Some(time)),
            Some(("c:", of)) => container(of).map(|of| read.container = of),
            _ => read.parts.take(part),
        })?;
        read.parts.check()?;
        Ok(read)
    }

    /// Its tags, with the host.
    pub(crate) fn tags(&self) -> Vec<(&'a str, &'a str)> {
        self.parts.tags()
    }
}

impl<'a> Parts<'a> {
    fn take(&mut self, part: &'a str) -> Result<(), LineError> {
        match part.split_at_checked(2) {
            Some(("h:", host)) => self.host = Some(host),
            Some(("p:", priority)) => self.priority = Some(priority),
            Some(("t:", alert_type)) => self.alert_type = Some(alert_type),
            Some(("s:", source)) => self.source = Some(source),
            _ if part.starts_with('#') => self.tags = &part[1..],
            _ if is_other(part) => {}
            _ => return Err(LineError::UnknownPart),
        }
        Ok(())
    }

    /// Whether all can be tags.
    fn check(&self) -> Result<(), LineError> {
        self.named().try_for_each(|(_, value)| check(value, LineError::BadTag))?;
        tags(self.tags).map(|_| ())
    }

    fn named(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let Self { host, priority, alert_type, source, .. } = *self;
        let all = [
            ("host", host),
            ("priority", priority),
            ("alert_type", alert_type),
            ("source", source),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?)))
    }

    fn tags(&self) -> Vec<(&'a str, &'a str)> {
        // They were checked when the line was read.
        let sent = tags(self.tags).unwrap_or_default();
        self.named().chain(sent).collect()
    }
}

/// Calls `take` with each part behind a bar.
fn each_part<'a>(
    mut rest: &'a str,
    mut take: impl FnMut(&'a str) -> Result<(), LineError>,
) -> Result<(), LineError> {
    while !rest.is_empty() {
        let part = rest.strip_prefix('|').ok_or(LineError::UnknownPart)?;
        let end = part.find('|').unwrap_or(part.len());
        take(&part[..end])?;
        rest = &part[end..];
    }
    Ok(())
}
