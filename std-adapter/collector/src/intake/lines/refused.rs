//! Lines that were refused, with an example of each kind.

use crate::intake::Source;
use crate::statsd::LineError;

/// A line that was refused, for whoever wants to know who sends such.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Example {
    /// The line, up to some length, with everything escaped that is not printable.
    pub(crate) line: String,
    /// Where it came from.
    pub(crate) from: Option<Source>,
    /// When it came.
    pub(crate) at_ms: u64,
}

/// The latest example of each kind, or nearly: a new one each minute.
#[derive(Clone, Default, Debug)]
pub(crate) struct Examples([Option<Example>; LineError::ALL.len()]);

/// As much of a line is shown.
const SHOWN: usize = 160;
/// How long an example stays.
const STAYS_MS: u64 = 60_000;

impl Examples {
    /// Shows a line, unless there has been one of its kind within a minute.
    pub(super) fn note(
        &mut self,
        reason: LineError,
        line: &[u8],
        from: Option<&Source>,
        now_ms: u64,
    ) -> Option<&Example> {
        let place = &mut self.0[reason as usize];
        if place.as_ref().is_some_and(|before| now_ms.saturating_sub(before.at_ms) < STAYS_MS) {
            return None;
        }
        Some(place.insert(Example { line: printable(line), from: from.cloned(), at_ms: now_ms }))
    }

    /// The example of a kind.
    pub(crate) fn get(&self, reason: LineError) -> Option<&Example> {
        self.0[reason as usize].as_ref()
    }

    /// Takes those of another shard that are later.
    pub(crate) fn add_up(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            let at_ms = |example: &Option<Example>| example.as_ref().map(|e| e.at_ms);
            if at_ms(other) > at_ms(own) {
                own.clone_from(other);
            }
        }
    }
}

/// The beginning of a line as text that can be shown anywhere.
fn printable(line: &[u8]) -> String {
    let mut text = String::new();
    for c in line[..line.len().min(SHOWN)].utf8_chunks() {
        for c in c.valid().chars() {
            if c.is_control() {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        c.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
    }
    if line.len() > SHOWN {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_stays_for_a_minute_and_can_be_printed() {
        let mut examples = Examples::default();
        let mut note = |line: &[u8], now_ms| {
            examples.note(LineError::NoType, line, None, now_ms).map(|e| e.line.clone())
        };
        assert_eq!(note(b"a\x01\xff:1", 5).as_deref(), Some("a\\u{1}\\xff:1"));
        assert_eq!(note(b"b:2", 60_004), None);
        assert_eq!(note(&[b'x'; 500], 60_005).map(|line| line.len()), Some(SHOWN + 3));
        let mut all = Examples::default();
        all.add_up(&examples);
        all.add_up(&Examples::default());
        assert_eq!(all.get(LineError::NoType).map(|e| e.at_ms), Some(60_005));
        assert_eq!(all.get(LineError::NoValue), None);
    }
}
