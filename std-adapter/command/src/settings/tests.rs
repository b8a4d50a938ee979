use super::*;
use ringstat_std::{Policy, Protocol};

fn read(text: &str) -> Result<Settings, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Settings::load(Some(file.path())).map_err(|e| format!("{e:?}"))
}

#[test]
fn a_preset_then_what_differs() {
    let settings = read(
        "preset = \"low-memory\"\nto = \"metrics:8125\"\n\
         [client]\npolicy = { graded = 20 }\nbatch_age = \"250ms\"\nprotocol = \"dogstatsd\"\n\
         redundant = \"other:8125\"\n[collector]\nmax_series = 7\nidle = \"1h\"",
    )
    .unwrap();
    let expected = ClientConfig {
        policy: Policy::Graded(20),
        batch_age: Duration::from_millis(250),
        protocol: Protocol::DogStatsD,
        redundant: Some("other:8125".into()),
        ..Preset::LowMemory.config()
    };
    assert_eq!((settings.client, &*settings.to), (expected, "metrics:8125"));
    assert_eq!((settings.collector.max_series, settings.collector.idle.as_secs()), (7, 3600));
}

#[test]
fn what_is_printed_is_what_is_read() {
    for preset in Preset::ALL {
        let settings = Settings {
            to: "a:1".into(),
            preset,
            client: preset.config(),
            collector: Collector::default(),
        };
        assert_eq!(read(&settings.to_file().unwrap()), Ok(settings));
    }
}

#[test]
fn errors_name_key_value_and_what_is_allowed() {
    for (text, said) in [
        ("[client]\nshards = 0", &["client.shards is 0 in /tmp", "1 to 1024"][..]),
        (
            "[client]\nshards = \"many\"",
            &["client.shards is \\\"many\\\" in /tmp", "; allowed is 1 to"],
        ),
        ("[client]\nshardz = 1", &["client.shardz in /tmp", "did you mean client.shards?"]),
        ("[client]\nbatch_age = \"soon\"", &["client.batch_age", "soon"]),
        ("[client]\nbatch_age = \"2days\"", &["client.batch_age is", "1ms to 1min"]),
        ("[client]\npolicy = { graded = 0 }", &["client.policy is one in 0", "2 to 64"]),
        ("[client]\naggregate = { sets = true }", &["client.aggregate", "levels"]),
        ("[client.health]\ndrops_percent = 101", &["health.drops_percent is 101", "0 to 100"]),
        ("[client]\npolicy = \"fair\"", &["client.policy", "fair", "; allowed is \\\"drop-newest"]),
        ("preset = \"huge\"", &["preset", "huge", "; allowed is default, high-throughput"]),
        ("[collector]\nmax_series = 0", &["collector.max_series is 0", "1 to"]),
        ("[collector]\nudp = [\"x\"]", &["collector.udp", "socket address"]),
        ("[collector]\nudp = []", &["collector.udp", "at least one"]),
        ("[collector]\nhttp = \"here\"", &["collector.http is", "here", "socket address"]),
        (
            "[collector]\nremote_write_interval = \"1ms\"",
            &["collector.remote_write_interval", "1s to 1day"],
        ),
        (
            "[collector]\nremote_write = [{ url = \"http://a/\", user = \"u\" }]",
            &["remote_write", "password_file"],
        ),
        (
            "[collector]\nremote_write = [{ url = \"http://a/\", uzer = \"u\" }]",
            &["collector.remote_write.0 in /tmp", "uzer"],
        ),
        ("[collector]\nrelay = [\"http://a:1\"]", &["relay", "http://a:1", "ringstat, statsd"]),
        ("[collector]\nrelay_queue = 0", &["collector.relay_queue is 0", "1 or more"]),
        ("[collector]\nstatsd_gauges = \"sign\"", &["collector.statsd_gauges", "sign", "by-line"]),
        ("[collector]\notlp_queue = \"x\"", &["collector.otlp_queue is \\\"x\\\" in /tmp"]),
        ("[collector]\nremote_writ = []", &["collector.remote_writ in /tmp", "remote_write?"]),
        ("[collector.remote]\nwrite = 1", &["collector.remote in /tmp"]),
        ("[colector]\n", &["colector in /tmp", "did you mean collector?"]),
        ("[client]\nxyzzy = 1", &["client.xyzzy in /tmp", "is not a setting\""]),
        ("client = ", &["TOML"]),
        ("client = 5", &["client is 5 in /tmp"]),
    ] {
        let error = read(text).unwrap_err();
        for part in said {
            assert!(error.contains(part), "{text:?}: {error:?} does not say {part:?}");
        }
    }
    assert!(Settings::load(Some(Path::new("/no/such/file"))).is_err());
}

#[test]
fn every_key_is_described_and_nothing_else() {
    let whole = Settings {
        to: "a:1".into(),
        preset: Preset::Default,
        client: ClientConfig {
            redundant: Some("b:2".into()),
            memory_limit: Some(1),
            sender: Some(1),
            program: Some("p".into()),
            version: Some("1".into()),
            ..ClientConfig::default()
        },
        collector: Collector {
            threads: Some(2),
            data: Some("/d".into()),
            outputs: outputs::Outputs { jsonl: Some("/f".into()), ..Default::default() },
            map: Some("/m".into()),
            ..Collector::default()
        },
    };
    let table = toml::Table::try_from(&whole).unwrap();
    let there = |(name, value): (&String, &toml::Value)| match value.as_table() {
        // A policy with a number is a table, too.
        Some(inner) if ["client", "collector"].contains(&name.as_str()) => {
            inner.keys().map(|key| format!("{name}.{key}")).collect()
        }
        _ => vec![name.clone()],
    };
    let mut there: Vec<String> = table.iter().flat_map(there).collect();
    let mut described: Vec<_> = keys::KEYS.iter().map(|key| key.path.to_owned()).collect();
    there.sort();
    described.sort();
    assert_eq!(there, described);
}

/// If a number or a time beyond all bounds is refused, the error states the same bounds as the description.
#[test]
fn ranges_are_those_that_are_checked() {
    let table = toml::Table::try_from(ClientConfig::default()).unwrap();
    let mut checked = 0;
    let most = isize::MAX.to_string();
    for key in keys::KEYS {
        let Some(("client", name)) = key.path.split_once('.') else { continue };
        let beyond = match table.get(name) {
            Some(toml::Value::Integer(_)) if name == "ack_attempts" => ["0"].as_slice(),
            Some(toml::Value::Integer(_)) if name.ends_with("jitter") => &["250"],
            Some(toml::Value::Integer(_)) if name.starts_with("breaker") => &["0", "2000000"],
            Some(toml::Value::Integer(_)) => &["0", &most],
            Some(toml::Value::String(time)) if time.ends_with('s') => &["\"0s\"", "\"2days\""],
            _ => continue,
        };
        for value in beyond {
            let Err(error) = read(&format!("[client]\n{name} = {value}")) else { continue };
            let (_, allowed) = error.split_once("allowed is ").expect(&error);
            let range = key.range.split(';').next().unwrap();
            assert!(allowed.starts_with(range), "{name}: {range}, and not {allowed}");
            checked += 1;
        }
    }
    assert!(checked > 25, "{checked}");
}

#[test]
fn addresses_of_services_are_not_taken_for_settings() {
    for name in [
        "PORT",
        "SERVICE_HOST",
        "SERVICE_PORT_METRICS",
        "PORT_8125_UDP",
        "PORT_8125_UDP_ADDR",
        "COLLECTOR_SERVICE_HOST",
        "COLLECTOR_PORT",
        "COLLECTOR_PORT_9125_TCP_PROTO",
    ] {
        assert!(names_a_service(name), "{name}");
    }
    for key in keys::KEYS {
        let name = key.path.replace('.', "__").to_uppercase();
        assert!(!names_a_service(&name), "{name}");
    }
    for name in ["CLIENT_SHARDS", "TOO", "PRESETS", "COLLECTOR__SERVICE_PORT"] {
        assert!(!names_a_service(name), "{name}");
    }
}
