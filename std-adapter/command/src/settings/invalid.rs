//! Errors in the settings: the key with its whole path, its value, where it was set, and what is allowed.

use std::path::{Path, PathBuf, absolute};

use figment::error::Kind;
use figment::value::Dict;
use figment::{Figment, Metadata, Profile, Provider as _, Source};

use super::keys::KEYS;
use crate::common::failure::{Exit, Failure};

const HINT: &str = "`ringstat settings` prints all settings with their meaning, range and default.";

/// A key that is not a setting, with the setting that it resembles most.
pub(super) fn unknown(given: &Figment) -> Option<Failure> {
    // A file that cannot be read as TOML is reported with its line elsewhere.
    let key = first_unknown("", given.data().ok()?.get(&Profile::Default)?)?;
    let place = given.find_metadata(&key).map(|from| format!(" in {}", place(from, &key)));
    let tables = KEYS.iter().filter_map(|known| known.path.split_once('.')).map(|(table, _)| table);
    let typos = |known: &&str| strsim::damerau_levenshtein(known, &key);
    let nearest = KEYS.iter().map(|known| known.path).chain(tables);
    let nearest = nearest.min_by_key(typos).filter(|known| typos(known) <= 2);
    let nearest = nearest.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
    let what =
        format_args!("{key}{} is not a setting{nearest}", place.unwrap_or_default()).to_string();
    Some(Failure::new(Exit::Usage, what).hint(HINT))
}

fn first_unknown(table: &str, given: &Dict) -> Option<String> {
    given.iter().find_map(|(name, value)| {
        let key = if table.is_empty() { name.clone() } else { format!("{table}.{name}") };
        let is_within =
            |known: &str| known.strip_prefix(&*key).is_some_and(|rest| rest.starts_with('.'));
        if KEYS.iter().any(|known| known.path == key) {
            None
        } else if KEYS.iter().any(|known| is_within(known.path)) {
            first_unknown(&key, value.as_dict()?)
        } else {
            Some(key)
        }
    })
}

/// A valid value that is out of bounds.
pub(super) fn out_of_bounds(key: &str, value: &str, allowed: &str, given: &Figment) -> Failure {
    // If a default conflicts with what was given, nobody has set the key.
    let place = given.find_metadata(key).map(|from| format!(" in {}", place(from, key)));
    let place = place.unwrap_or_default();
    let what = format_args!("{key} is {value}{place}; allowed is {allowed}").to_string();
    Failure::new(Exit::Usage, what).hint(HINT)
}

/// Values of the wrong type, and keys that a value of several parts does not have.
pub(super) fn not_read(errors: figment::Error, given: &Figment) -> Failure {
    let describe = |error: figment::Error| {
        let key = error.path.join(".");
        let place = error.metadata.as_ref().map(|from| place(from, &key));
        let place = place.unwrap_or_else(|| "the settings".to_owned());
        match given.find_value(&key) {
            _ if key.is_empty() => format!("{place}: {}", error.kind),
            Ok(value) => {
                let value = show(&value);
                match (&error.kind, KEYS.iter().find(|known| known.path == key)) {
                    (Kind::UnknownVariant(..) | Kind::InvalidType(..), Some(known)) => {
                        format!("{key} is {value} in {place}; allowed is {}", known.range)
                    }
                    (kind, _) => format!("{key} is {value} in {place}: {kind}"),
                }
            }
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
        Some(Source::File(path)) => whole(path).display().to_string(),
        None if from.name.contains("environment") => {
            format!("RINGSTAT_{}", key.replace('.', "__").to_uppercase())
        }
        Some(other) => other.to_string(),
        None => from.name.to_string(),
    }
}

/// The path from the root, so that it is clear which file was meant.
pub(super) fn whole(path: &Path) -> PathBuf {
    absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A value as it would be written in the file.
fn show(value: &figment::value::Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| "not a value".to_owned(), |v| v.to_string())
}
