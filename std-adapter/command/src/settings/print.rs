//! The settings as a file: each key with its meaning, its range and its default.

use std::fmt::Write as _;

use ringstat_std::Preset;
use toml::{Table, Value};

use super::keys::{KEYS, Key};
use super::{Collector, Settings};
use crate::common::failure::{Exit, Failure, Outcome};

const HEAD: &str = "\
# The settings of ringstat, as they are in force. What is left out of a file is as in the preset. Times are texts such as
# \"100ms\", \"5s\" or \"1h 30m\". A variable goes before the file: RINGSTAT_CLIENT__SHARDS is client.shards.
";

impl Settings {
    /// Prints the settings as a file.
    pub(crate) fn print(&self) -> Outcome {
        print!("{}", self.to_file()?);
        Ok(())
    }

    /// The text that [`print`](Self::print) prints.
    pub(super) fn to_file(&self) -> Result<String, Failure> {
        let table = |settings: &Self| {
            Table::try_from(settings)
                .map_err(|e| Failure::new(Exit::Environment, format_args!("cannot print: {e}")))
        };
        let defaults = Self {
            to: crate::send::DEFAULT_ADDRESS.to_owned(),
            preset: Preset::default(),
            client: self.preset.config(),
            collector: Collector::default(),
        };
        let (values, defaults) = (table(self)?, table(&defaults)?);
        let mut text = HEAD.to_owned();
        let mut section = "";
        for key in KEYS {
            let (of, name) = key.path.split_once('.').unwrap_or(("", key.path));
            if of != section {
                section = of;
                let _ = writeln!(text, "\n[{of}]");
            }
            describe(&mut text, key, find(&defaults, key.path));
            let _ = match (find(&values, key.path), key.absent) {
                (Some(value), _) => writeln!(text, "{name} = {value}"),
                (None, example) => writeln!(text, "# {name} = {}", example.unwrap_or("")),
            };
        }
        Ok(text)
    }
}

/// The comment above a key.
fn describe(text: &mut String, key: &Key, default: Option<&Value>) {
    let default = default.map_or("none".to_owned(), Value::to_string);
    let _ = writeln!(text, "\n# {}.\n# Allowed: {}. Default: {default}", key.what, key.range);
}

/// The value at a path.
pub(super) fn find<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((table_name, rest)) => table.get(table_name)?.as_table()?.get(rest),
    }
}
