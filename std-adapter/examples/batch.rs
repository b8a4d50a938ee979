//! A batch job: counts what it does, times each step, and does not end before the collector has everything.
//!
//! ```sh
//! ringstat collect &
//! cargo run -p ringstat-std --example batch -- 1000
//! ```

use std::time::{Duration, Instant};

use ringstat_std::{Client, Counter, Histogram, Ledger, Priority, Recorder};

static ORDERS: Counter = Counter::new("orders.settled").tags(&[("job", "nightly")]);
static AMOUNT: Histogram = Histogram::new("orders.cents");

/// Settles `orders` orders, and returns what became of every record.
pub fn run(to: &str, orders: u64) -> Result<Ledger, Box<dyn std::error::Error>> {
    let stats = Client::builder(to).instrument(&ORDERS).instrument(&AMOUNT).build()?;
    for order in 0..orders {
        let begun = Instant::now();
        let cents = settle(order);
        ORDERS.inc();
        AMOUNT.record(cents);
        let shard = if order % 2 == 0 { "even" } else { "odd" };
        stats.timing("order.settle", begun.elapsed()).tag("shard", shard).record();
    }
    // Whoever waits for the job wants to know that it is done: a critical event is sent until it is acknowledged.
    stats.event("job.done").tag("job", "nightly").priority(Priority::Critical).record();
    // A job ends long before the next flush. This sends what is left, and waits until it has arrived.
    Ok(stats.shutdown(Duration::from_secs(5)))
}

/// What the job is really about.
fn settle(order: u64) -> u64 {
    order % 100 * 100 + 99
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let orders = std::env::args().nth(1).map_or(Ok(1000), |n| n.parse())?;
    let ledger = run("127.0.0.1:8125", orders)?;
    println!("{ledger}");
    // Metrics must not fail the job: without a collector the records count as lost, and the job has done its work.
    Ok(())
}
