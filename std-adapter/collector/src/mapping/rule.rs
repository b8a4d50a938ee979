//! A single rule, checked and ready to be applied.

use std::time::Duration;

use ringstat_core::instrument::Unit;

use super::GaugeRule;
use super::glob::{Glob, Template};
use super::group::Keeps;
use crate::series::Class;

/// A checked rule. It leaves unchanged what is `None`.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) glob: Glob,
    /// The class to which it is limited, if any.
    pub(super) kind: Option<Class>,
    pub(super) drop: Option<bool>,
    pub(super) name: Option<Template>,
    pub(super) labels: Vec<(String, Template)>,
    pub(super) unit: Option<Unit>,
    pub(super) buckets: Option<Vec<f64>>,
    pub(super) ttl: Option<Duration>,
    pub(super) keeps: Option<Keeps>,
    pub(super) gauges: Option<GaugeRule>,
}

impl Rule {
    pub(super) fn is_for(&self, class: Class) -> bool {
        self.kind.is_none_or(|kind| kind == class)
    }

    /// Changes the name and the tags of a series that was sent under `sent`.
    pub(super) fn rename(
        &self,
        sent: &str,
        name: &mut Option<String>,
        tags: &mut Vec<(String, String)>,
    ) {
        if self.name.is_none() && self.labels.is_empty() {
            return;
        }
        let captures = self.glob.captures(sent);
        if let Some(template) = &self.name {
            *name = Some(template.fill(&captures)).filter(|new| new != sent);
        }
        for (key, template) in &self.labels {
            tags.retain(|(of, _)| of != key);
            let value = template.fill(&captures);
            if !value.is_empty() {
                tags.push((key.clone(), value));
            }
        }
    }
}
