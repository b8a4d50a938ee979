//! Delivers the queue of one target, in order, in a thread of its own. Each batch is retried until the target accepts it
//! or refuses it for good.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crate::outbox::{Batch, Outbox, Outcome};
use crate::report::OutputCause;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a target's refusals are logged.
const QUIET: Duration = Duration::from_secs(60);

/// Sends batches to a target.
pub(super) trait Carrier: Send + 'static {
    /// Makes one attempt.
    fn carry(&mut self, batch: &Batch) -> Answer;
}

/// What became of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The target accepted all samples.
    Taken,
    /// The target refuses the rest for good, and has accepted this many samples.
    Refused { taken: u64, why: String },
    /// The target may accept the batch later, at the earliest after this time.
    Later { after: Option<Duration>, why: String },
}

/// Starts to deliver to one target of an outbox. `running` is dropped when the thread ends.
pub(super) fn start(
    name: String,
    carrier: impl Carrier,
    outbox: &Arc<Outbox>,
    target: usize,
    running: Sender<Infallible>,
) -> io::Result<()> {
    let delivery = Delivery { name, carrier, outbox: outbox.clone(), target, refused: None };
    let thread = Builder::new().name("ringstat-out".into());
    thread.spawn(move || {
        delivery.run();
        drop(running);
    })?;
    Ok(())
}

struct Delivery<C> {
    name: String,
    carrier: C,
    outbox: Arc<Outbox>,
    target: usize,
    /// When a refusal was last logged.
    refused: Option<Instant>,
}

impl<C: Carrier> Delivery<C> {
    fn run(mut self) {
        while let Some((number, batch)) = self.outbox.next(self.target) {
            // Without an outcome the process ends, and the batch waits for the next life or is given up with it.
            let Some(outcome) = self.deliver(&batch) else { return };
            self.outbox.done(self.target, number, outcome);
        }
    }

    /// Retries until the target has accepted or refused the batch.
    fn deliver(&mut self, batch: &Batch) -> Option<Outcome> {
        let mut failures = 0;
        loop {
            match self.carrier.carry(batch) {
                Answer::Taken => {
                    if failures > 0 {
                        tracing::info!("{} takes samples again", self.name);
                    }
                    return Some(Outcome { sent: batch.samples, cause: OutputCause::Refused });
                }
                Answer::Refused { taken, why } => {
                    let lost = batch.samples - taken.min(batch.samples);
                    if self.refused.is_none_or(|at| at.elapsed() >= QUIET) {
                        self.refused = Some(Instant::now());
                        tracing::error!("{} refused {lost} samples: {why}", self.name);
                    }
                    return Some(Outcome { sent: taken, cause: OutputCause::Refused });
                }
                Answer::Later { after, why } => {
                    if self.outbox.failed(self.target, &why) {
                        tracing::warn!("{} does not take samples: {why}; they wait", self.name);
                    }
                    if !self.outbox.pause(after.unwrap_or_else(|| pause(failures))) {
                        return None;
                    }
                    failures += 1;
                }
            }
        }
    }
}

/// Returns the pause after a failure and `before` earlier ones, plus or minus a quarter at random.
fn pause(before: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << before.min(16)).min(LONGEST_PAUSE);
    whole.mul_f64(0.75 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_a_quarter_more_or_less_up_to_a_bound() {
        for (before, whole) in [(0, 0.5), (1, 1.0), (5, 16.0), (6, 30.0), (u32::MAX, 30.0)] {
            for _ in 0..100 {
                let pause = pause(before).as_secs_f64();
                assert!((whole * 0.75..=whole * 1.25).contains(&pause), "{pause} of {whole}");
            }
        }
    }
}
