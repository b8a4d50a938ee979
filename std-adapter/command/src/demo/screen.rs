//! A live display: redrawn in place on a terminal, plain lines anywhere else.

use std::io::{self, IsTerminal, Write};

use crossterm::cursor::MoveToPreviousLine;
use crossterm::queue;
use crossterm::terminal::{Clear, ClearType};

use crate::common::table;

/// Lines of a frame besides its title and rows: heading, rules, the remark below, the cursor's own.
const TABLE_FRAME: usize = 6;

/// What there is to see at one moment.
pub(crate) struct Frame {
    /// Above the table, a line each.
    pub(crate) title: Vec<String>,
    pub(crate) columns: &'static [&'static str],
    /// So many columns, the first ones, are text.
    pub(crate) texts: usize,
    pub(crate) rows: Vec<Vec<String>>,
    /// The same in one line, for those who have no terminal.
    pub(crate) line: String,
}

/// Where frames go.
pub(crate) struct Screen {
    terminal: bool,
    /// So many lines of the frame before are still on the screen.
    drawn: u16,
}

impl Screen {
    /// On standard output; as plain lines if that is no terminal.
    pub(crate) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), drawn: 0 }
    }

    /// Shows a frame in place of the one before.
    pub(crate) fn show(&mut self, frame: &Frame) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.terminal {
            return writeln!(out, "{}", frame.line);
        }
        // A frame higher than the screen cannot be drawn over: show as many rows as fit, and say so.
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
