//! Tables: text on the left, numbers on the right, no wider than the terminal.

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};

/// The width if there is no terminal: that of a page of text.
const WIDTH: u16 = 100;

/// The columns and lines of the terminal, or a default if there is none.
pub(crate) fn terminal() -> (u16, u16) {
    crossterm::terminal::size().ok().filter(|(width, _)| *width > 0).unwrap_or((WIDTH, 24))
}

/// A table whose first `texts` columns are text.
pub(crate) fn render(columns: &[&str], rows: &[Vec<String>], texts: usize) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(terminal().0);
    table.set_header(columns.iter().map(|c| Cell::new(c).add_attribute(Attribute::Bold)));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
