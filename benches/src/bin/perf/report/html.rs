//! The report as one self-contained HTML page, which contains its styles, scripts and data and fetches nothing.

use super::{Chart, Report, Section};

const STYLE: &str =
    concat!(include_str!("page/uplot/uPlot.min.css"), include_str!("page/page.css"));
const PLOT: &str = include_str!("page/uplot/uPlot.iife.min.js");
const SCRIPT: &str = include_str!("page/page.js");

/// Formats the page. With a `state`, which `perf serve` gives it, the page loads itself again when the server's state is
/// another.
pub(crate) fn page(report: &Report, state: Option<&str>) -> String {
    let title = escape(&report.title);
    let about: String = report.about.iter().map(|line| format!("{}<br>", escape(line))).collect();
    let tiles: String = report.tiles.iter().map(tile).collect();
    let link = |(i, s): (usize, &Section)| format!("<a href=\"#s{i}\">{}</a> ", escape(&s.title));
    let links: String = report.sections.iter().enumerate().map(link).collect();
    let sections: String = report.sections.iter().enumerate().map(section).collect();
    let state = state.map_or(String::new(), |s| format!(" data-state=\"{}\"", escape(s)));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body{state}>\n\
         <h1>{title}</h1>\n<p>{about}</p>\n<div class=\"tiles\">{tiles}</div>\n<nav>{links}</nav>\n\
         {sections}<script>{PLOT}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn tile((number, words, class): &(String, String, &'static str)) -> String {
    let (number, words) = (escape(number), escape(words));
    format!("<div class=\"tile\"><b class=\"{class}\">{number}</b><span>{words}</span></div>")
}

fn section((i, section): (usize, &Section)) -> String {
    let mut text = format!("<h2 id=\"s{i}\">{}</h2>\n", escape(&section.title));
    if !section.note.is_empty() {
        text += &format!("<p>{}</p>\n", escape(&section.note));
    }
    section.charts.iter().for_each(|chart| text += &figure(chart));
    let shown = section.shown.unwrap_or(usize::MAX).min(section.rows.len());
    let (rows, folded) = section.rows.split_at(shown);
    text += &table(section, rows);
    if !folded.is_empty() {
        let words = if rows.is_empty() { "All numbers" } else { "All other numbers" };
        let table = table(section, folded);
        text += &format!("<details><summary>{words}</summary>{table}</details>\n");
    }
    text
}

fn table(section: &Section, rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head: String = section.columns.iter().map(|c| format!("<th>{}</th>", escape(c))).collect();
    let class = if section.words { " class=\"words\"" } else { "" };
    let mut table =
        format!("<div class=\"scroll\"><table{class}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n");
    for row in rows {
        let cells: String = row.iter().enumerate().map(cell).collect();
        table += &format!("<tr>{cells}</tr>\n");
    }
    table + "</tbody>\n</table></div>\n"
}

/// The data of a chart stand in a script that is not run, in which only `<` needs to be written differently.
fn figure(chart: &Chart) -> String {
    // Chart data are strings and finite numbers, which JSON always has a form for.
    let data = serde_json::to_string(chart).unwrap_or_default().replace('<', "\\u003c");
    let menu = if chart.one_at_a_time {
        let option = |line: &super::Line| format!("<option>{}</option>", escape(&line.name));
        let options: String = chart.lines.iter().map(option).collect();
        format!("<select aria-label=\"number\">{options}</select>")
    } else {
        String::new()
    };
    let zooms = chart.lines.iter().any(|line| line.x.len() > 1);
    let hint = if zooms { "<small>drag to zoom, double click for everything</small>" } else { "" };
    format!(
        "<figure><figcaption>{} {menu} {hint}</figcaption><div></div>\
         <script type=\"application/json\">{data}</script></figure>\n",
        escape(&chart.title)
    )
}

/// The length in bytes from which on the text of a cell is broken into lines.
const LONG: usize = 32;

/// Verdicts, tiers and severities are coloured. The first column has names, which may be the same words.
fn cell((column, text): (usize, &String)) -> String {
    let class = match text.as_str() {
        _ if column == 0 => "",
        "pass" | "improvement" | "improving" | "excellent" => " class=\"good\"",
        "FAIL" | "regression" | "degrading" | "poor" | "high" | "firing" => " class=\"bad\"",
        "not measured" | "undecided" | "medium" | "pending" => " class=\"warn\"",
        // What is not a number but a sentence takes several lines.
        text if text.len() > LONG => " class=\"long\"",
        _ => "",
    };
    format!("<td{class}>{}</td>", escape(text))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stands_alone_and_nothing_in_it_is_taken_for_markup() {
        let section = Section {
            title: "Hot <paths>".into(),
            columns: vec!["a", "b"],
            rows: vec![vec!["Vec<T> & \"x\"".into(), "FAIL".into()]],
            charts: Chart::of_names("x", "ns", &[("</script>".into(), 1.0)]).into_iter().collect(),
            ..Section::default()
        };
        let report = Report {
            title: "t".into(),
            about: vec!["about <it>".into()],
            tiles: vec![("1".into(), "<broken>".into(), "bad")],
            sections: vec![section],
        };
        let page = page(&report, None);
        let texts = ["Hot &lt;paths&gt;", "Vec&lt;T&gt; &amp; &quot;x&quot;", "about &lt;it&gt;"];
        for text in texts.into_iter().chain(["&lt;broken&gt;", "\\u003c/script>"]) {
            assert!(page.contains(text), "{text}");
        }
        assert!(page.contains("<td class=\"bad\">FAIL</td>"));
        assert_eq!(page.matches("</script>").count(), 3, "data, library, script");
        for fetching in ["src=", "@import", "url("] {
            assert!(!page.contains(fetching), "{fetching}");
        }
    }
}
