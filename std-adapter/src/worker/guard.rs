//! Protects the worker from its transports: a transport may be the caller's own, and panic, or block although it must
//! not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ringstat_core::observe::Reason;
use ringstat_core::send::{SendError, Transport};

use super::AnyTransport;
use crate::shared::Shared;

/// A transport whose panics count as failures to send, and whose calls others can see to be under way.
pub(super) struct Guarded {
    /// `None` once it is closed.
    transport: Option<AnyTransport>,
    panics: u64,
    shared: Arc<Shared>,
}

impl Guarded {
    pub(super) fn new(transport: AnyTransport, shared: Arc<Shared>) -> Self {
        Self { transport: Some(transport), panics: 0, shared }
    }

    /// How often it panicked, in whatever call.
    pub(super) fn panics(&self) -> u64 {
        self.panics
    }

    /// Drops the transport, which also runs the caller's code.
    pub(super) fn close(&mut self) {
        let transport = self.transport.take();
        self.watched(|| drop(transport));
    }

    /// Returns what `call` returns, or `None` if it panics.
    fn watched<T>(&mut self, call: impl FnOnce() -> T) -> Option<T> {
        self.shared.control.set_in_transport(true);
        // After a panic the transport may be in an inconsistent state. That concerns only itself: it holds nothing of
        // ours.
        let returned = catch_unwind(AssertUnwindSafe(call));
        self.shared.control.set_in_transport(false);
        self.panics += u64::from(returned.is_err());
        returned.ok()
    }

    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut AnyTransport) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let Some(mut transport) = self.transport.take() else { return Err(SendError::Other) };
        let result = self.watched(|| call(&mut transport));
        self.transport = Some(transport);
        result.unwrap_or(Err(SendError::Other))
    }
}

impl Transport for Guarded {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.call(|transport| transport.send(datagram))
    }

    fn send_segments(&mut self, datagrams: &[u8], size: usize) -> Result<(), SendError> {
        self.call(|transport| transport.send_segments(datagrams, size))
    }

    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, SendError> {
        let room = buf.len();
        // A transport that claims to have received more than fits is not believed.
        self.call(|transport| transport.receive(buf)).map(|length| length.min(room))
    }

    fn hears(&self) -> bool {
        self.transport.as_ref().is_some_and(|transport| transport.hears())
    }

    fn reconnect(&mut self) {
        let _ = self.call(|transport| {
            transport.reconnect();
            Ok(())
        });
    }

    fn alternatives(&self) -> usize {
        self.transport.as_ref().map_or(0, |transport| transport.alternatives())
    }
}

/// Announces that the worker has ended, however that happened, so that nobody waits for it any longer and records are
/// refused.
pub(super) struct Ended(pub(super) Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        if self.0.valve.is_forked() {
            return;
        }
        self.0.valve.close();
        let mut state = self.0.control.lock();
        if !state.stopped {
            (state.stopped, state.died) = (true, true);
            state.health = state.health.because(Reason::Died);
        }
        drop(state);
        self.0.control.changed();
    }
}
