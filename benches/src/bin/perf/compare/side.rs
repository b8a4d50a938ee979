//! The two sides of a comparison, as they are named on the command line.

use std::path::Path;
use std::time::SystemTime;

use super::build;
use crate::desk::Kept;
use crate::failure::{Exit, Failure};
use crate::results::{Run, criterion};

/// One side of a comparison.
#[derive(Debug)]
pub(super) enum Side {
    /// A commit, or `.` for the working tree.
    Commit(String),
    /// Numbers that were measured before.
    Run(Box<Run>),
}

/// Splits the words of the command line into base, head and filters. `BASE..HEAD` is one word; `BASE...HEAD` compares
/// with the commit at which HEAD left BASE, as git does, so that what others did since does not count.
pub(super) fn split(words: &[String]) -> Result<(String, String, &[String]), Failure> {
    let one_side = || {
        Failure::new(Exit::Usage, "there is only one side to compare")
            .hint("Give two, as in `perf compare HEAD~1 HEAD`, or a range, as in main...HEAD.")
    };
    let (first, rest) = words.split_first().ok_or_else(one_side)?;
    let is_path = Path::new(first).exists() || first.ends_with(".json");
    let or_head = |name: &str| if name.is_empty() { "HEAD".into() } else { name.to_owned() };
    if is_path {
        // A path such as `../target/criterion` is not a range.
    } else if let Some((base, head)) = first.split_once("...") {
        let head = or_head(head);
        return Ok((build::merge_base(&or_head(base), &head)?, head, rest));
    } else if let Some((base, head)) = first.split_once("..") {
        return Ok((or_head(base), or_head(head), rest));
    }
    let (second, filters) = rest.split_first().ok_or_else(one_side)?;
    Ok((first.clone(), second.clone(), filters))
}

impl Side {
    /// Finds out what `name` names.
    pub(super) fn find(kept: &Kept, name: &str) -> Result<Self, Failure> {
        if name.starts_with('@') || name.ends_with(".json") || name == "latest" {
            return kept.find(name).map(|run| Self::Run(Box::new(run)));
        }
        // Folders are Criterion's, with the name of a baseline behind a colon; `.` alone is the working tree.
        let (folder, baseline) = match name.rsplit_once(':') {
            Some((folder, baseline)) if !baseline.is_empty() => (folder, baseline),
            _ => (name, criterion::LATEST),
        };
        if name == "." || !Path::new(folder).is_dir() {
            return Ok(Self::Commit(name.to_owned()));
        }
        let metrics = criterion::read(Path::new(folder), baseline, SystemTime::UNIX_EPOCH)?;
        if metrics.is_empty() {
            let what = format!("{folder} has no results of Criterion called '{baseline}'");
            return Err(Failure::new(Exit::Usage, what)
                .hint("Give the folder `target/criterion`, and after a colon the baseline."));
        }
        Ok(Self::Run(Box::new(Run::now("criterion", metrics))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &str) -> Result<(String, String, usize), Failure> {
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        split(&words).map(|(base, head, filters)| (base, head, filters.len()))
    }

    #[test]
    fn two_words_or_a_range_name_two_sides() {
        let of = |base: &str, head: &str, filters| (base.to_owned(), head.to_owned(), filters);
        assert_eq!(words("v1 v2 record").unwrap(), of("v1", "v2", 1));
        assert_eq!(words("v1..v2 record ring").unwrap(), of("v1", "v2", 2));
        assert_eq!(words("v1..").unwrap(), of("v1", "HEAD", 0));
        assert_eq!(words("../a.json ../b.json").unwrap(), of("../a.json", "../b.json", 0));
        assert!(words("v1").is_err() && words("").is_err());
    }

    #[test]
    fn three_dots_start_where_the_branches_parted() {
        let head = build::merge_base("HEAD", "HEAD").unwrap();
        assert_eq!(words("HEAD...HEAD").unwrap(), (head, "HEAD".to_owned(), 0));
        assert!(words("no-such-commit...HEAD").is_err());
    }
}
