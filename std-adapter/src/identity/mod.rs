//! Who a client is: the number that it sends under, and what it says of itself.

mod info;
mod instance;

use std::path::Path;

use ringstat_core::record::STRING_LIMIT;

pub(crate) use info::OwnInfo;
pub(crate) use instance::InstanceNumber;

/// The name of this program: that of its file, without the ending.
fn program() -> Option<String> {
    let file = std::env::current_exe().ok()?;
    let name = file.file_stem().and_then(|name| name.to_str())?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The name of this machine, as it gives itself one.
fn host() -> Option<String> {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).ok();
    let name = read("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok())?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// A text that is cut where it is longer than a text on the wire may be.
pub(crate) fn short(mut text: String) -> String {
    let end = (0..=STRING_LIMIT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}
