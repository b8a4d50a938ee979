//! The desk's dashboard: each of its queries returns data from a Prometheus that scrapes `perf serve`, which serves what was
//! measured just before. `.ci/prometheus` installs Prometheus and runs this.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use ringstat_tests::process::{self, Process};
use ringstat_tests::prometheus::Prometheus;
use serde_json::Value;

/// Short measurements of every kind that the dashboard shows. Their numbers are of no interest.
const MEASURED: [&[&str]; 4] = [
    &["count", "bytes", "allocations"],
    &["bench", "record", "path", "collect", "--samples", "1"],
    &["load", "baseline", "--rounds", "1", "--seconds", "2"],
    &["chaos", "outage", "--rounds", "1", "--scenario", "baseline"],
];

/// Returns the queries of the dashboard, with all variables set to everything.
fn queries() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/desk.json");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let targets = |panel: &Value| panel["targets"].as_array().unwrap().clone();
    let targets = json["panels"].as_array().unwrap().iter().flat_map(targets);
    let queries = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    queries.map(|query| query.replace("$scenario", ".*").replace("$fault", ".*")).collect()
}

/// Returns the command in the repository's folder, where it finds its rules.
fn perf(db: &Path) -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_perf"));
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env("RINGSTAT_PERF_DB", db);
    command
}

#[test]
fn each_query_of_the_dashboard_finds_something() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let db = folder.join("results.sqlite");
    for args in MEASURED {
        let mut command = perf(&db);
        command.args(args);
        let output = process::run(command, "");
        // Here a load may fail its checks: everything else that is tested runs beside it.
        let code = output.status.code();
        assert!(
            matches!(code, Some(0 | 1)),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let mut command = perf(&db);
    command.args(["serve", "--port", "0"]).stdout(Stdio::piped());
    let mut serving = Process::start(command).unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout().unwrap()).read_line(&mut line).unwrap();
    let at = line.trim().trim_start_matches("http://").trim_end_matches('/');
    let prometheus = Prometheus::scraping(at.parse::<SocketAddr>().unwrap());
    let queries = queries();
    assert!(queries.len() >= 14, "{queries:?}");
    for query in &queries {
        prometheus.eventually(query, |value| !value.is_nan());
    }
    let _ = std::fs::remove_dir_all(&folder);
}
