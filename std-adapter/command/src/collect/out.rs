//! Standard output, written by a thread of its own: a pipe that nobody reads, or a terminal that is stopped, holds up
//! neither the live view nor the end.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::common::screen::{Frame, Screen};

/// What is to be written.
enum Work {
    Text(String),
    Frame(Frame),
}

/// The other end of the thread that writes.
pub(super) struct Out {
    work: Sender<Work>,
    /// Whether the last frame is on the screen.
    drawn: Arc<AtomicBool>,
    ended: Receiver<io::Result<()>>,
}

impl Out {
    /// Starts the thread. It ends with the process, if it hangs.
    pub(super) fn new() -> Self {
        let (work, todo) = channel();
        let (tell, ended) = channel();
        let drawn = Arc::new(AtomicBool::new(true));
        let done = drawn.clone();
        std::thread::spawn(move || {
            let written = write(&todo, &done);
            // If nobody waits any more, the process is about to end.
            let _ = tell.send(written);
        });
        Self { work, drawn, ended }
    }

    /// Writes this text.
    pub(super) fn text(&self, text: String) {
        // The thread has ended if nothing can be written; the end tells.
        let _ = self.work.send(Work::Text(text));
    }

    /// Draws this frame, unless the one before is still being drawn.
    pub(super) fn frame(&self, frame: Frame) {
        if self.drawn.swap(false, Ordering::AcqRel) {
            let _ = self.work.send(Work::Frame(frame));
        }
    }

    /// Waits until everything is written, but not longer than `limit`: `None` then.
    pub(super) fn end(self, limit: Duration) -> Option<io::Result<()>> {
        drop(self.work);
        self.ended.recv_timeout(limit).ok()
    }
}

fn write(todo: &Receiver<Work>, drawn: &AtomicBool) -> io::Result<()> {
    let mut screen = Screen::new();
    for work in todo {
        match work {
            Work::Text(text) => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
            Work::Frame(frame) => {
                screen.show(&frame)?;
                drawn.store(true, Ordering::Release);
            }
        }
    }
    Ok(())
}
