//! Resolving the collector's name.

use embassy_net::dns::DnsQueryType;
use embassy_net::{IpEndpoint, Stack};
use embassy_time::{Duration, Timer};

/// The first pause after a failure; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Resolves `name` until there is an address, for [`TaskConfig::new`](crate::TaskConfig::new), before
/// [`run`](crate::run) is called.
///
/// Waits for the network first. Events wait in the ring meanwhile, as they do while a link is down. The stack's
/// resources need one more socket, and the name may have at most 255 bytes. An address that changes later is only
/// noticed at the next start.
///
/// ```
/// # use embassy_net::Stack;
/// # use ringstat_embassy::{prelude::*, resolve, run};
/// # static STATS: Stats<64> = ringstat_embassy::stats(event_ring!(64));
/// async fn metrics(stack: Stack<'static>) -> ! {
///     let collector = resolve(stack, "metrics.example.org", 8125).await;
///     run(stack, &STATS, TaskConfig::new(collector, 0xC0FFEE, Epoch::unknown())).await
/// }
/// ```
pub async fn resolve(stack: Stack<'_>, name: &str, port: u16) -> IpEndpoint {
    let mut pause = PAUSE;
    loop {
        stack.wait_config_up().await;
        if let Ok(found) = stack.dns_query(name, DnsQueryType::A).await
            && let Some(address) = found.first()
        {
            return IpEndpoint::new(*address, port);
        }
        Timer::after(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
