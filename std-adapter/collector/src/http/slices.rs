//! Long answers, written in slices. Each slice takes short looks at the shards, and between two slices datagrams are
//! received.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use crate::metrics::{self, Document, Page};
use crate::report::{Draft, Report};
use crate::shared::Shared;

/// The memory of all answers to `/metrics` that wait for the disk, in bytes. Each may have an equal share.
const HELD: usize = 32 << 20;
/// The longest duration of a slice.
const SLICE: Duration = Duration::from_micros(400);
/// The pause between two slices.
const BETWEEN: Duration = Duration::from_millis(1);

/// The page of `/metrics` in that form; each slice is written when the client has room for it.
pub(super) fn metrics(shared: Arc<Shared>, out: Box<dyn Document>) -> Body {
    let answer = Answer::new(shared, out);
    let slices = stream::unfold(answer, async |mut answer| {
        let slice = answer.next().await?;
        Some((Ok::<_, Infallible>(slice), answer))
    });
    // The stream may be polled once more after its end.
    Body::from_stream(slices.fuse())
}

/// An answer to `/metrics` in progress.
struct Answer {
    shared: Arc<Shared>,
    page: Page,
    out: Box<dyn Document>,
    more: bool,
    /// Slices that may leave.
    ready: VecDeque<Vec<u8>>,
    /// Whether all that has left was on disk before.
    on_disk: bool,
    /// There are as many of these as answers in progress, and one more.
    share: Arc<()>,
}

impl Answer {
    fn new(shared: Arc<Shared>, out: Box<dyn Document>) -> Self {
        let page = Page::new(shared.now_ms(), &shared.io_and_process(), shared.distributions);
        let share = shared.pages.clone();
        Self { shared, page, out, more: true, ready: VecDeque::new(), on_disk: true, share }
    }

    async fn next(&mut self) -> Option<Vec<u8>> {
        if self.ready.is_empty() && self.more {
            self.write().await;
        }
        self.ready.pop_front()
    }

    /// Writes more of the page. With a data directory it leaves when what it shows is on disk: so it is written as far as
    /// there is memory for it, and then waits for a commit.
    async fn write(&mut self) {
        let shared = self.shared.clone();
        let Some(keeper) = shared.keeper() else {
            self.write_slice();
            if self.more {
                sleep(BETWEEN).await;
            } else {
                self.end();
            }
            return;
        };
        let share = HELD / (Arc::strong_count(&self.share) - 1).max(1);
        let mut held = 0;
        while self.more && held < share {
            held += self.write_slice();
            sleep(BETWEEN).await;
        }
        self.on_disk &= keeper.written().await;
        if !self.more {
            metrics::on_disk(&mut *self.out, self.on_disk);
            self.end();
        }
    }

    /// Writes what comes behind all slices.
    fn end(&mut self) {
        self.out.end();
        self.ready.push_back(self.out.take());
    }

    /// Writes a slice, and returns its length.
    fn write_slice(&mut self) -> usize {
        self.more = self.page.write(&mut *self.out, &*self.shared, SLICE);
        let slice = self.out.take();
        if !self.more && self.page.omitted() > 0 {
            self.shared.shards()[0].write().cut_page(self.page.omitted());
        }
        let length = slice.len();
        self.ready.push_back(slice);
        length
    }
}

/// A report of the present state with at most `series` series.
pub(super) async fn report(shared: &Shared, series: usize) -> Report {
    let mut draft = Draft::new(shared.now_ms(), series);
    loop {
        let more = draft.step(shared, SLICE);
        if !more {
            break;
        }
        sleep(BETWEEN).await;
    }
    let io = shared.io();
    draft.finish(shared, &io)
}
