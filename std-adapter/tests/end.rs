//! The end of a process, and waiting without blocking the thread.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_std::{Client, Recorder};

const TO: &str = "RINGSTAT_TEST_TO";
const EVENTS: u64 = 1000;

/// The child process: records, and ends without dropping its client. Nothing would be sent for a minute.
#[test]
fn child() {
    let Ok(to) = std::env::var(TO) else { return };
    let (to, hook) = to.split_once(',').unwrap();
    let minute = Duration::from_secs(60);
    let builder = Client::builder(to).batch_age(minute).batch_least(0).payload(65_000);
    let stats = builder.receipts(false).report_interval(None).build().unwrap();
    if hook == "hook" {
        assert!(stats.flush_on_exit() && stats.flush_on_exit(), "twice does no harm");
    }
    (0..EVENTS).for_each(|i| assert!(stats.level("tail", i).record().is_recorded()));
    std::process::exit(0);
}

/// Returns the number of events that arrive from a child that ends with `hook`, or without it.
fn events_of_child(hook: &str) -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = format!("{},{hook}", socket.local_addr().unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap());
    let status = child.args(["--exact", "child"]).env(TO, to).status().unwrap();
    assert!(status.success());
    // Datagrams that a process sent over loopback are in the socket by the time it has ended.
    socket.set_nonblocking(true).unwrap();
    let (mut decoder, mut buf, mut events) = (Box::<Decoder>::default(), vec![0; 65_535], 0);
    while let Ok(length) = socket.recv(&mut buf) {
        let mut datagram = decoder.open(&buf[..length]).unwrap();
        while let Some(record) = datagram.next() {
            events += u64::from(matches!(record.unwrap().body, Body::Event(_)));
        }
    }
    events
}

#[test]
#[cfg(unix)]
fn what_is_left_at_exit_is_sent_where_asked_and_lost_where_not() {
    assert_eq!(events_of_child("hook"), EVENTS);
    assert_eq!(events_of_child("none"), 0);
}

#[cfg(feature = "async")]
mod futures {
    use std::future::Future;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread::Thread;

    use super::*;
    use ringstat_core::instrument::{Mark, State};
    use ringstat_core::testkit::SpyTransport;
    use ringstat_std::{Cause, FlushError, Gauge, Instrument, Outcome, Reason, Tag};
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// The smallest possible executor. It only continues when it is woken.
    fn block_on<F: Future>(future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let (mut future, mut context) = (std::pin::pin!(future), Context::from_waker(&waker));
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            std::thread::park();
        }
    }

    #[test]
    fn a_flush_and_a_shutdown_can_be_awaited_on_any_executor() {
        let spy = SpyTransport::new();
        let builder = Client::builder("unused").batch_age(Duration::from_secs(60)).batch_least(0);
        let stats = builder.report_interval(None).build_with(spy.clone()).unwrap();
        let other = stats.clone();
        assert!(stats.count("a", 1u8).record().is_recorded());
        block_on(stats.flush_async()).unwrap();
        assert_eq!(stats.ledger().in_flight, 0);
        assert!(stats.count("b", 1u8).record().is_recorded());
        let ended = stats.shutdown_async(Duration::from_secs(20));
        assert!(!other.count("late", 1u8).record().is_recorded(), "refused at once");
        let ledger = block_on(ended);
        assert!(ledger.closes(), "{ledger}");
        assert_eq!((ledger.recorded, ledger.sent, ledger.in_flight), (3, 2, 0));
        block_on(other.flush_async()).unwrap();
    }

    /// An instrument of the caller's that panics on the worker's thread once it is told to.
    struct Panics(Gauge);

    static PANIC: AtomicBool = AtomicBool::new(false);
    static PANICS: Panics = Panics(Gauge::new("panics"));

    impl Instrument for Panics {
        fn name(&self) -> &str {
            self.0.name()
        }
        fn tag(&self, index: usize) -> Option<(&str, &str)> {
            self.0.tag(index)
        }
        fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
            self.0.static_identity()
        }
        fn state(&self) -> State<'_> {
            self.0.state()
        }
        fn version(&self) -> u32 {
            if PANIC.load(Ordering::Relaxed) {
                std::panic::resume_unwind(Box::new("the instrument panics"));
            }
            self.0.version()
        }
        fn mark(&self) -> &Mark {
            self.0.mark()
        }
    }

    #[test]
    fn nobody_waits_for_a_worker_that_has_died() {
        let builder = Client::builder("unused").instrument(&PANICS).report_interval(None);
        let stats = builder.build_with(SpyTransport::new()).unwrap();
        assert_eq!(stats.flush(Duration::from_secs(20)), Ok(()));
        PANIC.store(true, Ordering::Relaxed);
        assert!(stats.count("n", 1u8).record().is_recorded());
        assert_eq!(block_on(stats.flush_async()), Err(FlushError::Died));
        assert_eq!(stats.flush(Duration::from_secs(20)), Err(FlushError::Died));
        assert_eq!(stats.count("n", 1u8).record(), Outcome::Dropped(Cause::Shutdown));
        let last = stats.clone();
        for ledger in [block_on(stats.shutdown_async(Duration::from_secs(20))), last.ledger()] {
            assert!(ledger.closes(), "{ledger}");
            assert_eq!((ledger.recorded, ledger.in_flight), (2, 0), "{ledger}");
        }
        let health = last.snapshot().health;
        assert!(health.has(Reason::Died), "{health:#}");
    }
}

#[test]
#[cfg(feature = "json")]
fn a_snapshot_is_json_in_one_call() {
    let transport = ringstat_core::testkit::NullTransport::default();
    let stats = Client::builder("unused").sender(Some(7)).build_with(transport).unwrap();
    let json: serde_json::Value = serde_json::from_str(&stats.snapshot_json()).unwrap();
    assert_eq!((&json["sender"], &json["health"]["grade"]), (&7.into(), &"healthy".into()));
}
