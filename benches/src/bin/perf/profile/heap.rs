//! How much memory is allocated over time, by valgrind's Massif.

use std::path::Path;

use super::LIMIT;
use crate::failure::Failure;
use crate::results::Timeline;
use crate::scan::Target;
use crate::tools;

/// Runs `target` under Massif, and returns the heap's size over time.
pub(super) fn over_time(target: &Target, out: &Path) -> Result<Timeline, Failure> {
    let file = out.join(format!("{}.massif", target.name));
    let out_file = format!("--massif-out-file={}", file.display());
    let flags = ["--tool=massif", "--time-unit=ms", "--quiet", "--log-file=/dev/null", &out_file];
    let ended = tools::run(&mut target.under("valgrind", &flags), LIMIT)?;
    if !matches!(ended.code, Some(0 | 1)) {
        ended.success("valgrind")?;
    }
    let text = std::fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
    let (seconds, values) = snapshots(&text).unzip();
    let name = format!("profile.{}.heap", target.name);
    Ok(Timeline { name, unit: "B".into(), seconds, values, marks: Vec::new() })
}

/// Parses Massif's snapshots, each with lines such as `time=12` and `mem_heap_B=345`: seconds and bytes.
fn snapshots(text: &str) -> impl Iterator<Item = (f64, f64)> {
    let mut ms = 0.0;
    text.lines().filter_map(move |line| {
        let (key, value) = line.split_once('=')?;
        match key {
            "time" => ms = value.parse().ok()?,
            "mem_heap_B" => return Some((ms / 1e3, value.parse().ok()?)),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_massif_saw_is_read() {
        let text = "cmd: x\ntime_unit: ms\nsnapshot=0\ntime=0\nmem_heap_B=0\nmem_stacks_B=0\n\
                    snapshot=1\ntime=250\nmem_heap_B=4096\n";
        assert_eq!(snapshots(text).collect::<Vec<_>>(), [(0.0, 0.0), (0.25, 4096.0)]);
    }
}
