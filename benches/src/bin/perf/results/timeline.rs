//! A number that was sampled again and again in the course of a run.

use serde::{Deserialize, Serialize};

/// A number over time. It is shown, and neither compared nor judged.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Timeline {
    /// Words separated by dots, like the name of a metric.
    pub(crate) name: String,
    pub(crate) unit: String,
    /// The times of the samples, in seconds after the start.
    pub(crate) seconds: Vec<f64>,
    pub(crate) values: Vec<f64>,
    /// Events in the course of the run, with their times.
    #[serde(default)]
    pub(crate) marks: Vec<(f64, String)>,
}
