//! Labels.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The largest number of labels from tags; the number of further tags is given in one label.
const COUNT: usize = 64;
/// The largest size of all labels of a series, roughly, in bytes.
const BYTES: usize = 4096;
/// Names of the collector's own labels, and names to which Prometheus gives a meaning.
const TAKEN: [&str; 5] = ["sender", "quantile", "le", MORE, TWIN];
/// The label that says how many tags are not shown.
const MORE: &str = "ringstat_more";
/// The label that distinguishes series that would otherwise be equal.
const TWIN: &str = "ringstat_twin";

/// Writes the labels of a series, without braces. `tags` are sorted. A series that is added up over senders has no
/// `sender`. From the second series on that would have the same labels, `twin` tells it apart.
///
/// A tag without a value gets no label, since Prometheus does not distinguish the two.
pub(crate) fn labels<'a>(
    out: &mut String,
    sender: Option<u64>,
    tags: impl Iterator<Item = (&'a str, &'a str)>,
    twin: u64,
) {
    let begin = out.len();
    // Writing to a String does not fail.
    let _ = sender.map(|sender| write!(out, "sender=\"{sender:016x}\""));
    let comma = |out: &str| if out.len() > begin { "," } else { "" };
    // Each name, with how often it was wanted.
    let mut used: Vec<(String, usize)> = Vec::new();
    let mut more = 0;
    for (key, value) in tags.filter(|(_, value)| !value.is_empty()) {
        // Escaping doubles a byte at most.
        let length = out.len() - begin + 2 * value.len() + key.len();
        if used.len() >= COUNT || length > BYTES {
            more += 1;
            continue;
        }
        let name = unused(&mut used, clean(key));
        let _ = write!(out, "{}{name}=\"", comma(out));
        quoted(out, value);
        out.push('"');
        used.push((name, 1));
    }
    if more > 0 {
        let _ = write!(out, "{}{MORE}=\"{more}\"", comma(out));
    }
    if twin > 0 {
        let _ = write!(out, "{}{TWIN}=\"{twin:016x}\"", comma(out));
    }
}

/// Returns the name if it is unused, otherwise the first unused one with a number appended.
fn unused(used: &mut [(String, usize)], name: String) -> String {
    let taken = |used: &[(String, usize)], name: &str| {
        TAKEN.contains(&name) || used.iter().any(|(of, _)| of == name)
    };
    if !taken(used, &name) {
        return name;
    }
    // Where the last search for the same name ended.
    let before = used.iter().position(|(of, _)| *of == name);
    let mut number = before.map_or(1, |i| used[i].1);
    loop {
        number += 1;
        let numbered = format!("{name}_{number}");
        if !taken(used, &numbered) {
            if let Some(i) = before {
                used[i].1 = number;
            }
            return numbered;
        }
    }
}

/// Turns a key into the name of a label: `[a-zA-Z_][a-zA-Z0-9_]*`, not beginning with `__`, which Prometheus reserves.
fn clean(key: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut name: String = key.chars().map(allowed).collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    // Also the one that would begin so with a number appended.
    if name.starts_with("__") || name == "_" {
        name.insert_str(0, "tag");
    }
    name
}

/// Escapes a label's value.
pub(crate) fn quoted(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

/// Escapes a text for `# HELP`, where quotation marks need no escape.
pub(crate) fn escaped_help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// Reads labels back that were written by [`labels`].
pub(crate) fn read_labels(text: &str) -> ReadLabels<'_> {
    ReadLabels(text)
}

/// See [`read_labels`].
#[derive(Debug)]
pub(crate) struct ReadLabels<'a>(&'a str);

impl<'a> Iterator for ReadLabels<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.strip_prefix(',').unwrap_or(self.0);
        let (name, behind) = text.split_once("=\"")?;
        let (value, behind) = behind.split_at(closing(behind)?);
        self.0 = behind.strip_prefix('"')?;
        Some((name, unescaped(value)))
    }
}

/// Where the quotation mark is that ends a value.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// A value, or the text of a family, without its escapes.
pub(crate) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some(escaped)) => out.push(escaped),
            (c, _) => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tags: &[(&str, &str)]) -> String {
        let mut out = String::new();
        labels(&mut out, Some(7), tags.iter().copied(), 0);
        out.strip_prefix("sender=\"0000000000000007\"").unwrap().to_owned()
    }

    #[test]
    fn no_name_comes_twice_and_none_is_reserved() {
        assert_eq!(
            of(&[("a.b", "1"), ("a_b", "2"), ("a_b_2", "3")]),
            ",a_b=\"1\",a_b_2=\"2\",a_b_2_2=\"3\""
        );
        assert_eq!(of(&[("zone", "eu"), ("zone", "eu")]), ",zone=\"eu\",zone_2=\"eu\"");
        assert_eq!(of(&[("__name__", "x")]), ",tag__name__=\"x\"");
        assert_eq!(of(&[("", "a"), ("1", "b"), ("é", "c")]), ",tag_=\"a\",_1=\"b\",tag__2=\"c\"");
        assert_eq!(of(&[("sender", "x"), ("quantile", "y")]), ",sender_2=\"x\",quantile_2=\"y\"");
        assert_eq!(of(&[("a", "\"\\\n")]), ",a=\"\\\"\\\\\\n\"");
        assert_eq!(of(&[("a", "")]), "");
    }

    #[test]
    fn without_a_sender_no_comma_comes_first() {
        let of = |tags: &[(&str, &str)], twin| {
            let mut out = String::new();
            labels(&mut out, None, tags.iter().copied(), twin);
            out
        };
        assert_eq!(of(&[], 0), "");
        assert_eq!(of(&[("a", "1"), ("b", "2")], 0), "a=\"1\",b=\"2\"");
        assert_eq!(of(&[], 1), "ringstat_twin=\"0000000000000001\"");
    }

    #[test]
    fn many_and_long_ones_are_bounded() {
        let same: Vec<_> = (0..1000).map(|_| ("a", "b")).collect();
        let text = of(&same);
        assert!(text.ends_with(",a_64=\"b\",ringstat_more=\"936\""), "{text}");
        let long = "\n".repeat(1000);
        let long: Vec<_> = (0..9).map(|_| ("a", long.as_str())).collect();
        assert!(of(&long).len() < BYTES + 100);
    }
}
