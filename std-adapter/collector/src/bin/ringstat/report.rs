//! Printing a report: for a person line by line, for a machine as JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

/// Prints `report`: as one JSON object in a line, or each field on a line of its own, numbers below each other.
pub(crate) fn print(report: &impl Serialize, json: bool, to_stderr: bool) -> io::Result<()> {
    let mut text = String::new();
    if json {
        text = serde_json::to_string(report)? + "\n";
    } else if let Value::Object(fields) = serde_json::to_value(report)? {
        let shown: Vec<_> =
            fields.iter().map(|(key, value)| (key.replace('_', " "), show(value))).collect();
        let keys = shown.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        let values = shown.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        for (key, value) in shown {
            text += &format!("{key:keys$}  {value:>values$}\n");
        }
    }
    if to_stderr {
        io::stderr().write_all(text.as_bytes())
    } else {
        io::stdout().write_all(text.as_bytes())
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Number(n) if n.is_f64() => format!("{:.2}", n.as_f64().unwrap_or_default()),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
