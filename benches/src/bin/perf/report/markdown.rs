//! The report as Markdown for a pull request: the tables without the pictures.

use super::Section;

pub(super) fn page(title: &str, about: &str, sections: &[Section]) -> String {
    let mut text = format!("# {}\n\n{}\n", escape(title), escape(about));
    for section in sections {
        text += &format!("\n## {}\n\n", escape(&section.title));
        if !section.note.is_empty() {
            text += &format!("{}\n\n", escape(&section.note));
        }
        text += &row(section.columns.iter().copied());
        // The first column is aligned left, numbers are aligned right.
        text += &row(section
            .columns
            .iter()
            .enumerate()
            .map(|(i, _)| if i == 0 { "---" } else { "---:" }));
        section.rows.iter().for_each(|cells| text += &row(cells.iter().map(String::as_str)));
    }
    text
}

fn row<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    format!("| {} |\n", cells.map(escape).collect::<Vec<_>>().join(" | "))
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_as_many_cells_as_columns_whatever_is_in_them() {
        let section = Section {
            title: "Targets".into(),
            note: "Note.".into(),
            columns: vec!["must not be", "verdict"],
            rows: vec![vec!["a | b <T>".into(), "pass".into()]],
            plots: Vec::new(),
        };
        let text = page("t", "about", &[section]);
        assert!(text.ends_with(
            "## Targets\n\nNote.\n\n| must not be | verdict |\n| --- | ---: |\n| a \\| b &lt;T> | pass |\n"
        ));
    }
}
