//! A client in a child of the process that it belongs to.
//!
//! Threads do not survive a `fork`: in the child nobody drains the rings, and a lock that another thread held is held
//! for ever. So every call of a handle looks first whether this is a child. If it is, records are refused and counted as
//! [`Cause::Forked`], nothing waits, and nothing is sent: the parent's identity is the parent's. Who wants to go on in the
//! child [says so](Client::restart_after_fork); from then on all handles there lead to a new client with rings, a thread, a
//! socket and an identity of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ringstat_core::ledger::Cause;
use ringstat_core::record::{Event, Outcome, Recorder};
use ringstat_core::send::Transport;

use super::{BuildError, Client, Origin, builder};
use crate::config::ClientConfig;
use crate::process::PerProcess;
use crate::worker::AnyTransport;

/// How a client was made, and those that go on for it in children.
#[derive(Debug)]
pub(super) struct Forks {
    /// The receiver; `None` where the transport was the caller's.
    to: Option<String>,
    config: ClientConfig,
    clients: PerProcess<Client>,
    /// Held while one is begun.
    beginning: PerProcess<Mutex<()>>,
    /// The client is to end with the process.
    at_exit: AtomicBool,
}

impl Forks {
    pub(super) fn new(to: Option<String>, config: ClientConfig) -> Self {
        Self {
            to,
            config,
            clients: PerProcess::new(),
            beginning: PerProcess::new(),
            at_exit: AtomicBool::new(false),
        }
    }

    pub(super) fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Notes that the client, and one that goes on for it in a child, is to end with the process.
    pub(super) fn end_at_exit(&self) {
        self.at_exit.store(true, Ordering::Relaxed);
    }
}

impl Client {
    /// Whether this process was forked from the one that made the client, and the client was not
    /// [begun anew](Self::restart_after_fork) in it.
    ///
    /// Then records are refused and counted as [`Cause::Forked`], [`ledger`](Self::ledger) and
    /// [`snapshot`](Self::snapshot) tell of these alone, instruments are sent by nobody, and no other call waits for
    /// anything: flushing fails, shutting down and dropping return at once.
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.here().is_none()
    }

    /// In a child of the process that made the client: begins anew there, under an identity of its own (a random
    /// sender, whatever [`ClientConfig::sender`] says), with rings, a thread and a socket of its own. All handles in this
    /// process lead there from then on, those in `static`s and of the `metrics` facade, too. Anywhere else it does
    /// nothing.
    ///
    /// To be called first thing in the child: what instruments count is sent from here on, and records before are
    /// in the ledger as [`Cause::Forked`]. It blocks while the receiver's name is looked up.
    ///
    /// # Errors
    /// As [`Builder::build`](super::Builder::build); [`BuildError::Transport`] for a client with a transport of the
    /// caller's, which has [`restart_after_fork_with`](Self::restart_after_fork_with). The client stays as it is then.
    pub fn restart_after_fork(&self) -> Result<(), BuildError> {
        self.restart(|forks| match &forks.to {
            Some(to) => builder::connect_all(to, &forks.config),
            None => Err(BuildError::Transport),
        })
    }

    /// Like [`restart_after_fork`](Self::restart_after_fork), with a transport of the caller's.
    ///
    /// # Errors
    /// As [`Builder::build_with`](super::Builder::build_with).
    pub fn restart_after_fork_with(
        &self,
        transport: impl Transport + Send + 'static,
    ) -> Result<(), BuildError> {
        self.restart(|_| Ok(vec![Box::new(transport)]))
    }

    fn restart(
        &self,
        connect: impl FnOnce(&Forks) -> Result<Vec<AnyTransport>, BuildError>,
    ) -> Result<(), BuildError> {
        let forks = &self.thread.forks;
        if !self.is_forked() {
            return Ok(());
        }
        let beginning = forks.beginning.get_or(Mutex::default);
        let _beginning = beginning.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_forked() {
            return Ok(());
        }
        let before = forks.clients.latest().unwrap_or(self);
        let config = ClientConfig { sender: None, ..forks.config.clone() };
        let transports = connect(forks)?;
        let client =
            Self::begin(config, forks.to.clone(), transports, Origin::Parent(&before.shared))?;
        if forks.at_exit.load(Ordering::Relaxed) {
            client.flush_on_exit();
        }
        forks.clients.put(client);
        Ok(())
    }

    /// The client of this process: this one, or the one that goes on for it in a child. `None`: there is none.
    #[inline]
    pub(super) fn here(&self) -> Option<&Self> {
        if self.shared.valve.is_forked() { self.in_child() } else { Some(self) }
    }

    #[cold]
    fn in_child(&self) -> Option<&Self> {
        let client = self.thread.forks.clients.get()?;
        // What was refused here before that is in its account.
        match self.shared.take_forked() {
            0 => {}
            late => client.shared.rings.refused(Cause::Forked, late),
        }
        Some(client)
    }

    /// Records an event in a child: `push` is given the client that goes on there.
    pub(super) fn push_in_child(
        &self,
        event: &Event,
        push: impl FnOnce(&Self, &Event) -> Outcome,
    ) -> Outcome {
        let Some(client) = self.in_child() else { return self.shared.refuse(Cause::Forked) };
        let mut event = *event;
        if !event.is_stamped() {
            // By a clock that has stood still since.
            event.set_time(client.now());
        }
        push(client, &event)
    }
}
