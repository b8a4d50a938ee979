//! The task without a network: core's line over a UART, USB CDC or anything else that moves bytes in both directions.

use embassy_futures::select::{Either3, select, select3};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use ringstat_core::chip::Line;
use ringstat_core::record::{Event, Resolve};
use ringstat_core::send::Store;

use crate::task::{self, WAKE};

/// The time limit for writing one frame. A USB port that nobody reads never accepts one.
const FRAME_TIME: Duration = Duration::from_secs(1);
/// How long to wait after the line failed, for instance because a cable is unplugged.
const RETRY: Duration = Duration::from_millis(100);

/// Sends what the stats of `line` record over a serial line, for ever, and receives the answers on it: the same as
/// [`run`](crate::run), without a network. The other end of the line runs `ringstat bridge`, or `ringstat collect
/// --serial`. A program can run one such task, and not `run` as well.
///
/// The two halves of a buffered UART are well suited: what arrives while a frame is written waits in its buffer. The
/// future can be dropped at any time, and the same line can be continued with a new one.
///
/// ```
/// use embedded_io_async::{Read, Write};
/// use ringstat_core::chip::{Line, LineConfig};
/// use ringstat_embassy::prelude::*;
///
/// static STATS: Stats<32, 4> =
///     ringstat_embassy::stats(event_ring!(32)).critical(event_ring!(4));
///
/// // #[embassy_executor::task], with the types of the board's UART:
/// async fn metrics(rx: impl Read, tx: impl Write, device: u64) -> ! {
///     let config = LineConfig::new(&STATS, Identity::new(device, Epoch::unknown()));
///     let mut line: Line<'_, 32, 4, _, 256> = Line::new(&STATS, config);
///     ringstat_embassy::run_serial(rx, tx, &mut line).await
/// }
/// ```
pub async fn run_serial<
    const N: usize,
    const C: usize,
    M,
    const FRAME: usize,
    const NAMES: usize,
    K,
>(
    mut rx: impl Read,
    mut tx: impl Write,
    line: &mut Line<'_, N, C, M, FRAME, NAMES, K>,
) -> !
where
    M: Resolve,
    K: Store<Event = Event>,
{
    let mut bytes = [0; 64];
    loop {
        let until = match line.next(line.stats().time()) {
            Ok(frame) => {
                let whole = async {
                    tx.write_all(frame).await?;
                    tx.flush().await
                };
                if let Ok(Ok(())) = with_timeout(FRAME_TIME, whole).await {
                    line.written(line.stats().time());
                    // Answers are received between two frames as well.
                    line.stats().time().monotonic
                } else {
                    let until = line.failed(line.stats().time());
                    Timer::after(RETRY).await;
                    until
                }
            }
            Err(until) => until,
        };
        task::publish(line.totals());
        let timer = Timer::at(Instant::from_micros(until.min(u64::MAX / 2)));
        match select3(rx.read(&mut bytes), timer, WAKE.wait()).await {
            Either3::First(Ok(read)) => {
                let now = line.stats().time();
                line.receive(bytes.get(..read).unwrap_or(&[]), now);
            }
            // A line that fails at once must not starve other tasks.
            Either3::First(Err(_)) => _ = select(Timer::after(RETRY), WAKE.wait()).await,
            Either3::Second(()) | Either3::Third(()) => {}
        }
    }
}
