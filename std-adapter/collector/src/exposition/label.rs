//! Labels.

use std::fmt::Write as _;

/// Labels with the names of tags, at most; the rest are counted in one.
const COUNT: usize = 64;
/// Bytes of all labels, at most, roughly.
const BYTES: usize = 4096;
/// Names that labels of the collector have, or that Prometheus gives a meaning.
const TAKEN: [&str; 5] = ["sender", "quantile", "le", MORE, TWIN];
/// How many tags are not shown.
const MORE: &str = "ringstat_more";
/// What tells series apart that would be equal.
const TWIN: &str = "ringstat_twin";

/// Writes the labels of a series, without braces. `tags` are sorted. From the second series on that would have the same
/// ones, `twin` is its number.
///
/// A tag without a value is no label, as Prometheus makes no difference.
pub(crate) fn labels<'a>(
    out: &mut String,
    sender: u64,
    tags: impl Iterator<Item = (&'a str, &'a str)>,
    twin: u32,
) {
    let begin = out.len();
    // Writing to a String does not fail.
    let _ = write!(out, "sender=\"{sender:016x}\"");
    // With how often each name was wanted.
    let mut used: Vec<(String, usize)> = Vec::new();
    let mut more = 0;
    for (key, value) in tags.filter(|(_, value)| !value.is_empty()) {
        // Escapes double a byte at most.
        let length = out.len() - begin + 2 * value.len() + key.len();
        if used.len() >= COUNT || length > BYTES {
            more += 1;
            continue;
        }
        let name = unused(&mut used, clean(key));
        let _ = write!(out, ",{name}=\"");
        quoted(out, value);
        out.push('"');
        used.push((name, 1));
    }
    if more > 0 {
        let _ = write!(out, ",{MORE}=\"{more}\"");
    }
    if twin > 0 {
        let _ = write!(out, ",{TWIN}=\"{twin}\"");
    }
}

/// The name, or with a number behind it the first that is not used.
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

/// A key as the name of a label: `[a-zA-Z_][a-zA-Z0-9_]*`, and not beginning with `__`, which Prometheus keeps for
/// itself.
fn clean(key: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut name: String = key.chars().map(allowed).collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    // The one, too, that would begin so with a number behind it.
    if name.starts_with("__") || name == "_" {
        name.insert_str(0, "tag");
    }
    name
}

/// Escapes a label's value.
fn quoted(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

/// A text behind `# HELP`, where quotation marks stand for themselves.
pub(crate) fn escaped_help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tags: &[(&str, &str)]) -> String {
        let mut out = String::new();
        labels(&mut out, 7, tags.iter().copied(), 0);
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
    fn many_and_long_ones_are_bounded() {
        let same: Vec<_> = (0..1000).map(|_| ("a", "b")).collect();
        let text = of(&same);
        assert!(text.ends_with(",a_64=\"b\",ringstat_more=\"936\""), "{text}");
        let long = "\n".repeat(1000);
        let long: Vec<_> = (0..9).map(|_| ("a", long.as_str())).collect();
        assert!(of(&long).len() < BYTES + 100);
    }
}
