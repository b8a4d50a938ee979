//! A library that says what it does without forcing a client on its users, and an application that listens with ringstat.
//!
//! The library has a trait of its own with methods that do nothing. It depends on no metrics crate; whoever uses it may
//! use ringstat, something else, or nothing at all.
//!
//! ```sh
//! ringstat collect &
//! cargo run -p ringstat-std --example library
//! ```

use std::time::Duration;

use ringstat_std::{Client, Counter, Ledger, Recorder};

/// The library, which would be a crate of its own.
pub mod cache {
    use std::collections::HashMap;
    use std::time::{Duration, Instant};

    /// What happens in a [`Cache`], for whoever wants to know. Each method does nothing unless it is overridden.
    pub trait Watch {
        /// A value was there.
        fn hit(&self) {}
        /// A value was not there, and took this long to compute.
        fn miss(&self, took: Duration) {
            let _ = took;
        }
    }

    /// Nobody wants to know, and the compiler leaves nothing of it.
    impl Watch for () {}

    /// Computes values once.
    pub struct Cache<W = ()> {
        values: HashMap<u64, u64>,
        watch: W,
    }

    impl<W: Watch> Cache<W> {
        /// An empty cache that tells `watch` what happens.
        pub fn new(watch: W) -> Self {
            Self { values: HashMap::new(), watch }
        }

        /// The square of `key`.
        pub fn get(&mut self, key: u64) -> u64 {
            if let Some(value) = self.values.get(&key) {
                self.watch.hit();
                return *value;
            }
            let begun = Instant::now();
            let value = key.wrapping_mul(key);
            self.values.insert(key, value);
            self.watch.miss(begun.elapsed());
            value
        }
    }
}

static HITS: Counter = Counter::new("cache.hits");

/// The application's side: the trait with ringstat behind it.
struct Metrics(Client);

impl cache::Watch for Metrics {
    fn hit(&self) {
        HITS.inc();
    }

    fn miss(&self, took: Duration) {
        self.0.timing("cache.miss", took).record();
    }
}

/// Asks for `requests` squares of ten different numbers.
pub fn run(to: &str, requests: u64) -> Result<Ledger, ringstat_std::BuildError> {
    let stats = Client::builder(to).instrument(&HITS).build()?;
    let mut cache = cache::Cache::new(Metrics(stats.clone()));
    let mut quiet = cache::Cache::new(());
    for key in (0..requests).map(|n| n % 10) {
        assert_eq!(cache.get(key), quiet.get(key));
    }
    drop(cache);
    Ok(stats.shutdown(Duration::from_secs(2)))
}

fn main() -> Result<(), ringstat_std::BuildError> {
    println!("{}", run("127.0.0.1:8125", 1000)?);
    Ok(())
}
