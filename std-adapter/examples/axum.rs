//! A web service with axum and tokio: every request is timed and counted by route and status, without a lock or an
//! allocation in the handler's way.
//!
//! ```sh
//! ringstat collect &
//! cargo run -p ringstat-std --features async --example axum &
//! curl http://127.0.0.1:3000/orders/7
//! ```

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use ringstat_std::{Client, Gauge, Recorder};

/// Requests in progress.
static IN_FLIGHT: Gauge = Gauge::new("http.in_flight");

/// The client of this service.
pub fn client(to: &str) -> Result<Client, ringstat_std::BuildError> {
    Client::builder(to).instrument(&IN_FLIGHT).build()
}

/// The service. Its routes know nothing of metrics.
pub fn service(stats: Client) -> Router {
    Router::new()
        .route("/orders/{id}", get(order))
        .layer(middleware::from_fn_with_state(stats, measure))
}

async fn order(Path(id): Path<u64>) -> Result<String, StatusCode> {
    if id < 1000 { Ok(format!("order {id}\n")) } else { Err(StatusCode::NOT_FOUND) }
}

/// Times a request. The route is a tag, not the path: paths have no end of different values.
async fn measure(State(stats): State<Client>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    IN_FLIGHT.add(1.0);
    let response = next.run(request).await;
    IN_FLIGHT.add(-1.0);
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let draft = stats.timing("http.request", begun.elapsed()).tag("route", route);
    draft.tag("status", response.status().as_str()).record();
    response
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stats = client("127.0.0.1:8125")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}/orders/7", listener.local_addr()?);
    axum::serve(listener, service(stats.clone()))
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    // Sends what is left without blocking the executor, and waits until it has arrived.
    let ledger = stats.shutdown_async(Duration::from_secs(2)).await;
    println!("{ledger}");
    Ok(())
}
