//! The report as Markdown for a pull request: the tables without the pictures.

use super::Report;

pub(super) fn page(report: &Report) -> String {
    let about = report.about.iter().map(|line| escape(line)).collect::<Vec<_>>().join("\n");
    let mut text = format!("# {}\n\n{about}\n", escape(&report.title));
    let tile = |(number, words, _): &(String, String, &str)| format!("{number} {words}");
    let tiles = report.tiles.iter().map(tile).collect::<Vec<_>>().join(", ");
    if !tiles.is_empty() {
        text += &format!("\n{}\n", escape(&tiles));
    }
    for section in report.sections.iter().filter(|s| !s.rows.is_empty()) {
        text += &format!("\n## {}\n\n", escape(&section.title));
        if !section.note.is_empty() {
            text += &format!("{}\n\n", escape(&section.note));
        }
        text += &table(&section.columns, &section.rows);
    }
    text
}

/// Formats a table whose first column is aligned left, and the others, which are numbers, right.
pub(crate) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = row(columns.iter().copied());
    text += &row((0..columns.len()).map(|i| if i == 0 { "---" } else { "---:" }));
    rows.iter().for_each(|cells| text += &row(cells.iter().map(String::as_str)));
    text
}

fn row<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    format!("| {} |\n", cells.map(escape).collect::<Vec<_>>().join(" | "))
}

/// Escapes what Markdown or HTML would take for markup.
pub(crate) fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::super::Section;
    use super::*;

    #[test]
    fn tables_have_as_many_cells_as_columns_whatever_is_in_them() {
        let section = Section {
            title: "Targets".into(),
            note: "Note.".into(),
            columns: vec!["must not be", "verdict"],
            rows: vec![vec!["a | b <T>".into(), "pass".into()]],
            ..Section::default()
        };
        let report = Report {
            title: "t".into(),
            about: vec!["about".into()],
            sections: vec![section],
            ..Report::default()
        };
        assert!(page(&report).ends_with(
            "## Targets\n\nNote.\n\n| must not be | verdict |\n| --- | ---: |\n| a \\| b &lt;T> | pass |\n"
        ));
    }
}
