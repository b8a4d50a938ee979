//! Plots as SVG, which is embedded in the page.

use plotters::coord::ranged1d::{KeyPointHint, Ranged};
use plotters::prelude::*;

const SIZE: (u32, u32) = (720, 320);
const FONT: &str = "sans-serif";
/// Colours that people with colour blindness can distinguish, too.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 0),
    RGBColor(90, 90, 90),
];

/// The room for the legend to the right of the lines, in labels.
const LEGEND: usize = 2;

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Draws a bar for each value. Returns `None` if there is nothing to draw or drawing failed; the table has the numbers
/// anyway.
pub(super) fn bars(title: &str, values: &[(String, f64)]) -> Option<String> {
    let most = values.iter().map(|v| v.1).fold(0.0, f64::max);
    let top = if most > 0.0 { most * 1.1 } else { 1.0 };
    drawn(!values.is_empty(), |svg| {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .caption(title, (FONT, 16))
            .margin(8)
            .x_label_area_size(30)
            .y_label_area_size(70)
            .build_cartesian_2d(Names::new(values.len()), 0.0..top)?;
        let name = |x: &f64| values.get(*x as usize).map_or(String::new(), |v| v.0.clone());
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_label_formatter(&name)
            .y_label_formatter(&|y| short(*y))
            .draw()?;
        chart.draw_series(values.iter().enumerate().map(|(i, (_, value))| {
            let x = i as f64;
            Rectangle::new([(x + 0.2, 0.0), (x + 0.8, *value)], COLOURS[i % COLOURS.len()].filled())
        }))?;
        Ok(root.present()?)
    })
}

/// Draws a line for each series over the same labels, on a logarithmic scale.
pub(super) fn lines(title: &str, labels: &[&str], series: &[(String, Vec<f64>)]) -> Option<String> {
    let values = || series.iter().flat_map(|s| &s.1).copied().filter(|v| v.is_finite());
    let least = values().fold(f64::INFINITY, f64::min).max(1.0);
    let most = values().fold(1.0, f64::max);
    drawn(values().next().is_some(), |svg| {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .caption(title, (FONT, 16))
            .margin(8)
            .x_label_area_size(30)
            .y_label_area_size(70)
            .build_cartesian_2d(
                Names::new(labels.len() + LEGEND),
                (least * 0.8..most * 1.5).log_scale(),
            )?;
        let name = |x: &f64| labels.get(*x as usize).map_or(String::new(), ToString::to_string);
        chart.configure_mesh().x_label_formatter(&name).y_label_formatter(&|y| short(*y)).draw()?;
        for ((name, values), colour) in series.iter().zip(COLOURS.iter().cycle()) {
            let points = values.iter().enumerate().map(|(i, v)| (i as f64 + 0.5, v.max(least)));
            let line = LineSeries::new(points, colour.stroke_width(2)).point_size(3);
            chart
                .draw_series(line)?
                .label(name)
                .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .draw()?;
        Ok(root.present()?)
    })
}

fn drawn(anything: bool, draw: impl FnOnce(&mut String) -> Drawn) -> Option<String> {
    let mut svg = String::new();
    (anything && draw(&mut svg).is_ok()).then_some(svg)
}

/// An axis with this many names, each in the middle of its own unit.
struct Names(usize);

impl Names {
    fn new(count: usize) -> Self {
        Self(count)
    }
}

impl Ranged for Names {
    type FormatOption = plotters::coord::ranged1d::NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (f64::from(to - from) * value / self.0 as f64) as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        (0..self.0).map(|i| i as f64 + 0.5).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        0.0..self.0 as f64
    }
}

impl plotters::coord::ranged1d::ValueFormatter<f64> for Names {}

/// Formats large numbers in few characters.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e9 => format!("{:.0} G", value / 1e9),
        v if v >= 1e6 => format!("{:.0} M", value / 1e6),
        v if v >= 1e4 => format!("{:.0} k", value / 1e3),
        v if v >= 10.0 || v == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_in_the_picture() {
        let values = [("baseline".to_owned(), 10_000.0), ("high".to_owned(), 100_000.0)];
        let svg = bars("Delivered", &values).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for text in ["Delivered", "baseline", "high", "100 k"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
    }

    #[test]
    fn every_series_has_its_line_and_name() {
        let series = [("record".to_owned(), vec![10.0, 20.0]), ("path".to_owned(), vec![1e6, 1e7])];
        let svg = lines("Latency", &["p50", "p99"], &series).unwrap();
        for text in ["record", "path", "p50", "p99"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(svg.matches("<polyline").count() >= 2);
    }

    #[test]
    fn nothing_makes_no_picture_and_zeros_do() {
        assert_eq!(bars("x", &[]), None);
        assert_eq!(lines("x", &["p50"], &[]), None);
        assert!(bars("x", &[("none".into(), 0.0)]).is_some());
        assert!(lines("x", &["p50"], &[("none".into(), vec![0.0])]).is_some());
    }
}
