//! The thread that writes the state: once a second, the changes of each shard, in one transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::keeper::{KeeperShared, ReportLimiter, ShardsMut};
use super::state::{About, State};
use super::status::unix_ms;
use crate::intake::Collector;
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
pub(super) struct CutWriter<K> {
    pub(super) state: State,
    pub(super) shards: Arc<K>,
    pub(super) shared: Arc<KeeperShared>,
}

impl<K: ShardsMut> CutWriter<K> {
    /// Runs until told to stop, and then makes a last cut.
    pub(super) fn run(mut self) {
        let (mut pause, mut failing) = (PAUSE, ReportLimiter::default());
        let mut rows = Default::default();
        loop {
            let stopping = self.shared.begin_round(pause, pause == PAUSE);
            let mut failed = None;
            for shard in 0..self.shards.count() {
                let begun = Instant::now();
                match self.cut(shard, &mut rows) {
                    Ok(false) => self.shared.status.idle(),
                    Ok(true) => {
                        let took = begun.elapsed();
                        self.shared.status.cut(took);
                        if took > SLOW {
                            self.shared.status.slow();
                            let now_ms = self.shards.now_ms();
                            let tell = |c: &mut Collector| {
                                c.journal().slow_commit("state", took, now_ms);
                            };
                            self.shards.change(shard, tell);
                        }
                    }
                    Err(e) => {
                        self.shared.status.cut_failed();
                        failed = Some(e);
                    }
                }
            }
            let written = self.shared.disk.written();
            self.shared.status.written(written, self.state.file().length());
            self.shared.end_round(failed.is_none());
            pause = match &failed {
                Some(_) => (pause * 2).min(LONG_PAUSE),
                None => PAUSE,
            };
            match failed {
                Some(e) if failing.failed() => tracing::error!(
                    "the state cannot be kept: {e}; the collector goes on in memory, and acknowledges nothing that is not on disk"
                ),
                None if failing.recovered() => tracing::info!("the state is kept again"),
                _ => {}
            }
            if stopping {
                return;
            }
        }
    }

    /// Makes a cut of a shard. Returns whether there was something to write.
    fn cut(
        &mut self,
        shard: usize,
        rows: &mut [Rows; 2],
    ) -> Result<bool, super::error::CommitError> {
        let now_ms = self.shards.now_ms();
        let Some(begun) = self.shards.change(shard, |c| c.begin_cut(now_ms)) else {
            // Nothing has changed.
            return Ok(false);
        };
        rows.iter_mut().for_each(Rows::clear);
        let number = shard as u32;
        let about = About { saved_unix_ms: unix_ms(), ..self.state.about };
        let shards = &self.shards;
        let written = self.state.write(about, |tables| {
            if begun.has_all {
                tables.clear(Some(number))?;
            }
            loop {
                let more = shards.change(shard, |c| c.cut_some(SLICE, rows))?;
                for rows in rows.iter_mut() {
                    tables.apply(number, rows)?;
                    rows.clear();
                }
                if !more {
                    return Ok(());
                }
            }
        });
        self.shards.change(shard, |c| c.end_cut(written.is_ok()));
        written?;
        self.shared.set_through(shard, begun.through);
        Ok(true)
    }
}
