//! The thread that writes the state: once a second, the changes of each shard, in one transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::keeper::{Alarm, Kept, Wire};
use super::state::{About, State};
use super::status::unix_ms;
use crate::rows::Rows;

/// The pause between two cuts. What comes after the last cut is lost if the machine crashes.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, while nothing can be written.
const LONG_PAUSE: Duration = Duration::from_secs(10);
/// The longest time that datagrams wait while state is copied.
const SLICE: Duration = Duration::from_micros(300);
/// A commit that takes longer than this is reported.
const SLOW: Duration = Duration::from_secs(2);

/// The state of the thread.
pub(super) struct Cuts<K> {
    pub(super) state: State,
    pub(super) kept: Arc<K>,
    pub(super) wire: Arc<Wire>,
}

impl<K: Kept> Cuts<K> {
    /// Runs until told to stop, and then makes a last cut.
    pub(super) fn run(mut self) {
        let (mut pause, mut failing, mut slow) = (PAUSE, Alarm::default(), Alarm::default());
        let mut rows = Default::default();
        loop {
            let stopping = self.wire.wait(pause, pause == PAUSE);
            let mut failed = None;
            for shard in 0..self.kept.count() {
                let begun = Instant::now();
                match self.cut(shard, &mut rows) {
                    Ok(false) => self.wire.status.idle(),
                    Ok(true) => {
                        let took = begun.elapsed();
                        self.wire.status.cut(took);
                        if took > SLOW && slow.rings() {
                            tracing::warn!("a commit took {took:.1?}: the disk is slow");
                        }
                    }
                    Err(e) => {
                        self.wire.status.cut_failed();
                        failed = Some(e);
                    }
                }
            }
            let written = self.wire.disk.written();
            self.wire.status.written(written, self.state.file().length());
            pause = match &failed {
                Some(_) => (pause * 2).min(LONG_PAUSE),
                None => PAUSE,
            };
            match failed {
                Some(e) if failing.rings() => tracing::error!(
                    "the state cannot be kept: {e}; the collector goes on in memory, and acknowledges nothing that is not on disk"
                ),
                None if failing.ends() => tracing::info!("the state is kept again"),
                _ => {}
            }
            if stopping {
                return;
            }
        }
    }

    /// Makes a cut of a shard. Returns whether there was something to write.
    fn cut(&mut self, shard: usize, rows: &mut [Rows; 2]) -> Result<bool, super::error::Failed> {
        let now_ms = self.kept.now_ms();
        let Some(begun) = self.kept.change(shard, |c| c.begin_cut(now_ms)) else {
            // Nothing has changed.
            return Ok(false);
        };
        rows.iter_mut().for_each(Rows::clear);
        let number = shard as u32;
        let about = About { saved_unix_ms: unix_ms(), ..self.state.about };
        let kept = &self.kept;
        let written = self.state.write(about, |tables| {
            if begun.has_all {
                tables.clear(Some(number))?;
            }
            loop {
                let more = kept.change(shard, |c| c.cut_some(SLICE, rows));
                for rows in rows.iter_mut() {
                    tables.apply(number, rows)?;
                    rows.clear();
                }
                if !more {
                    return Ok(());
                }
            }
        });
        self.kept.change(shard, |c| c.end_cut(written.is_ok()));
        written?;
        self.wire.is_through(shard, begun.through);
        Ok(true)
    }
}
