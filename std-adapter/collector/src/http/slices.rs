//! Long answers, written in slices. Each slice takes short looks at the shards, and between two slices datagrams are
//! received.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use crate::metrics::Page;
use crate::report::{Draft, Report};
use crate::shared::Shared;

/// The longest duration of a slice.
const SLICE: Duration = Duration::from_micros(400);
/// The pause between two slices.
const BETWEEN: Duration = Duration::from_millis(1);

/// The page of `/metrics`; each slice is written when the client has room for it.
pub(super) fn metrics(shared: Arc<Shared>) -> Body {
    let page = Page::new(shared.now_ms(), &shared.io_and_process(), shared.distributions);
    let slices = stream::unfold(Some((page, shared)), async |state| {
        let (mut page, shared) = state?;
        let mut slice = String::new();
        let more = page.write(&mut slice, &*shared, SLICE);
        if !more && let Some(keeper) = shared.keeper() {
            keeper.request_cut();
        }
        if more {
            sleep(BETWEEN).await;
        } else if page.omitted() > 0 {
            shared.shards()[0].write().cut_page(page.omitted());
        }
        Some((Ok::<_, Infallible>(slice), more.then_some((page, shared))))
    });
    // The stream may be polled once more after its end.
    Body::from_stream(slices.fuse())
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
