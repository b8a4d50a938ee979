//! Waiting without blocking a thread (feature `async`), on any executor.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ringstat_core::ledger::Ledger;

use super::thread::after;
use super::{Client, FlushError, flushed};
use crate::shared::Shared;

impl Client {
    /// Like [`flush`](Self::flush), without blocking the thread: sends everything recorded so far, and all instruments
    /// that have changed. The future completes when that is done, when the client has ended, or in a child of its
    /// process.
    ///
    /// It requires nothing of the executor. For a time limit use the executor's: if the future is dropped, nothing is
    /// lost.
    ///
    /// ```
    /// # async fn stop(stats: ringstat_std::Client) -> Result<(), ringstat_std::FlushError> {
    /// stats.flush_async().await?;
    /// let ledger = stats.shutdown_async(std::time::Duration::from_secs(1)).await;
    /// assert!(ledger.closes());
    /// # Ok(())
    /// # }
    /// ```
    pub fn flush_async(&self) -> Flushed {
        let client = self.here().unwrap_or(self);
        let asked = if client.is_forked() { 0 } else { client.ask_to_flush() };
        Flushed { shared: client.shared.clone(), asked }
    }

    /// Like [`shutdown`](Self::shutdown), without blocking the thread. Records are refused from this call on, even if
    /// the future is never polled.
    pub fn shutdown_async(self, timeout: Duration) -> Ended {
        if let Some(client) = self.here() {
            client.thread.ask_to_end(after(timeout));
        }
        Ended { client: self }
    }
}

/// Completes when everything recorded before has been sent. See [`Client::flush_async`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Flushed {
    shared: Arc<Shared>,
    asked: u64,
}

impl Future for Flushed {
    type Output = Result<(), FlushError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.shared.valve.is_forked() {
            return Poll::Ready(Err(FlushError::Forked));
        }
        self.shared.control.poll(context, |state| flushed(state, self.asked))
    }
}

/// Completes with the final ledger when the client has ended. See [`Client::shutdown_async`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Ended {
    client: Client,
}

impl Future for Ended {
    type Output = Ledger;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ledger> {
        let Some(client) = self.client.here() else { return Poll::Ready(self.client.ledger()) };
        let stopped = client.shared.control.poll(context, |s| s.stopped.then_some(()));
        stopped.map(|()| self.client.ledger())
    }
}
