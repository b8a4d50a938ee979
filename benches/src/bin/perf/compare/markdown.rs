//! A comparison as a comment for a pull request: what changed on top, everything else folded away.

use super::{COLUMNS, Compared, row, summary};
use crate::report::markdown;

/// The first line, by which a job finds the comment that it wrote before and replaces it.
pub(super) const MARKER: &str = "<!-- perf compare -->";

/// Formats the comment; `sides` says what was compared with what, and `environment` where.
pub(super) fn comment(sides: &str, environment: &str, compared: &[Compared]) -> String {
    let table = |of: &mut dyn Iterator<Item = &Compared>| {
        markdown::table(&COLUMNS, &of.map(row).collect::<Vec<_>>())
    };
    let mut text = format!(
        "{MARKER}\n### Performance: {}\n\n{}\n",
        markdown::escape(sides),
        summary(compared)
    );
    if compared.iter().any(Compared::is_change) {
        text += &format!("\n{}", table(&mut compared.iter().filter(|c| c.is_change())));
    }
    text += "\n<details><summary>All numbers</summary>\n\n";
    text += &table(&mut compared.iter());
    text += &format!("\n{}\n\n</details>\n", markdown::escape(environment));
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::{VALUES, saved};
    use super::*;
    use crate::compare::of_runs;

    #[test]
    fn what_changed_stands_above_the_fold() {
        let of = |scale| of_runs(&saved(VALUES, 1.0), &saved(VALUES, scale), &[]);
        let worse = comment("a against b", "a machine", &of(1.3));
        let (above, below) = worse.split_once("<details>").unwrap();
        assert!(worse.starts_with(MARKER) && above.contains("0 improvements, 2 regressions"));
        for part in [above, below] {
            assert!(part.contains("| record.ns |") && part.contains("| regression |"), "{part}");
        }
        let same = comment("a against b", "a machine", &of(1.0));
        let (above, below) = same.split_once("<details>").unwrap();
        assert!(!above.contains('|') && below.contains("| record.ns |"), "{same}");
    }
}
