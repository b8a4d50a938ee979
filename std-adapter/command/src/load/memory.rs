//! The resident memory of this process, or another, if the system provides it.

/// Bytes of resident memory at present, and their peak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resident {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

/// The numbers in `/proc/self/status` on Linux; `None` elsewhere.
pub(crate) fn resident() -> Option<Resident> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The peak of the resident memory of another process, in bytes; `None` if the system does not tell, or it has ended.
pub(crate) fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    parse(&status).map(|resident| resident.peak)
}

/// Resets the peak, so that earlier steps do not count. If that is not permitted, the peak remains that of the whole
/// process, which is no smaller.
pub(crate) fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn parse(status: &str) -> Option<Resident> {
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some(Resident { now: field("VmRSS")?, peak: field("VmHWM")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_are_found_or_none() {
        let status = "Name:\tx\nVmHWM:\t    4264 kB\nVmRSS:\t    4000 kB\n";
        assert_eq!(parse(status), Some(Resident { now: 4000 * 1024, peak: 4264 * 1024 }));
        assert_eq!(parse("VmRSS:\t 1 kB\n"), None);
        assert_eq!(parse("VmRSS:\t many\nVmHWM:\t 1 kB\n"), None);
    }
}
