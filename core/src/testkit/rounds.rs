//! How long a test that could go on for ever does so.

/// The variable that asks for the long form of tests: any value but none.
pub const LONG_TESTS: &str = "RINGSTAT_LONG_TESTS";

/// `short`, or `long` where the environment has [`LONG_TESTS`].
///
/// Tests over many seeds, cases or items have both: the short form is over before one has lost the thread, and the
/// gate runs the long one.
#[must_use]
pub fn rounds<T>(short: T, long: T) -> T {
    if std::env::var_os(LONG_TESTS).is_some() { long } else { short }
}
