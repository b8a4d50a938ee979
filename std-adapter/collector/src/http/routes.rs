//! The paths that can be requested.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::accept::Form;
use super::slices;
use crate::report::{Health, Status};
use crate::shared::Shared;

/// The largest number of series that the page and `/api/state` show.
const SHOWN: usize = 200;

/// Headers that tell browsers to load nothing from elsewhere, to show the page in no frame, to guess no types and to
/// store nothing.
const SAFE: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// What a collector answers.
pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    let router = Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page.html")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("page.css")))
        .route("/page.js", file("text/javascript; charset=utf-8", include_str!("page.js")))
        .route("/favicon.svg", file("image/svg+xml", include_str!("favicon.svg")))
        .route("/favicon.ico", file("image/svg+xml", include_str!("favicon.svg")))
        .route("/metrics", get(metrics))
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready))
        .route("/health", get(health))
        .route("/api/state", get(state))
        .fallback(async || {
            let there_is = "There are /, /metrics, /health, /live, /ready and /api/state.\n";
            (StatusCode::NOT_FOUND, there_is)
        })
        .with_state(shared.clone());
    safe(router)
}

/// Compresses answers, and adds the headers that all have.
pub(crate) fn safe(router: Router) -> Router {
    let mut router = router.layer(CompressionLayer::new());
    for (name, value) in SAFE {
        let value = HeaderValue::from_static(value);
        router = router.layer(SetResponseHeaderLayer::overriding(name, value));
    }
    router
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = Form::accepted(accepted);
    let kind = [(header::CONTENT_TYPE, form.content_type()), (header::VARY, "accept")];
    (kind, slices::metrics(shared, form.page())).into_response()
}

/// Whether datagrams can be sent to the collector: the sockets are open, and nobody has asked it to stop.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if shared.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

/// The health of the collector and all senders. The status is 200 whatever the health is, so that nobody restarts a
/// collector because it reports losses. With `?fail=unhealthy` it is 503 if the collector itself is unhealthy.
async fn health(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    #[derive(Serialize)]
    struct Answer<'a> {
        #[serde(flatten)]
        health: &'a Health,
        degraded_senders: usize,
        senders: BTreeMap<&'a str, &'a Health>,
    }
    let report = slices::report(&shared, 0).await;
    let senders = report.senders.iter().map(|s| (&*s.id, &s.health)).collect();
    let unhealthy = report.health.status == Status::Unhealthy;
    let asked = uri.query().is_some_and(|q| q.split('&').any(|p| p == "fail=unhealthy"));
    let status = if unhealthy && asked { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (
        status,
        json(&Answer {
            health: &report.health,
            degraded_senders: report.degraded_senders,
            senders,
        }),
    )
        .into_response()
}

async fn state(State(shared): State<Arc<Shared>>) -> Response {
    json(&slices::report(&shared, SHOWN).await)
}

fn json(value: &impl Serialize) -> Response {
    // Plain data with string keys always serializes; NaN becomes null.
    let text = serde_json::to_string(value).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"));
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
