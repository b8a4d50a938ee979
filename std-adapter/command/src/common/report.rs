//! Printing a report: line by line for people, or as JSON for programs.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

/// Prints `report` as one JSON object in a line, or with each field on a line of its own and aligned numbers.
pub(crate) fn print(report: &impl Serialize, json: bool, to_stderr: bool) -> io::Result<()> {
    let text = render(report, json)?;
    if to_stderr {
        io::stderr().write_all(text.as_bytes())
    } else {
        io::stdout().write_all(text.as_bytes())
    }
}

/// The same as text.
pub(crate) fn render(report: &impl Serialize, json: bool) -> io::Result<String> {
    if json {
        return Ok(serde_json::to_string(report)? + "\n");
    }
    let mut text = String::new();
    let mut shown = Vec::new();
    flatten("", &serde_json::to_value(report)?, &mut shown);
    let keys = shown.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let values = shown.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
    for (key, value) in shown {
        text += &format!("{key:keys$}  {value:>values$}\n");
    }
    Ok(text)
}

/// Collects names and values; a nested field is named after both fields.
fn flatten(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let key = key.replace('_', " ");
                let key = if path.is_empty() { key } else { format!("{path} {key}") };
                flatten(&key, value, out);
            }
        }
        Value::Object(_) => out.push((path.to_owned(), "0".to_owned())),
        value => out.push((path.to_owned(), show(value))),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Number(n) if n.is_f64() => format!("{:.2}", n.as_f64().unwrap_or_default()),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    }
}
