//! The name of a value in serde formats is the one that its `as_str` returns, since commands, metrics and pages use
//! either.

use ringstat_core::ledger::Cause;
use ringstat_core::observe::{Grade, Reason};
use ringstat_core::policy::Policy;
use serde::de::DeserializeOwned;

fn agree<T: serde::Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    all: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> &'static str,
) {
    for value in all {
        let json = serde_json::to_string(&value).unwrap();
        // A policy with a number is serialized as a map, and its name is the key.
        assert_eq!(json.split('"').nth(1), Some(name(&value)), "{json}");
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
    }
}

#[test]
fn names_in_files_are_names_in_code() {
    agree(Policy::ALL, |policy| policy.as_str());
    agree(Cause::ALL, |cause| cause.as_str());
    agree(Reason::ALL, |reason| reason.as_str());
    agree([Grade::Healthy, Grade::Degraded, Grade::Unhealthy], |grade| grade.as_str());
}
