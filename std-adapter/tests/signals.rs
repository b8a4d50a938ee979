//! Records made in a signal handler that interrupts its thread in the middle of a record call.
#![cfg(unix)]

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::libc;
use ringstat_core::testkit::SpyTransport;
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::{Body, Content};
use ringstat_std::{Cause, Client, OwnedCounter, Policy, Recorder};

const LONG: Duration = Duration::from_secs(60); // for what takes milliseconds unless something is wrong
const OF_THREAD: &str =
    "the text of a thread: too long for a slot, so that it goes into the memory beside the ring";
const OF_HANDLER: &str =
    "THE TEXT OF THE HANDLER: TOO LONG FOR A SLOT, SO THAT IT GOES INTO THE SAME MEMORY";

static CLIENT: OnceLock<(Client, OwnedCounter)> = OnceLock::new();
static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn handler(_: libc::c_int) {
    if let Some((stats, counter)) = CLIENT.get() {
        stats.count("short", 1u8).record();
        stats.event("handler").text(OF_HANDLER).record();
        counter.inc();
        HANDLED.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_a_handler_records_is_counted_exactly_and_disturbs_no_record_of_its_thread() {
    const SIGNALS: u64 = if cfg!(debug_assertions) { 150 } else { 2000 };
    let spy = SpyTransport::new();
    let builder = Client::builder("a spy").policy(Policy::DropOldest).report_interval(None);
    let stats = builder.build_with(spy.clone()).unwrap();
    let counter = stats.counter("handled", &[]);
    CLIENT.set((stats, counter.clone())).unwrap();
    let (stats, _) = CLIENT.get().unwrap();
    // SAFETY: the handler takes a number and returns nothing, and it exists as long as the program.
    let installed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut())
    };
    assert_eq!(installed, 0);
    let ended = &AtomicBool::new(false);
    let recorded: u64 = std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        let recording = scope.spawn(move || {
            // SAFETY: `pthread_self` has no preconditions.
            tell.send(unsafe { libc::pthread_self() }).unwrap();
            let mut records = 0;
            while !ended.load(Ordering::Relaxed) {
                stats.count("short", 1u8).record();
                stats.event("thread").text(OF_THREAD).tag("key", "value").record();
                records += 2;
            }
            records
        });
        let thread = told.recv().unwrap();
        for signals in 0..SIGNALS {
            // SAFETY: the thread lives until `ended` is sent.
            assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
            while HANDLED.load(Ordering::Relaxed) <= signals {
                std::thread::yield_now();
            }
        }
        ended.store(true, Ordering::Relaxed);
        recording.join().unwrap()
    });
    stats.flush(LONG).unwrap();
    let (ledger, handled) = (stats.ledger(), HANDLED.load(Ordering::Relaxed));
    assert_eq!((ledger.recorded, ledger.in_flight), (recorded + 2 * handled, 0), "{ledger}");
    assert!(ledger.closes() && ledger.dropped.get(Cause::Encode) == 0, "{ledger}");
    assert_eq!((counter.total(), handled), (SIGNALS, SIGNALS));

    let mut heard = HashMap::<String, u64>::new();
    let mut decoder = Box::<Decoder>::default();
    for bytes in spy.datagrams() {
        let mut datagram = decoder.open(&bytes).unwrap();
        while let Some(record) = datagram.next() {
            let record = record.unwrap();
            let Body::Event(event) = &record.body else { continue };
            match (record.name.text, &event.content) {
                ("thread", Content::Text(text)) => assert_eq!(*text, OF_THREAD),
                ("handler", Content::Text(text)) => assert_eq!(*text, OF_HANDLER),
                ("short", Content::Number(_)) => {}
                other => panic!("{other:?}"),
            }
            *heard.entry(record.name.text.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(heard.values().sum::<u64>(), ledger.sent);
    assert!(heard.contains_key("handler") && heard.contains_key("thread"), "{heard:?}");
}
