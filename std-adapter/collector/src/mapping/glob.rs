//! Globs over names: `*` matches any part of a name without a dot, `**` any part at all, and everything else itself.

use std::fmt::Write as _;

use regex::Regex;

/// The largest number of wildcards in a glob.
pub(super) const WILDCARDS: usize = 16;

/// A pattern for a complete name, in which each wildcard captures the part that it matches. Matching takes time linear in
/// the length of any name, since names come from the network.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    regex: Regex,
    wildcards: usize,
}

impl Glob {
    /// Returns `None` if there are too many wildcards, or if no name that matches can be sent.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let mut regex = String::from("^");
        let (mut rest, mut wildcards) = (pattern, 0);
        while let Some(star) = rest.find('*') {
            regex += &regex::escape(&rest[..star]);
            rest = &rest[star + 1..];
            wildcards += 1;
            match rest.strip_prefix('*') {
                Some(after) => {
                    regex += "((?s:.)*?)";
                    rest = after;
                }
                None => regex += "([^.]*?)",
            }
        }
        regex += &regex::escape(rest);
        regex += "$";
        let regex = Regex::new(&regex).ok().filter(|_| wildcards <= WILDCARDS)?;
        Some(Self { regex, wildcards })
    }

    /// Returns the equivalent regular expression.
    pub(super) fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    pub(super) fn wildcards(&self) -> usize {
        self.wildcards
    }

    /// Returns what each wildcard matches in a name, from the left, or `None` if the name does not match.
    pub(super) fn captures<'n>(&self, name: &'n str) -> Vec<&'n str> {
        let captures = self.regex.captures(name);
        let each = captures.iter().flat_map(|all| all.iter().skip(1));
        each.map(|part| part.map_or("", |part| part.as_str())).collect()
    }
}

/// A text in which `$1` to `$16` stand for the captures of a glob's wildcards, and `$$` for a `$`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Debug)]
enum Piece {
    Text(String),
    Capture(usize),
}

impl Template {
    /// Returns `None` if a `$` is followed by neither the number of a wildcard nor a `$`.
    pub(super) fn new(text: &str, wildcards: usize) -> Option<Self> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some(dollar) = rest.find('$') {
            pieces.push(Piece::Text(rest[..dollar].into()));
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                pieces.push(Piece::Text("$".into()));
                rest = after;
                continue;
            }
            let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let number: usize = number.parse().ok().filter(|n| (1..=wildcards).contains(n))?;
            pieces.push(Piece::Capture(number - 1));
            rest = after;
        }
        pieces.push(Piece::Text(rest.into()));
        Some(Self(pieces))
    }

    /// Returns the text with these captures inserted.
    pub(super) fn fill(&self, captures: &[&str]) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            // Writing to a String does not fail.
            let _ = match piece {
                Piece::Text(part) => text.write_str(part),
                Piece::Capture(at) => text.write_str(captures.get(*at).unwrap_or(&"")),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures<'n>(glob: &str, name: &'n str) -> Option<Vec<&'n str>> {
        let glob = Glob::new(glob).unwrap();
        glob.regex.is_match(name).then(|| glob.captures(name))
    }

    #[test]
    fn a_star_stays_within_dots_and_two_do_not() {
        assert_eq!(captures("api.*.requests", "api.login.requests"), Some(vec!["login"]));
        assert_eq!(captures("api.*.requests", "api.a.b.requests"), None);
        assert_eq!(captures("api.**.requests", "api.a.b.requests"), Some(vec!["a.b"]));
        assert_eq!(captures("api.**", "api."), Some(vec![""]));
        assert_eq!(captures("a+b.*", "a+b.x\n"), Some(vec!["x\n"]));
        assert_eq!(captures("a.b", "aXb"), None);
        assert_eq!(captures("*.*", "größe.é"), Some(vec!["größe", "é"]));
        assert!(Glob::new(&"*.".repeat(17)).is_none());
    }

    #[test]
    fn a_name_made_to_be_slow_is_not() {
        let glob = Glob::new("**a**a**a**a**a**b").unwrap();
        assert!(!glob.regex.is_match(&"a".repeat(100_000)));
    }

    #[test]
    fn templates_take_captures_by_number() {
        let fill = |text| Template::new(text, 2).map(|t| t.fill(&["x", "y"]));
        assert_eq!(fill("a.$2.$1$1").as_deref(), Some("a.y.xx"));
        assert_eq!(fill("$$1").as_deref(), Some("$1"));
        for wrong in ["$", "$x", "$0", "$3", "cost $"] {
            assert_eq!(fill(wrong), None, "{wrong}");
        }
    }
}
