//! SQLite: a file of this machine, which other tools can query, too.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::database::{Database, Value};
use crate::failure::Failure;

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// An open file.
pub(super) struct Sqlite(Connection);

impl Sqlite {
    /// Opens the file at `path`, creating it and its folder if necessary.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Failure::file("make", folder, &e))?;
        }
        Self::with(Connection::open(path)?)
    }

    /// A database that ends with the process.
    #[cfg(test)]
    pub(super) fn in_memory() -> Result<Self, Failure> {
        Self::with(Connection::open_in_memory()?)
    }

    fn with(connection: Connection) -> Result<Self, Failure> {
        connection.busy_timeout(BUSY)?;
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        Ok(Self(connection))
    }
}

impl Database for Sqlite {
    fn identity(&self) -> &'static str {
        "INTEGER PRIMARY KEY"
    }

    fn batch(&mut self, sql: &str) -> Result<(), Failure> {
        Ok(self.0.execute_batch(sql)?)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, Failure> {
        let mut statement = self.0.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let cell = |i| Ok(value(row.get_ref(i)?));
            found.push((0..columns).map(cell).collect::<rusqlite::Result<_>>()?);
        }
        Ok(found)
    }

    fn version(&mut self) -> Result<i64, Failure> {
        Ok(self.0.query_row("PRAGMA user_version", [], |row| row.get(0))?)
    }

    fn set_version(&mut self, version: i64) -> Result<(), Failure> {
        self.batch(&format!("PRAGMA user_version = {version}"))
    }

    fn begin_exclusively(&self) -> &'static str {
        "BEGIN IMMEDIATE"
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(n) => ValueRef::Integer(*n),
            Self::Real(n) => ValueRef::Real(*n),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn value(found: ValueRef<'_>) -> Value {
    match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Integer(n),
        ValueRef::Real(n) => Value::Real(n),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Value::Text(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}
