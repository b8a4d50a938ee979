//! The meaning of each key, which `ringstat settings` prints above the key.

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// The key with its table, as in `client.shards`.
    pub(super) path: &'static str,
    /// The meaning of the setting, with its unit.
    pub(super) what: &'static str,
    /// The allowed values.
    pub(super) range: &'static str,
    /// For a setting that may be absent and is by default, an example of a value.
    pub(super) absent: Option<&'static str>,
}

const fn key(path: &'static str, what: &'static str, range: &'static str) -> Key {
    Key { path, what, range, absent: None }
}

const fn optional(
    path: &'static str,
    what: &'static str,
    range: &'static str,
    example: &'static str,
) -> Key {
    Key { path, what, range, absent: Some(example) }
}

const ADDRESS: &str = "ADDRESS:PORT; port 0: any that is free";
const HOST: &str = "HOST:PORT";
const COUNT: &str = "1 to 4294967296";
const EVENTS: &str = "1 to 16777216";
const MINUTE: &str = "1ms to 1min";
const HOUR: &str = "1ms to 1h";
const LONG_HOUR: &str = "10ms to 1h";
const DAY: &str = "10ms to 1day";
const YES_NO: &str = "true or false";

/// Every setting, in the order in which they are printed.
pub(super) const KEYS: &[Key] = &[
    key("to", "Where clients send", HOST),
    key(
        "preset",
        "Where the client's settings begin; what stands below differs from it",
        "default, high-throughput, reliable, graded, low-memory",
    ),
    key("client.payload", "The largest datagram, in bytes of UDP payload", "128 to 65507"),
    key(
        "client.shards",
        "How many threads have a ring of their own; others share one",
        "1 to 1024",
    ),
    key("client.shard_events", "How many events fit into each of these rings, of 64 bytes", EVENTS),
    key("client.shared_events", "How many events fit into the shared ring, of 72 bytes", EVENTS),
    key(
        "client.tag_memory",
        "Bytes beside each ring for tags and texts that do not fit a slot",
        "0 to 1073741824; 0: none are taken",
    ),
    key(
        "client.policy",
        "What is given up when there is more than the rings can take",
        "\"drop-newest\", \"drop-oldest\", \"by-priority\", { sampled = 2 to 64 }, { graded = 2 to 64 }",
    ),
    key(
        "client.batch_least",
        "How many events close a batch while there is little to do",
        "any; 0: only a full datagram or age does",
    ),
    key(
        "client.batch_events",
        "How many events close a batch at most under load",
        "any; 0: only a full datagram or age does",
    ),
    key("client.batch_age", "How long the first event of a batch waits at most", MINUTE),
    key("client.flush_interval", "How often instruments that have changed are sent", HOUR),
    key("client.refresh_interval", "How often every instrument is sent at least", DAY),
    key("client.heartbeat_interval", "How often a client with nothing to say says so", LONG_HOUR),
    key("client.idle_sleep", "How often the worker looks into empty rings", MINUTE),
    key(
        "client.wake_on_first",
        "Whether the first record after a pause wakes the worker, by a system call",
        YES_NO,
    ),
    key("client.resolve_interval", "How often a receiver given by name is looked up", "1s to 1day"),
    key(
        "client.breaker_failures",
        "How many failures in a row open the circuit breaker",
        "0 to 1000000; 0: it is off",
    ),
    key("client.breaker_successes", "How many probes in a row close it again", "1 to 1000"),
    key("client.backoff", "When a receiver that cannot be reached is tried again first", HOUR),
    key("client.backoff_max", "The longest pause between such attempts, each twice the last", HOUR),
    key("client.backoff_jitter", "How far such a pause varies at random, in percent", "0 to 49"),
    key(
        "client.datagrams_per_call",
        "How many datagrams go to the system in one call, where it takes several",
        "1 to 32; 1: one by one",
    ),
    key("client.receipts", "Whether the collector is asked for signs of life", YES_NO),
    key("client.silence", "How long it may owe an answer until it is taken to be gone", LONG_HOUR),
    key(
        "client.critical_events",
        "How many critical events are kept until they are acknowledged",
        "0 to 1024; 0: they are sent once, like others",
    ),
    key(
        "client.ack_timeout",
        "How long an acknowledgement may take before the first repetition",
        HOUR,
    ),
    key(
        "client.ack_timeout_max",
        "The longest pause between repetitions, each twice the last",
        HOUR,
    ),
    key(
        "client.ack_attempts",
        "How often a critical event is sent before it is given up as unacknowledged",
        "1 to 255",
    ),
    optional(
        "client.redundant",
        "A second receiver, which gets every datagram, too",
        HOST,
        "\"10.0.0.2:8125\"",
    ),
    key("client.aggregate", "Whether repeated events are merged into instruments", YES_NO),
    key("client.throttle", "Whether records are kept back while the client is unwell", YES_NO),
    optional(
        "client.memory_limit",
        "With throttle: the process's resident memory, in bytes, from which on records are kept back (Linux)",
        "any number of bytes",
        "100000000",
    ),
    optional("client.report_interval", "How often the client's own metrics go out", DAY, "\"5s\""),
    key(
        "client.linger",
        "How long the end of the client waits for what is still to be sent",
        "any",
    ),
    key(
        "client.max_instruments",
        "How many instruments are made at run time; further ones share an overflow series",
        "0 to 16777216",
    ),
    key(
        "client.protocol",
        "What is sent: ringstat's own format, or lines for an agent",
        "native, dogstatsd, statsd",
    ),
    key("client.timestamps", "Whether lines of DogStatsD carry their second", YES_NO),
    optional(
        "client.sender",
        "Who the client is, as a number unique among a collector's senders; without it, a random one",
        "any number of 64 bits",
        "42",
    ),
    key(
        "client.throttle_limits",
        "When the throttle rises, and when it falls after so many calm looks, ten a second",
        "percentages; looks: 0 to 255",
    ),
    key("client.health", "From where on the client is degraded", "percentages; any number"),
    key("collector.udp", "Where datagrams come in", ADDRESS),
    key("collector.http", "Where the page, /metrics and /health are", ADDRESS),
    optional(
        "collector.threads",
        "How many threads receive; without it, one for each core",
        "1 to 1024",
        "2",
    ),
    key(
        "collector.max_senders",
        "How many senders are kept; datagrams of others are refused",
        COUNT,
    ),
    key(
        "collector.max_series",
        "How many series are kept; what is beyond goes to the series ringstat.overflow",
        COUNT,
    ),
    key("collector.max_series_per_sender", "How many series of one sender are kept", COUNT),
    key("collector.max_bytes", "Memory of all series, in bytes", COUNT),
    key(
        "collector.max_page",
        "The longest answer to /metrics, in bytes; series beyond it are left out and counted",
        COUNT,
    ),
    key(
        "collector.idle",
        "Senders and series not heard of for so long are forgotten",
        "1s to 366days",
    ),
    key(
        "collector.distributions",
        "How /metrics shows timings, distributions and histogram instruments",
        "histograms, summaries",
    ),
];
