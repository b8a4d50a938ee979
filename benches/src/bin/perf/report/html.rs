//! The report as one self-contained HTML page that contains its styles and pictures and fetches nothing.

use super::Section;

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
p { color: #555 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left; word-break: break-word }
.good { color: #006b3c; font-weight: 600 } .bad { color: #b00020; font-weight: 600 }
svg { max-width: 100%; height: auto; margin: .8rem 0 }";

pub(super) fn page(title: &str, about: &str, sections: &[Section]) -> String {
    let (title, about) = (escape(title), escape(about));
    let sections: String = sections.iter().map(section).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p>{about}</p>\n{sections}</body>\n</html>\n"
    )
}

fn section(section: &Section) -> String {
    let mut text = format!("<h2>{}</h2>\n", escape(&section.title));
    if !section.note.is_empty() {
        text += &format!("<p>{}</p>\n", escape(&section.note));
    }
    // The pictures were drawn by this program, with their texts escaped.
    section.plots.iter().for_each(|svg| text += svg);
    let head: String = section.columns.iter().map(|c| format!("<th>{}</th>", escape(c))).collect();
    text += &format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n");
    for row in &section.rows {
        let cells: String = row.iter().map(|c| cell(c)).collect();
        text += &format!("<tr>{cells}</tr>\n");
    }
    text + "</tbody>\n</table>\n"
}

fn cell(text: &str) -> String {
    let class = match text {
        "pass" | "improvement" => " class=\"good\"",
        "FAIL" | "regression" => " class=\"bad\"",
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
            note: String::new(),
            columns: vec!["a", "b"],
            rows: vec![vec!["Vec<T> & \"x\"".into(), "FAIL".into()]],
            plots: super::super::plot::bars("x", &[("a".into(), 1.0)]).into_iter().collect(),
        };
        let page = page("t", "about <it>", &[section]);
        for text in ["Hot &lt;paths&gt;", "Vec&lt;T&gt; &amp; &quot;x&quot;", "about &lt;it&gt;"] {
            assert!(page.contains(text), "{text}");
        }
        assert!(page.contains("<td class=\"bad\">FAIL</td>") && page.contains("<svg"));
        let fetched = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(
            !fetched.contains("http") && !fetched.contains("<script") && !fetched.contains("src=")
        );
    }
}
