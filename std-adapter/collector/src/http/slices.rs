//! Long answers, a slice at a time: the lock is held for a slice, and between two of them datagrams come in.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use crate::metrics::Page;
use crate::report::{Draft, Report};
use crate::shared::Shared;

/// How long a slice may take.
const SLICE: Duration = Duration::from_micros(400);
/// What lies between two of them. A lock that is given up and taken at once may never be seen free by others.
const BETWEEN: Duration = Duration::from_millis(1);

/// The page of `/metrics`, each slice written when the client has room for it.
pub(super) fn metrics(shared: Arc<Shared>) -> Body {
    let page = Page::new(shared.now_ms(), &shared.io());
    let slices = stream::unfold(Some((page, shared)), async |state| {
        let (mut page, shared) = state?;
        let mut slice = String::new();
        let more = page.write(&mut slice, &shared.collector(), SLICE);
        if more {
            sleep(BETWEEN).await;
        } else if page.omitted() > 0 {
            shared.collector().cut_page(page.omitted());
        }
        Some((Ok::<_, Infallible>(slice), more.then_some((page, shared))))
    });
    // It may be asked once more after its end.
    Body::from_stream(slices.fuse())
}

/// What is known now, with at most so many series.
pub(super) async fn report(shared: &Shared, series: usize) -> Report {
    let mut draft = Draft::new(shared.now_ms(), series);
    loop {
        let more = draft.step(&shared.collector(), SLICE);
        if !more {
            break;
        }
        sleep(BETWEEN).await;
    }
    let io = shared.io();
    draft.finish(&shared.collector(), &io)
}
