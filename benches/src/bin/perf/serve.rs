//! `perf serve`: a dashboard on loopback that stays: the report, alerts, what is being measured, and metrics for
//! Prometheus.
//!
//! | path | what |
//! |---|---|
//! | `/` | the report with alerts and runs under way; it loads itself again when there is something new |
//! | `/metrics` | the latest numbers and the states of alerts as Prometheus text |
//! | `/alerts` | the alerts as JSON |
//! | `/state` | a word that changes when there is something new |

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::desk::Kept;
use crate::failure::{Exit, Failure, Outcome};
use crate::report::{self, Report};
use crate::results::{date, exposition};
use crate::{alerts, underway};

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 9126)]
    port: u16,
    /// The file with the targets
    #[arg(long, value_name = "FILE", default_value = "benches/gate.toml")]
    rules: PathBuf,
    /// The file with the alerts
    #[arg(long, value_name = "FILE", default_value = alerts::FILE)]
    alerts: PathBuf,
    #[command(flatten)]
    kept: Kept,
}

/// The kinds of runs whose numbers are exposed.
const KINDS: [&str; 4] = ["count", "bench", "load", "chaos"];

pub(crate) fn run(args: &Args) -> Outcome {
    // What is wrong with the files should be said now and not to the first visitor.
    alerts::current(&mut args.kept.open()?, &args.alerts)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await;
        let listener = listener.map_err(|e| {
            Failure::new(Exit::Environment, format_args!("cannot listen: {e}"))
                .hint("Choose another port with --port.")
        })?;
        println!("http://{}/", listener.local_addr()?);
        let router = Router::new()
            .route("/", get(page))
            .route("/metrics", get(metrics))
            .route("/alerts", get(json))
            .route("/state", get(state))
            .with_state(Arc::new(args.clone()));
        Ok(axum::serve(listener, router).await?)
    })
}

type Shared = State<Arc<Args>>;
type Answer = Result<Response, Failure>;

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

async fn page(State(args): Shared) -> Answer {
    let mut results = args.kept.open()?;
    let mut report = Report::of(&mut results, &args.rules)?;
    let alerts = alerts::current(&mut results, &args.alerts)?;
    let note = format!("As {} says.", args.alerts.display());
    report.insert("Alerts", note, &alerts::COLUMNS, alerts.iter().map(alerts::row).collect());
    let running = underway::all();
    let note = if running.is_empty() { "None." } else { "" };
    let row = |(at, command): &(i64, String)| vec![command.clone(), date(*at)];
    let rows = running.iter().map(row).collect();
    report.insert("Runs under way", note.to_owned(), &["command", "since"], rows);
    let state = word(&args)?;
    let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    Ok((html, report::page(&report, Some(&state))).into_response())
}

async fn metrics(State(args): Shared) -> Answer {
    let mut results = args.kept.open()?;
    let mut runs = Vec::new();
    for kind in KINDS {
        runs.extend(results.current(kind)?);
    }
    let alerts = alerts::current(&mut results, &args.alerts)?;
    let text = exposition(&runs) + &alerts::exposition(&alerts);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

async fn json(State(args): Shared) -> Answer {
    let alerts = alerts::current(&mut args.kept.open()?, &args.alerts)?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, serde_json::to_string(&alerts)?).into_response())
}

async fn state(State(args): Shared) -> Answer {
    Ok(word(&args)?.into_response())
}

/// Returns a word that changes when a run is stored, or begins or ends.
fn word(args: &Args) -> Result<String, Failure> {
    let latest = args.kept.open()?.latest(None, 1)?.first().map_or(0, |r| r.id);
    let running: Vec<_> = underway::all().iter().map(|(at, _)| at.to_string()).collect();
    Ok(format!("{latest}-{}", running.join("-")))
}
