//! HTTP: `/metrics`, `/health`, `/api/state` and the page.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tiny_http::{Header, Method, Request, Response, Server};

use crate::server::{LOOK, Shared};

/// Requests answered at a time.
const THREADS: usize = 2;
/// Series that the page and `/api/state` show.
const SHOWN: usize = 200;

const PAGE: &str = include_str!("page.html");

/// Listens at `at` and answers until the collector stops. Returns the address, for port 0.
pub(crate) fn serve(
    at: SocketAddr,
    shared: &Arc<Shared>,
) -> Result<(SocketAddr, Vec<JoinHandle<()>>), Box<dyn std::error::Error + Send + Sync>> {
    let server = Arc::new(Server::http(at)?);
    let address = server.server_addr().to_ip().ok_or("not an IP address")?;
    let threads = (0..THREADS).map(|_| {
        let (server, shared) = (server.clone(), shared.clone());
        let thread = std::thread::Builder::new().name("ringstat-http".into());
        thread.spawn(move || {
            while !shared.stopping() {
                if let Ok(Some(request)) = server.recv_timeout(LOOK) {
                    answer(request, &shared);
                }
            }
        })
    });
    Ok((address, threads.collect::<io::Result<_>>()?))
}

fn answer(request: Request, shared: &Shared) {
    let path = request.url().split('?').next().unwrap_or("");
    let (status, kind, body) = match (request.method(), path) {
        (Method::Get | Method::Head, "/metrics") => {
            let drops = shared.kernel_drops();
            (
                200,
                "text/plain; version=0.0.4; charset=utf-8",
                crate::metrics(&shared.collector(), drops, shared.now_ms()),
            )
        }
        (Method::Get | Method::Head, "/health") => {
            let report = shared.report(0);
            let status = if report.health.status == crate::Status::Unhealthy { 503 } else { 200 };
            #[derive(serde::Serialize)]
            struct Answer<'a> {
                #[serde(flatten)]
                health: &'a crate::Health,
                senders: Vec<(&'a str, &'a crate::Health)>,
            }
            let senders = report.senders.iter().map(|s| (&*s.id, &s.health)).collect();
            (status, "application/json", json(&Answer { health: &report.health, senders }))
        }
        (Method::Get | Method::Head, "/api/state") => {
            (200, "application/json", json(&shared.report(SHOWN)))
        }
        (Method::Get | Method::Head, "/") => (200, "text/html; charset=utf-8", PAGE.to_owned()),
        (Method::Get | Method::Head, _) => (
            404,
            "text/plain; charset=utf-8",
            "There are /, /metrics, /health and /api/state.\n".into(),
        ),
        _ => (405, "text/plain; charset=utf-8", "Only GET and HEAD.\n".into()),
    };
    let mut response = Response::from_string(body).with_status_code(status);
    if let Ok(header) = Header::from_bytes("Content-Type", kind) {
        response.add_header(header);
    }
    // A client that went away does not want the answer any more.
    let _ = request.respond(response);
}

fn json(value: &impl serde::Serialize) -> String {
    // Plain data with string keys always serializes; NaN becomes null.
    serde_json::to_string(value).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"))
}
