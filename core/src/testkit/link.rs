//! A sender and a receiver in one process, with a bounded queue between them.

use crate::send::{SendError, Transport};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Connects a sender with a receiver through a queue of `capacity` datagrams.
///
/// When the queue is full, the sender learns nothing and the datagram is gone, as with UDP and a
/// receiver that is too slow; [`LinkReceiver::overflowed`] counts it. The ends may live in
/// different threads.
///
/// ```
/// use ringstat_core::testkit::link;
/// use ringstat_core::send::Transport;
///
/// let (mut sender, mut receiver) = link(1);
/// sender.send(b"one")?;
/// sender.send(b"two")?;
/// assert_eq!(receiver.receive().as_deref(), Some(&b"one"[..]));
/// assert_eq!(receiver.receive(), None);
/// assert_eq!(receiver.overflowed(), 1);
/// # Ok::<(), ringstat_core::send::SendError>(())
/// ```
#[must_use]
pub fn link(capacity: usize) -> (LinkSender, LinkReceiver) {
    let queue = Arc::new(Mutex::new(Queue { capacity, ..Queue::default() }));
    (LinkSender(queue.clone()), LinkReceiver(queue))
}

#[derive(Debug, Default)]
struct Queue {
    datagrams: VecDeque<Vec<u8>>,
    capacity: usize,
    overflowed: u64,
}

/// The end that datagrams go into. Clones send into the same queue.
#[derive(Clone, Debug)]
pub struct LinkSender(Arc<Mutex<Queue>>);

impl Transport for LinkSender {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        let mut queue = lock(&self.0);
        if queue.datagrams.len() < queue.capacity {
            queue.datagrams.push_back(datagram.to_vec());
        } else {
            queue.overflowed += 1;
        }
        Ok(())
    }
}

/// The end that datagrams come out of.
#[derive(Debug)]
pub struct LinkReceiver(Arc<Mutex<Queue>>);

impl LinkReceiver {
    /// The oldest datagram that has not been received yet.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        lock(&self.0).datagrams.pop_front()
    }

    /// How many datagrams found the queue full.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        lock(&self.0).overflowed
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Nothing above panics half-way through a change.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_out_in_order_and_what_does_not_fit_is_counted() {
        let (mut sender, mut receiver) = link(2);
        let mut other = sender.clone();
        assert_eq!(
            (sender.send(b"a"), other.send(b"b"), sender.send(b"c")),
            (Ok(()), Ok(()), Ok(()))
        );
        assert_eq!(receiver.receive(), Some(b"a".to_vec()));
        assert_eq!(sender.send(b""), Ok(()));
        assert_eq!(receiver.receive(), Some(b"b".to_vec()));
        assert_eq!(receiver.receive(), Some(Vec::new()), "an empty datagram is a datagram");
        assert_eq!((receiver.receive(), receiver.overflowed()), (None, 1));
    }
}
