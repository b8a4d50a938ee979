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
        "The preset from which the client's settings start; settings below override it",
        "default, high-throughput, reliable, graded, low-memory",
    ),
    key("client.payload", "The largest datagram, in bytes of UDP payload", "64 to 65507"),
    key(
        "client.shards",
        "How many threads have a ring of their own; others share one",
        "1 to 1024",
    ),
    key("client.shard_events", "How many events fit into each of these rings, of 64 bytes", EVENTS),
    key("client.shared_events", "How many events fit into the shared ring, of 72 bytes", EVENTS),
    key(
        "client.tag_memory",
        "Memory for tags and texts that do not fit a slot, for each ring, in bytes",
        "0 to 1073741824; 0: they are refused",
    ),
    key(
        "client.policy",
        "What is given up when there is more than the rings can hold",
        "\"drop-newest\", \"drop-oldest\", \"by-priority\", { sampled = 2 to 64 }, { graded = 2 to 64 }",
    ),
    key(
        "client.batch_least",
        "How many events close a batch while there is little to do",
        "any; 0: only a full datagram or the age closes it",
    ),
    key(
        "client.batch_events",
        "How many events close a batch under load, at most",
        "any; 0: only a full datagram or the age closes it",
    ),
    key("client.batch_age", "The longest time that the first event of a batch waits", MINUTE),
    key("client.flush_interval", "The interval at which changed instruments are sent", HOUR),
    key("client.refresh_interval", "The interval within which every instrument is sent", DAY),
    key(
        "client.heartbeat_interval",
        "The interval of heartbeats while there is nothing to send",
        LONG_HOUR,
    ),
    key("client.idle_sleep", "The interval at which the worker checks empty rings", MINUTE),
    key(
        "client.wake_on_first",
        "Whether the first record after a pause wakes the worker, by a system call",
        YES_NO,
    ),
    key(
        "client.resolve_interval",
        "The interval at which a receiver's name is resolved again",
        "1s to 1day",
    ),
    key(
        "client.breaker_failures",
        "How many failures in a row open the circuit breaker",
        "0 to 1000000; 0: it is off",
    ),
    key("client.breaker_successes", "How many probes in a row close it again", "1 to 1000"),
    key("client.backoff", "The first pause before an unreachable receiver is tried again", HOUR),
    key("client.backoff_max", "The longest such pause; each is twice the one before", HOUR),
    key("client.backoff_jitter", "How much such a pause varies at random, in percent", "0 to 49"),
    key(
        "client.datagrams_per_call",
        "How many datagrams are passed to the system in one call, if it accepts several",
        "1 to 32; 1: one by one",
    ),
    key("client.receipts", "Whether the collector is asked for signs of life", YES_NO),
    key("client.silence", "How long it may owe an answer before it is considered gone", LONG_HOUR),
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
        "The longest pause between repetitions; each is twice the one before",
        HOUR,
    ),
    key(
        "client.ack_attempts",
        "How often a critical event is sent before it is given up as unacknowledged",
        "1 to 255",
    ),
    optional(
        "client.redundant",
        "A second receiver, which also gets every datagram",
        HOST,
        "\"10.0.0.2:8125\"",
    ),
    key(
        "client.aggregate",
        "Which repeated events are merged into instruments",
        "true, false, or a table of counters, levels and timings",
    ),
    key("client.throttle", "Whether fewer records are kept while the client is unhealthy", YES_NO),
    optional(
        "client.memory_limit",
        "With throttle: the resident memory of the process, in bytes, above which fewer records are kept (Linux)",
        "any number of bytes",
        "100000000",
    ),
    optional(
        "client.report_interval",
        "The interval at which the client sends metrics of its own",
        DAY,
        "\"5s\"",
    ),
    key("client.linger", "How long a client that ends waits for what is still to be sent", "any"),
    key(
        "client.max_instruments",
        "How many instruments are made at run time; further ones share an overflow series",
        "0 to 16777216",
    ),
    key(
        "client.protocol",
        "The format that is sent: ringstat's own, or lines for an agent",
        "native, dogstatsd, statsd",
    ),
    key("client.timestamps", "Whether DogStatsD lines carry their time, in seconds", YES_NO),
    optional(
        "client.sender",
        "The client's number, unique among a collector's senders; by default the same after a restart, or a random one",
        "any number of 64 bits",
        "42",
    ),
    optional(
        "client.program",
        "The name of the program that the collector is told; by default that of its file",
        "any text; 255 bytes of it are sent",
        "\"shop\"",
    ),
    optional(
        "client.version",
        "The version of the program that the collector is told",
        "any text; 255 bytes of it are sent",
        "\"1.4.2\"",
    ),
    key(
        "client.labels",
        "Free labels that the collector is told, such as where the program runs",
        "names and texts, as in { zone = \"eu\" }",
    ),
    key(
        "client.throttle_limits",
        "When the throttle rises, and when it falls after a number of calm readings, ten a second",
        "1 to 100 percent, calm ones up to those that rise; calm_looks: 0 to 255",
    ),
    key(
        "client.health",
        "The limits beyond which the client is degraded",
        "0 to 100 percent; milliseconds and bytes from 1 on",
    ),
    key("collector.udp", "The addresses on which datagrams are received", ADDRESS),
    key(
        "collector.unix",
        "Paths of Unix datagram sockets on which datagrams are received as well",
        "paths, as in [\"/run/ringstat.sock\"]",
    ),
    key("collector.statsd", "Whether lines of StatsD and DogStatsD are taken, or refused", YES_NO),
    key(
        "collector.statsd_gauges",
        "What the sign of a gauge means in a line: a change, as for Etsy's server; that of the value, as for the Datadog agent; or as its dialect has it",
        "by-line, change, value",
    ),
    key("collector.http", "The address of the page, /metrics and /health", ADDRESS),
    optional(
        "collector.threads",
        "The number of receiving threads; by default one for each core",
        "1 to 1024",
        "2",
    ),
    key(
        "collector.max_senders",
        "The largest number of senders; datagrams of others are refused",
        COUNT,
    ),
    key(
        "collector.max_series",
        "The largest number of series; records beyond it go to the series ringstat.overflow",
        COUNT,
    ),
    key("collector.max_series_per_sender", "The largest number of series of one sender", COUNT),
    key("collector.max_bytes", "The memory for everything that is kept, in bytes", COUNT),
    key(
        "collector.max_page",
        "The longest answer to /metrics, in bytes; series beyond it are left out and counted",
        COUNT,
    ),
    key("collector.idle", "The silence after which senders are forgotten", "1s to 366days"),
    key(
        "collector.series_ttl",
        "The time after which a series that has not changed is forgotten, unless its sender lives",
        "1s to 366days",
    ),
    key(
        "collector.distributions",
        "How /metrics shows timings, distributions and histogram instruments",
        "histograms, summaries",
    ),
    optional(
        "collector.data",
        "The directory in which everything is kept, so that a restart forgets nothing",
        "a path",
        "\"/var/lib/ringstat\"",
    ),
    key(
        "collector.relay",
        "Servers to which what comes in is passed on: datagrams of ringstat's format, datagrams of lines, or lines made of all that is known",
        "[\"ringstat://HOST:PORT\", \"statsd://HOST:PORT\", \"dogstatsd://HOST:PORT?aggregate=10s\"]",
    ),
    key(
        "collector.relay_queue",
        "Bytes that may wait for each of these servers; beyond it the oldest datagrams are dropped",
        "1 or more",
    ),
    key(
        "collector.remote_write",
        "Receivers of Prometheus' remote write, to which samples are sent",
        "[{ url = \"https://HOST/PATH\", headers = {}, bearer_file = \"…\", user = \"…\", password_file = \"…\", ca_file = \"…\", protocol = \"auto\", \"1.0\" or \"2.0\", timeout = \"30s\" }], all but the URL optional",
    ),
    key(
        "collector.remote_write_interval",
        "The interval between two samples of a series",
        "1s to 1day",
    ),
    key(
        "collector.remote_write_labels",
        "Labels that every sample gets; instance is the name of the machine, unless it is given",
        "names and texts, as in { zone = \"eu\" }; an empty text leaves one out",
    ),
    key(
        "collector.remote_write_histograms",
        "The form of timings, distributions and histogram instruments: as on /metrics, or native histograms, which every receiver must accept",
        "classic, native",
    ),
    key(
        "collector.remote_write_queue",
        "Bytes that may wait for the receivers, compressed; beyond it the oldest samples are dropped",
        "1 or more",
    ),
    key(
        "collector.otlp",
        "Receivers of OpenTelemetry's protocol, to which data points are sent (feature otlp)",
        "[{ url = \"http://HOST:4318\" or \"grpc://HOST:4317\", headers = {}, bearer_file = \"…\", user = \"…\", password_file = \"…\", ca_file = \"…\", timeout = \"30s\" }], all but the URL optional",
    ),
    key("collector.otlp_interval", "The interval between two points of a series", "1s to 1day"),
    key(
        "collector.otlp_temporality",
        "Whether sums and histograms count from the beginning or from the last point",
        "cumulative, delta",
    ),
    key(
        "collector.otlp_queue",
        "Bytes that may wait for the receivers, compressed; beyond it the oldest points are dropped",
        "1 or more",
    ),
    optional(
        "collector.jsonl",
        "The file that gets a line of JSON for each series once an interval",
        "a path",
        "\"/var/log/ringstat/series.jsonl\"",
    ),
    key("collector.jsonl_interval", "The interval between two lines of a series", "1s to 1day"),
    key(
        "collector.jsonl_max_bytes",
        "The size at which the file is rotated, in bytes",
        "1 or more",
    ),
    key("collector.jsonl_max_age", "The age at which the file is rotated", "any; 0s: not by age"),
    key(
        "collector.jsonl_keep",
        "How many rotated files are kept; older ones are deleted",
        "any number",
    ),
    key("collector.jsonl_compress", "Whether rotated files are compressed by gzip", YES_NO),
    optional(
        "collector.map",
        "The file of rules that rename, drop, relabel and add up series",
        "a path",
        "\"/etc/ringstat/rules.toml\"",
    ),
];
