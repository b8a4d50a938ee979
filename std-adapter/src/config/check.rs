//! The bounds of every setting, and the check against them.

use std::fmt;
use std::time::Duration;

use ringstat_core::format::{PAYLOAD_MAX, PAYLOAD_MIN};
use ringstat_core::policy::Policy;
use ringstat_core::wire::ack::ID_WINDOW;

use super::ClientConfig;

/// The largest number of datagrams passed to the kernel in one call. Larger groups cost more than they save.
pub(crate) const MAX_SEGMENTS: usize = 32;

/// The largest number of events in all shards together: 4 GiB.
const SHARD_EVENTS_MAX: usize = 1 << 26;

const MILLI: Duration = Duration::from_millis(1);
const HUNDREDTH: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Every duration, with the smallest and the largest value that make sense.
const TIMES: [(&str, fn(&ClientConfig) -> Option<Duration>, Duration, Duration); 12] = [
    ("batch_age", |c| Some(c.batch_age), MILLI, MINUTE),
    ("flush_interval", |c| Some(c.flush_interval), MILLI, HOUR),
    ("refresh_interval", |c| Some(c.refresh_interval), HUNDREDTH, DAY),
    ("heartbeat_interval", |c| Some(c.heartbeat_interval), HUNDREDTH, HOUR),
    ("idle_sleep", |c| Some(c.idle_sleep), MILLI, MINUTE),
    ("resolve_interval", |c| Some(c.resolve_interval), SECOND, DAY),
    ("backoff", |c| Some(c.backoff), MILLI, HOUR),
    ("backoff_max", |c| Some(c.backoff_max), MILLI, HOUR),
    ("silence", |c| Some(c.silence), HUNDREDTH, HOUR),
    ("ack_timeout", |c| Some(c.ack_timeout), MILLI, HOUR),
    ("ack_timeout_max", |c| Some(c.ack_timeout_max), MILLI, HOUR),
    ("report_interval", |c| c.report_interval, HUNDREDTH, DAY),
];

/// A bound in readable form.
fn human(bound: Duration) -> String {
    match bound {
        MINUTE => "1min".into(),
        HOUR => "1h".into(),
        DAY => "1day".into(),
        other => format!("{other:?}"),
    }
}

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
            ("breaker_failures", self.breaker_failures as usize, 0..=1_000_000),
            ("breaker_successes", self.breaker_successes as usize, 1..=1000),
            ("backoff_jitter", self.backoff_jitter.into(), 0..=49),
            ("datagrams_per_call", self.datagrams_per_call, 1..=MAX_SEGMENTS),
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
        for (field, read, least, most) in TIMES {
            let Some(value) = read(self) else { continue };
            if !(least..=most).contains(&value) {
                let allowed = format!("{least:?} to {}", human(most));
                return Err(ConfigError { field, value: format!("{value:?}"), allowed });
            }
        }
        self.check_limits()?;
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

impl ClientConfig {
    /// Checks the limits of health and throttle.
    fn check_limits(&self) -> Result<(), ConfigError> {
        const EVER: u64 = 366 * 86_400 * 1000;
        let (health, throttle) = (&self.health, &self.throttle_limits);
        let percent = |field, value: u8, least| (field, value.into(), least..=100);
        let limits = [
            percent("health.buffer_percent", health.buffer_percent, 0),
            percent("health.drops_percent", health.drops_percent, 0),
            percent("health.send_errors_percent", health.send_errors_percent, 0),
            percent("health.unacknowledged_percent", health.unacknowledged_percent, 0),
            percent("health.loss_percent", health.loss_percent, 0),
            ("health.latency_ms", health.latency_ms, 1..=EVER),
            ("health.unconfirmed_ms", health.unconfirmed_ms, 1..=EVER),
            ("health.memory_bytes", health.memory_bytes, 1..=u64::MAX),
            percent("throttle_limits.buffer_percent", throttle.buffer_percent, 1),
            percent("throttle_limits.drops_percent", throttle.drops_percent, 1),
            percent("throttle_limits.memory_percent", throttle.memory_percent, 1),
        ];
        for (field, value, allowed) in limits {
            if !allowed.contains(&value) {
                let allowed = format!("{} to {}", allowed.start(), allowed.end());
                return Err(ConfigError { field, value: value.to_string(), allowed });
            }
        }
        // A throttle that is calm where it rises would never fall, or rise and fall in turn.
        for (field, calm, rises) in [
            (
                "throttle_limits.calm_buffer_percent",
                throttle.calm_buffer_percent,
                throttle.buffer_percent,
            ),
            (
                "throttle_limits.calm_drops_percent",
                throttle.calm_drops_percent,
                throttle.drops_percent,
            ),
            (
                "throttle_limits.calm_memory_percent",
                throttle.calm_memory_percent,
                throttle.memory_percent,
            ),
        ] {
            if !(1..=rises).contains(&calm) {
                let allowed = format!("1 to {rises}, the limit at which the throttle rises");
                return Err(ConfigError { field, value: calm.to_string(), allowed });
            }
        }
        Ok(())
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
        assert_eq!(error(|c| c.payload = 5), "payload is 5; allowed is 64 to 65507");
        assert_eq!(
            error(|c| c.shard_events = usize::MAX),
            format!("shard_events is {}; allowed is 1 to 16777216", usize::MAX)
        );
        assert_eq!(
            error(|c| c.idle_sleep = Duration::ZERO),
            "idle_sleep is 0ns; allowed is 1ms to 1min"
        );
        assert_eq!(error(|c| c.idle_sleep = DAY), "idle_sleep is 86400s; allowed is 1ms to 1min");
        assert_eq!(
            error(|c| c.heartbeat_interval = Duration::from_micros(1)),
            "heartbeat_interval is 1µs; allowed is 10ms to 1h"
        );
        assert_eq!(
            error(|c| c.health.drops_percent = 101),
            "health.drops_percent is 101; allowed is 0 to 100"
        );
        assert_eq!(
            error(|c| c.health.latency_ms = 0),
            "health.latency_ms is 0; allowed is 1 to 31622400000"
        );
        assert_eq!(
            error(|c| c.throttle_limits.buffer_percent = 0),
            "throttle_limits.buffer_percent is 0; allowed is 1 to 100"
        );
        assert_eq!(
            error(|c| c.throttle_limits.calm_drops_percent = 6),
            "throttle_limits.calm_drops_percent is 6; allowed is 1 to 5, the limit at which the throttle rises"
        );
        assert_eq!(error(|c| c.shards = 0), "shards is 0; allowed is 1 to 1024");
    }
}
