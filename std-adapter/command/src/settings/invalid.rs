//! Errors in the settings: the key with its whole path, its value, where it was set, and what is allowed.

use std::path::{Path, absolute};

use figment::{Figment, Metadata, Source};

use crate::common::failure::{Exit, Failure};

const HINT: &str = "`ringstat settings` prints all settings with their meaning, range and default.";

/// A valid value that is out of bounds.
pub(super) fn out_of_bounds(key: &str, value: &str, allowed: &str, given: &Figment) -> Failure {
    // If a default conflicts with what was given, nobody has set the key.
    let place = given.find_metadata(key).map(|from| format!(" in {}", place(from, key)));
    let place = place.unwrap_or_default();
    let what = format_args!("{key} is {value}{place}; allowed is {allowed}").to_string();
    Failure::new(Exit::Usage, what).hint(HINT)
}

/// Values of the wrong type, and unknown keys.
pub(super) fn not_read(errors: figment::Error, given: &Figment) -> Failure {
    let describe = |error: figment::Error| {
        let key = error.path.join(".");
        let place = error.metadata.as_ref().map(|from| place(from, &key));
        let place = place.unwrap_or_else(|| "the settings".to_owned());
        match given.find_value(&key) {
            _ if key.is_empty() => format!("{place}: {}", error.kind),
            Ok(value) => format!("{key} is {} in {place}: {}", show(&value), error.kind),
            // An element of a list has no key of its own.
            Err(_) => format!("{key} in {place}: {}", error.kind),
        }
    };
    let all: Vec<_> = errors.into_iter().map(describe).collect();
    Failure::new(Exit::Usage, all.join("; ")).hint(HINT)
}

/// The file with its whole path, or the variable.
fn place(from: &Metadata, key: &str) -> String {
    match &from.source {
        Some(Source::File(path)) => whole(path),
        None if from.name.contains("environment") => {
            format!("RINGSTAT_{}", key.replace('.', "__").to_uppercase())
        }
        Some(other) => other.to_string(),
        None => from.name.to_string(),
    }
}

fn whole(path: &Path) -> String {
    absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// A value as it would be written in the file.
fn show(value: &figment::value::Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| "not a value".to_owned(), |v| v.to_string())
}
