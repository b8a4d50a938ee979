//! HTTP: `/metrics`, `/live`, `/ready`, `/health`, `/api/state` and the page, served by a runtime on a thread of its
//! own.
//!
//! No client can hold up the collector or other clients. There are limits on the number of connections in all and of
//! one address ([`gate`]), on the head of a request in bytes, fields and time, on the time to read an answer
//! ([`write_timeout`]), and on the lifetime of a connection. No body is ever read.

mod accept;
mod gate;
mod routes;
mod slices;
mod write_timeout;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, StatusCode, header};
use axum::response::IntoResponse;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use crate::shared::{HttpCounters, count};
use gate::{Admission, Gate, Permit};
pub(crate) use routes::router;
#[cfg(any(feature = "nats", all(unix, feature = "pprof")))]
pub(crate) use routes::safe;
use write_timeout::{TimedStream, WRITE_TIMEOUT};

/// The largest size of the head of a request, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// The largest number of its fields.
const HEAD_FIELDS: usize = 64;
/// The time in which the head must arrive, which is also how long a connection may be idle between requests.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The age after which a connection is closed once it has its answer; clients can connect again.
const LIFE: Duration = Duration::from_secs(300);
/// The pause when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// The HTTP thread. Dropping it without [`stop`](Self::stop) leaves it to end by itself.
#[derive(Debug)]
pub(crate) struct HttpServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl HttpServer {
    /// Listens at `at`, answers requests by `router`, and counts them.
    pub(crate) fn start(
        at: SocketAddr,
        router: Router,
        counters: Arc<HttpCounters>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("ringstat-http".into());
        let thread = thread.spawn(move || {
            runtime.block_on(async {
                let stopped = pin!(stopped);
                tokio::select! {
                    _ = stopped => {}
                    // Runs for ever, unless the listener cannot be used at all.
                    _ = accept(listener, router, &counters) => {}
                }
            });
            // Answers under way are cut off: whoever stops a collector is waiting for it.
            runtime.shutdown_background();
        })?;
        Ok(Self { address, stop, thread })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server at once.
    pub(crate) fn stop(self) {
        // The thread may have ended already; if it panicked, it has reported that on standard error.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    counters: &Arc<HttpCounters>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let gate = Gate::default();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => match gate.admit(from.ip()) {
                Admission::Taken { permit, displaced } => {
                    count(&counters.connections);
                    if displaced {
                        count(&counters.displaced);
                    }
                    tokio::spawn(serve(stream, permit, router.clone(), counters.clone()));
                }
                Admission::Refused => count(&counters.refused),
            },
            // Too many open files, in this process (EMFILE) or in the whole system (ENFILE).
            Err(e) if matches!(e.raw_os_error(), Some(23 | 24)) => {
                count(&counters.no_descriptors);
                if gate.displace_one() {
                    count(&counters.displaced);
                }
                sleep(PAUSE).await;
            }
            // The client disconnected before it was accepted, or memory is short.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Serves one connection until it ends, its time is over, or it is displaced.
async fn serve(stream: TcpStream, permit: Permit, router: Router, counters: Arc<HttpCounters>) {
    let io = TokioIo::new(TimedStream::new(stream, counters.clone()));
    let service = service_fn(|request| {
        permit.asked();
        answer(request, router.clone(), &counters)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEAD_FIELDS)
            .serve_connection(io, service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = permit.displaced() => return,
        () = sleep(LIFE) => None,
    };
    // If a connection fails, that is its client's concern.
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(WRITE_TIMEOUT, connection).await;
    }
}

/// Answers one request. A request with a body is refused before any of the body is read.
fn answer(
    request: Request<Incoming>,
    router: Router,
    counters: &HttpCounters,
) -> impl Future<Output = Result<axum::response::Response, std::convert::Infallible>> + use<> {
    count(&counters.requests);
    let body = !request.body().is_end_stream();
    if body {
        count(&counters.bodies);
    }
    async move {
        if body {
            let close = [(header::CONNECTION, "close")];
            return Ok((StatusCode::PAYLOAD_TOO_LARGE, close, "No body is read.\n").into_response());
        }
        router.oneshot(request).await
    }
}
