//! What a client says of itself, sent like an instrument.

use std::time::{SystemTime, UNIX_EPOCH};

use ringstat_core::instrument::{Details, Instrument, Mark, State};
use ringstat_core::record::Tag;

use super::short;
use crate::config::ClientConfig;

/// What a client says of itself.
#[derive(Debug)]
pub(crate) struct OwnInfo {
    program: String,
    labels: Vec<(String, String)>,
    details: Details<String>,
    mark: Mark,
}

impl OwnInfo {
    /// The info of a client that starts now. What the configuration does not say is found out.
    pub(crate) fn new(config: &ClientConfig) -> Self {
        let program = config.program.clone().or_else(super::program);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(0);
        Self {
            program: short(program.filter(|p| !p.is_empty()).unwrap_or_else(|| "unknown".into())),
            labels: config
                .labels
                .iter()
                .map(|(k, v)| (short(k.clone()), short(v.clone())))
                .collect(),
            details: Details {
                heartbeat_ms: millis(config.heartbeat_interval),
                started_ms: millis(started),
                process: std::process::id(),
                host: short(super::host().unwrap_or_default()),
                version: short(config.version.clone().unwrap_or_default()),
            },
            mark: Mark::new(),
        }
    }
}

impl Instrument for OwnInfo {
    fn name(&self) -> &str {
        &self.program
    }
    fn tag(&self, index: usize) -> Option<(&str, &str)> {
        self.labels.get(index).map(|(k, v)| (k.as_str(), v.as_str()))
    }
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        None
    }
    fn state(&self) -> State<'_> {
        State::Info(&self.details)
    }
    fn version(&self) -> u32 {
        1
    }
    fn mark(&self) -> &Mark {
        &self.mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_out_what_it_is_not_told_and_cuts_what_is_too_long() {
        let found = OwnInfo::new(&ClientConfig::default());
        assert!(found.name().starts_with("ringstat"), "{}", found.name());
        assert_eq!(found.details.process, std::process::id());
        assert_eq!(found.details.heartbeat_ms, 1000);
        assert!(found.details.started_ms > 1_700_000_000_000);
        let config = ClientConfig {
            program: Some("é".repeat(200)),
            version: Some("1.4".into()),
            labels: [("zone".into(), "eu".into())].into(),
            ..ClientConfig::default()
        };
        let told = OwnInfo::new(&config);
        assert_eq!((told.name().len(), &*told.details.version), (254, "1.4"));
        assert_eq!((told.tag(0), told.tag(1)), (Some(("zone", "eu")), None));
    }
}
