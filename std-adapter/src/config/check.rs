//! What a configuration may not ask for.

use std::fmt;
use std::time::Duration;

use ringstat_core::format::{PAYLOAD_MAX, PAYLOAD_MIN};
use ringstat_core::policy::Policy;
use ringstat_core::wire::ack::ID_WINDOW;

use super::ClientConfig;

/// All shards together hold at most so many events: 4 GiB.
const SHARD_EVENTS_MAX: usize = 1 << 26;

/// A setting that is out of bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConfigError {
    /// The field of [`ClientConfig`].
    pub field: &'static str,
    /// The value that it has.
    pub value: String,
    /// The values that it may have.
    pub allowed: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}; allowed is {}", self.field, self.value, self.allowed)
    }
}

impl std::error::Error for ConfigError {}

impl ClientConfig {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`ConfigError`] names the first field that is out of bounds, its value, and what is allowed.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const EVENTS: std::ops::RangeInclusive<usize> = 1..=1 << 24;
        let sizes = [
            ("payload", self.payload, PAYLOAD_MIN..=PAYLOAD_MAX),
            ("shards", self.shards, 1..=1024),
            ("shard_events", self.shard_events, EVENTS),
            ("shared_events", self.shared_events, EVENTS),
            ("tag_memory", self.tag_memory, 0..=1 << 30),
            ("max_instruments", self.max_instruments, 0..=1 << 24),
            ("critical_events", self.critical_events, 0..=ID_WINDOW),
            ("ack_attempts", self.ack_attempts.into(), 1..=usize::from(u8::MAX)),
        ];
        for (field, value, allowed) in sizes {
            if !allowed.contains(&value) {
                let allowed = format!("{} to {}", allowed.start(), allowed.end());
                return Err(ConfigError { field, value: value.to_string(), allowed });
            }
        }
        if self.shards * self.shard_events > SHARD_EVENTS_MAX {
            return Err(ConfigError {
                field: "shard_events",
                value: format!("{} in each of {} shards", self.shard_events, self.shards),
                allowed: format!("{SHARD_EVENTS_MAX} in all of them together"),
            });
        }
        let times = [
            ("batch_age", self.batch_age),
            ("flush_interval", self.flush_interval),
            ("refresh_interval", self.refresh_interval),
            ("heartbeat_interval", self.heartbeat_interval),
            ("idle_sleep", self.idle_sleep),
            ("resolve_interval", self.resolve_interval),
            ("backoff", self.backoff),
            ("backoff_max", self.backoff_max),
            ("silence", self.silence),
            ("ack_timeout", self.ack_timeout),
            ("ack_timeout_max", self.ack_timeout_max),
        ];
        let report = self.report_interval.map(|every| ("report_interval", every));
        for (field, value) in times.into_iter().chain(report) {
            if value < Duration::from_micros(1) || value > Duration::from_secs(86_400) {
                let allowed = "1 µs to 1 day".into();
                return Err(ConfigError { field, value: format!("{value:?}"), allowed });
            }
        }
        match self.policy {
            Policy::Sampled(n) | Policy::Graded(n) if !(2..=64).contains(&n) => {
                let (field, allowed) = ("policy", "sampled or graded with one in 2 to 64".into());
                Err(ConfigError { field, value: format!("one in {n}"), allowed })
            }
            Policy::Sampled(_) | Policy::Graded(_) => Ok(()),
            Policy::DropNewest | Policy::DropOldest | Policy::ByPriority => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    #[test]
    fn every_preset_is_valid() {
        for preset in Preset::ALL {
            preset.config().validate().unwrap();
        }
    }

    #[test]
    fn an_error_names_the_field_its_value_and_what_is_allowed() {
        let error = |f: fn(&mut ClientConfig)| {
            let mut config = ClientConfig::default();
            f(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(error(|c| c.payload = 5), "payload is 5; allowed is 128 to 65507");
        assert_eq!(
            error(|c| c.shard_events = usize::MAX),
            format!("shard_events is {}; allowed is 1 to 16777216", usize::MAX)
        );
        assert_eq!(
            error(|c| c.idle_sleep = Duration::ZERO),
            "idle_sleep is 0ns; allowed is 1 µs to 1 day"
        );
        assert_eq!(error(|c| c.shards = 0), "shards is 0; allowed is 1 to 1024");
    }
}
