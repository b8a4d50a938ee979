//! Which system calls are made, and how often, by `strace -c`.

use std::path::Path;

use super::LIMIT;
use crate::failure::Failure;
use crate::scan::Target;
use crate::tools;

/// Counts the system calls of `target` by name, the most frequent first. A `futex` call means that a lock was not free,
/// or that a waiting thread was woken.
pub(super) fn count(target: &Target, out: &Path) -> Result<Vec<(String, u64)>, Failure> {
    let file = out.join(format!("{}.strace", target.name));
    let path = file.to_string_lossy().into_owned();
    let flags = ["-f", "-c", "-S", "calls", "-o", &path];
    let ended = tools::run(&mut target.under("strace", &flags), LIMIT)?;
    if !matches!(ended.code, Some(0 | 1)) {
        ended.success("strace")?;
    }
    let text = std::fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
    Ok(parse(&text))
}

/// Parses lines such as ` 99.5  1.2  34  567  [8]  futex`, where the fourth column is the count and the last one the
/// name.
fn parse(table: &str) -> Vec<(String, u64)> {
    let line = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let (share, name) = (columns.first()?, columns.last()?);
        share.parse::<f64>().ok()?;
        let calls = columns.get(3)?.parse().ok()?;
        (*name != "total").then(|| ((*name).to_owned(), calls))
    };
    table.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strace_counts_is_read() {
        let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.30    0.100000          10      9876        12 futex
  0.70    0.000700           7       100           sendmsg
------ ----------- ----------- --------- --------- ----------------
100.00    0.100700                  9976        12 total
";
        assert_eq!(parse(table), [("futex".into(), 9876), ("sendmsg".into(), 100)]);
    }
}
