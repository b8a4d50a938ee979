//! A live display: redrawn in place on a terminal, plain lines otherwise.

use std::io::{self, IsTerminal, Write};

use crossterm::cursor::MoveToPreviousLine;
use crossterm::queue;
use crossterm::terminal::{Clear, ClearType};

use crate::common::table;

/// Lines of a frame besides its title and rows: the heading, the rules, the remark below, and the cursor's line.
const TABLE_FRAME: usize = 6;

/// What the screen shows at one moment.
pub(crate) struct Frame {
    /// Lines above the table.
    pub(crate) title: Vec<String>,
    pub(crate) columns: &'static [&'static str],
    /// How many of the first columns are text.
    pub(crate) texts: usize,
    pub(crate) rows: Vec<Vec<String>>,
    /// The same on one line, for output that is not a terminal.
    pub(crate) line: String,
}

/// Where frames are shown.
pub(crate) struct Screen {
    terminal: bool,
    /// How many lines of the previous frame are still on the screen.
    drawn: u16,
}

impl Screen {
    /// A screen on standard output, which shows plain lines if that is not a terminal.
    pub(crate) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), drawn: 0 }
    }

    /// Shows a frame in place of the previous one.
    pub(crate) fn show(&mut self, frame: &Frame) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.terminal {
            return writeln!(out, "{}", frame.line);
        }
        // A frame higher than the screen could not be redrawn in place, so only as many rows as fit are shown, with a
        // remark.
        let height = usize::from(table::terminal().1);
        let room = height.saturating_sub(frame.title.len() + TABLE_FRAME).min(frame.rows.len());
        let mut text = frame.title.join("\n");
        text.push('\n');
        text += &table::render(frame.columns, &frame.rows[..room], frame.texts);
        text.push('\n');
        if frame.rows.len() > room {
            text += &format!("… and {} more on the page\n", frame.rows.len() - room);
        }
        if self.drawn > 0 {
            queue!(out, MoveToPreviousLine(self.drawn), Clear(ClearType::FromCursorDown))?;
        }
        self.drawn = text.lines().count() as u16;
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}
