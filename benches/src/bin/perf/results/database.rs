//! What the results need of a database, so that the SQL is written once for all of them.

use std::path::Path;

use crate::failure::Failure;

/// A value that goes into or comes out of a database.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
}

/// A database with SQL that numbers its parameters `$1`, `$2` and so on, in the order in which they first appear.
pub(super) trait Database {
    /// The type of a column that numbers its rows by itself.
    fn identity(&self) -> &'static str;

    /// Runs statements without parameters.
    fn batch(&mut self, sql: &str) -> Result<(), Failure>;

    /// Runs one statement, and returns its rows.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, Failure>;

    /// Returns the version of the schema, 0 if there is none. Called within a transaction that keeps others out.
    fn version(&mut self) -> Result<i64, Failure>;

    fn set_version(&mut self, version: i64) -> Result<(), Failure>;

    /// The statement that begins a transaction which keeps other migrations out.
    fn begin_exclusively(&self) -> &'static str;
}

/// Whether `place` is the URL of a server and not a file.
pub(super) fn is_url(place: &Path) -> bool {
    let text = place.to_string_lossy();
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Integer(i64::from(yes))
    }
}

/// JSON and SQL have no infinity, so such a number is stored as absent.
impl From<f64> for Value {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Real(number) } else { Self::Null }
    }
}

impl Value {
    /// Returns the number, 0 if it is none.
    pub(super) fn integer(&self) -> i64 {
        if let Self::Integer(n) = self { *n } else { 0 }
    }

    /// Returns the number, NaN if it is none.
    pub(super) fn real(&self) -> f64 {
        match self {
            Self::Real(n) => *n,
            Self::Integer(n) => *n as f64,
            Self::Null | Self::Text(_) => f64::NAN,
        }
    }

    /// Returns the text, which is empty if it is none.
    pub(super) fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }
}
