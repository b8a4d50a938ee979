//! Charts as data, which the page draws with [uPlot](https://github.com/leeoniya/uPlot), so that they can be zoomed.

use serde::Serialize;

/// A chart.
#[derive(Serialize, Clone, PartialEq, Default, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) axis: Axis,
    pub(super) unit: String,
    /// Whether the values have a logarithmic scale.
    pub(super) log: bool,
    /// Whether only one of the lines is shown at a time, chosen from a menu.
    pub(super) one_at_a_time: bool,
    pub(super) lines: Vec<Line>,
}

/// What the horizontal axis shows.
#[derive(Serialize, Clone, PartialEq, Default, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum Axis {
    /// A name for each position, counted from 0.
    Names(Vec<String>),
    /// Seconds after the start.
    #[default]
    Seconds,
    /// Seconds since 1970.
    Time,
}

/// The points of one number.
#[derive(Serialize, Clone, PartialEq, Default, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    /// The number's own unit, if it is not that of the chart.
    pub(super) unit: String,
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<Option<f64>>,
    /// Remarkable positions, each with a few words.
    pub(super) marks: Vec<(f64, String)>,
}

impl Chart {
    /// Creates a chart of one value for each name.
    pub(super) fn of_names(title: &str, unit: &str, values: &[(String, f64)]) -> Option<Self> {
        let names = values.iter().map(|v| v.0.clone()).collect();
        let line = Line::new(title, values.iter().enumerate().map(|(i, v)| (i as f64, v.1)));
        Self::new(title, Axis::Names(names), unit, vec![line])
    }

    /// Creates a chart, unless there is nothing to show.
    pub(super) fn new(title: &str, axis: Axis, unit: &str, lines: Vec<Line>) -> Option<Self> {
        let lines: Vec<_> = lines.into_iter().filter(|l| !l.x.is_empty()).collect();
        let (title, unit) = (title.to_owned(), unit.to_owned());
        (!lines.is_empty()).then(|| Self { title, axis, unit, lines, ..Self::default() })
    }
}

impl Line {
    pub(super) fn new(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Self {
        // JSON has no infinity: such a point is a gap.
        let (x, y) = points.map(|(x, y)| (x, Some(y).filter(|y| y.is_finite()))).unzip();
        Self { name: name.to_owned(), x, y, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_points_is_no_chart_and_what_is_no_number_is_a_gap() {
        assert_eq!(Chart::of_names("x", "ns", &[]).map(|c| c.lines.len()), None);
        let line = Line::new("a", [(0.0, 1.0), (1.0, f64::NAN)].into_iter());
        assert_eq!(line.y, [Some(1.0), None]);
        let chart = Chart::new("x", Axis::Time, "ns", vec![line, Line::default()]).unwrap();
        assert_eq!(chart.lines.len(), 1, "lines without points are left out");
    }
}
