//! A CPU profile of this process over HTTP, for those who ask on this machine.
//!
//! `/debug/pprof/profile?seconds=N` samples all threads for that long (10 seconds, unless it says otherwise) and answers
//! in the format of [pprof](https://github.com/google/pprof), as Go's servers do:
//!
//! ```sh
//! go tool pprof -http=: "http://127.0.0.1:6060/debug/pprof/profile?seconds=10"
//! ```
//!
//! Samples in the C library are left out, because its locks must not be taken in a signal handler; so what the kernel does
//! for a system call does not show.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pprof::ProfilerGuardBuilder;
use pprof::protos::Message as _;
use tokio::sync::Semaphore;

use crate::http::{HttpServer, safe};

/// Samples a second: not a round number, so that they do not fall in step with timers.
const FREQUENCY: i32 = 99;
/// How many seconds are sampled if nobody says so.
const SECONDS: u64 = 10;
/// The most that can be asked for.
const SECONDS_MAX: u64 = 60;
/// Libraries in which a thread is left alone.
const LEFT_ALONE: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

/// An HTTP server that answers with CPU profiles. Dropping it without [`stop`](Self::stop) leaves it to end with the
/// process.
#[derive(Debug)]
pub struct Profiling(HttpServer);

impl Profiling {
    /// Listens at this address, which must be on loopback; port 0 takes a free one.
    ///
    /// # Errors
    /// Returns an error if the address is not on loopback ([`io::ErrorKind::InvalidInput`]) or is taken.
    pub fn start(at: SocketAddr) -> io::Result<Self> {
        if !at.ip().is_loopback() {
            let why = "a profile is only given on loopback";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        // There is one signal handler, so there is one profile at a time.
        let router = Router::new()
            .route("/debug/pprof/profile", get(profile))
            .fallback(async || {
                (StatusCode::NOT_FOUND, "There is /debug/pprof/profile?seconds=N.\n")
            })
            .with_state(Arc::new(Semaphore::new(1)));
        HttpServer::start(at, safe(router), Arc::default()).map(Self)
    }

    /// The address at which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Ends it, and with it a profile under way.
    pub fn stop(self) {
        self.0.stop();
    }
}

async fn profile(State(free): State<Arc<Semaphore>>, uri: Uri) -> Response {
    let Some(seconds) = seconds(uri.query().unwrap_or_default()) else {
        let why = format!("seconds is a number from 1 to {SECONDS_MAX}.\n");
        return (StatusCode::BAD_REQUEST, why).into_response();
    };
    let Ok(_permit) = free.try_acquire() else {
        return (StatusCode::CONFLICT, "Another profile is being taken.\n").into_response();
    };
    match sample(seconds).await {
        Ok(profile) => {
            ([(header::CONTENT_TYPE, "application/octet-stream")], profile).into_response()
        }
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response(),
    }
}

/// Reads the seconds from a query such as `seconds=5`.
fn seconds(query: &str) -> Option<u64> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("seconds="));
    let seconds = value.map_or(Some(SECONDS), |value| value.parse().ok())?;
    (1..=SECONDS_MAX).contains(&seconds).then_some(seconds)
}

/// Samples this process. If whoever asked goes away, sampling ends.
async fn sample(seconds: u64) -> Result<Vec<u8>, pprof::Error> {
    let guard =
        ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&LEFT_ALONE).build()?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let profile = guard.report().build()?.pprof()?;
    Ok(profile.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_ask() {
        let refused = Profiling::start(([0, 0, 0, 0], 0).into()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        let profiling = Profiling::start(([127, 0, 0, 1], 0).into()).unwrap();
        assert!(profiling.address().port() > 0);
        profiling.stop();
    }

    #[test]
    fn seconds_are_bounded() {
        assert_eq!(
            (seconds(""), seconds("seconds=5"), seconds("a=b&seconds=60")),
            (Some(10), Some(5), Some(60))
        );
        for wrong in ["seconds=0", "seconds=61", "seconds=-1", "seconds=", "seconds=1e9"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
