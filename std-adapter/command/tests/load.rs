//! `ringstat load`: every generated event is delivered, or counted at the stage that lost it. These tests check counts
//! and never times: whether the load test's own checks pass depends on the machine, and so does the exit code, 0 or 1.

mod common;

use std::io::Write;
use std::net::UdpSocket;

use common::{json, run, stderr, stdout};
use serde_json::Value;

const STAGES: [&str; 6] = ["record", "ring", "send", "network", "kernel", "collector"];

/// Returns the report of a run, which must agree with the exit code.
fn load(args: &[&str]) -> Value {
    let output = run(&[&["load", "--json"], args].concat(), "");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
    let report = json(stdout(&output));
    assert_eq!(report["pass"], output.status.success(), "{report}");
    assert_eq!(stdout(&output).lines().count(), 1, "one object and nothing else");
    report
}

fn number(report: &Value, path: &str) -> u64 {
    report.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {report}"))
}

/// Asserts that `generated = delivered + lost by stage`.
fn assert_closes(report: &Value) {
    let lost: u64 = STAGES.iter().map(|s| number(report, &format!("/loss/{s}"))).sum();
    assert_eq!(number(report, "/lost"), lost, "{report}");
    assert_eq!(number(report, "/unaccounted"), 0, "{report}");
    assert_eq!(number(report, "/generated"), number(report, "/delivered") + lost, "{report}");
}

#[test]
fn every_event_is_delivered_or_counted_at_its_stage() {
    let args = ["--rate", "20000", "--duration", "1", "--concurrency", "3"];
    let report = load(&args);
    assert_closes(&report);
    assert_eq!(number(&report, "/intended"), 20_000);
    assert!(number(&report, "/generated") <= 20_000, "{report}");
    assert!(number(&report, "/delivered") > 0, "{report}");
    for latency in ["record", "late", "end_to_end"] {
        let samples = number(&report, &format!("/latency_ns/{latency}/samples"));
        assert!((1..=20_000).contains(&samples), "{latency}: {report}");
    }
}

#[test]
fn a_load_in_stages_says_what_happened_in_each() {
    let args = ["--scenario", "stages", "--rate", "2000", "--duration", "1", "--concurrency", "2"];
    let report = load(&args);
    assert_closes(&report);
    // 15 s of the rate on each ramp, 60 s of it, and 30 s of three times as much, out of 155 s.
    assert_eq!(number(&report, "/intended"), 2000 * 180 / 155);
    let stages = report["stages"].as_array().unwrap();
    let names: Vec<_> = stages.iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(names, ["ramp up", "sustain", "peak", "ramp down", "cool down"]);
    assert_eq!(stages[2]["rates"], serde_json::json!([6000.0, 6000.0]));
    // What is generated after the last reading belongs to no stage.
    let generated: u64 = stages.iter().filter_map(|s| s["generated"].as_u64()).sum();
    assert!((1..=number(&report, "/generated")).contains(&generated), "{report}");
}

#[test]
fn lines_are_counted_at_the_far_end_too() {
    for protocol in ["dogstatsd", "statsd"] {
        let args = ["--protocol", protocol, "--rate", "5k", "--duration", "500ms"];
        let report = load(&args);
        assert_closes(&report);
        assert_eq!(report["protocol"], protocol);
        assert!(number(&report, "/delivered") > 0, "{report}");
        // A third of the events are distributions, whose lines contain the time at which they were due.
        let timed = number(&report, "/latency_ns/end_to_end/samples");
        assert!((1..=number(&report, "/delivered") / 2).contains(&timed), "{report}");
    }
}

#[test]
fn a_ring_that_is_too_small_loses_in_the_ring() {
    // There is room for 4 events, but 1000 arrive while the client may sleep.
    let args = ["--rate", "100k", "--duration", "500ms", "--concurrency", "2", "--buffer", "4"];
    let report = load(&args);
    assert_closes(&report);
    assert_eq!(number(&report, "/buffer/capacity"), 4);
    assert!(number(&report, "/loss/ring") > 0, "{report}");
    assert_eq!(report["pass"], false, "more than one percent: {report}");
}

#[test]
fn a_scenario_gives_the_numbers_that_flags_do_not() {
    let report = load(&["--scenario", "burst", "--rate", "5k", "--duration", "200ms"]);
    assert_closes(&report);
    assert_eq!(report["scenario"], "burst");
    assert_eq!(number(&report, "/concurrency"), 32);
    assert_eq!(number(&report, "/intended"), 1000);
}

#[test]
fn somebody_elses_receiver_gets_what_is_said_to_be_sent() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = receiver.local_addr().unwrap().to_string();
    let args = ["--addr", &at, "--rate", "2k", "--duration", "200ms", "--batch", "10"];
    let report = load(&args);
    // Nothing is known about events beyond the socket, and the report says so.
    assert_eq!(report["delivered"], Value::Null);
    assert_eq!(report["latency_ns"]["end_to_end"], Value::Null);
    assert_eq!(report["loss"]["network"], Value::Null);
    assert_eq!(number(&report, "/generated"), number(&report, "/sent") + number(&report, "/lost"));
    receiver.set_nonblocking(true).unwrap();
    let mut received = 0;
    while receiver.recv(&mut [0; 2048]).is_ok() {
        received += 1;
    }
    assert_eq!(number(&report, "/datagrams"), received);
}

#[test]
fn the_ladder_says_what_every_step_lost() {
    // No ring of two events can sustain this rate, so the ladder has to descend, and ends.
    let args = ["load", "--scenario", "ladder", "--rate", "40k", "--duration", "20ms"];
    let output = run(&[&args[..], &["--buffer", "1", "--concurrency", "1", "--json"]].concat(), "");
    let climb = json(stdout(&output));
    let steps = climb["steps"].as_array().expect("steps");
    assert!((2..=20).contains(&steps.len()), "{climb}");
    let good = steps.iter().filter(|s| s["without_loss"] == true);
    let best = good.filter_map(|s| s["rate"].as_u64()).max().unwrap_or(0);
    assert_eq!(climb["highest_without_loss"], best, "{climb}");
    assert_closes(&climb["best"]);
}

#[test]
fn a_network_that_fails_is_noticed_and_everything_is_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("ringstat.toml");
    // Patience is short, so that the test is.
    std::fs::write(&settings, "[client]\nsilence = \"500ms\"\nbackoff_max = \"200ms\"\n").unwrap();
    for protocol in ["native", "dogstatsd"] {
        let args = ["--scenario", "network-failure", "--rate", "2k", "--duration", "6s"];
        let settings = ["--config", settings.to_str().unwrap()];
        let all = [&["load", "--json"], &args[..], &settings, &["--protocol", protocol]].concat();
        let output = run(&all, "");
        let report = json(stdout(&output));
        assert_closes(&report);
        for noticed in ["opened_after", "recovered_after"] {
            let seconds = &report["outage"][noticed];
            assert!(seconds.as_f64().is_some_and(|s| s < 2.0), "{protocol}: {report}");
        }
        // Only a firewall that says nothing can take something without the client's knowing.
        assert_eq!(number(&report, "/loss/network") > 0, protocol == "native", "{report}");
        let whats: Vec<_> =
            report["checks"].as_array().unwrap().iter().map(|c| &c["what"]).collect();
        assert!(whats.contains(&&Value::from("breaker open after")), "{report}");
    }
}

#[test]
fn objectives_of_a_file_replace_the_default_ones() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let with = |text: &str, args: &[&str]| {
        std::fs::write(&file, text).unwrap();
        run(
            &[&["load", "--json", "--slo", path, "--rate", "1k", "--duration", "100ms"], args]
                .concat(),
            "",
        )
    };
    // Nobody records in no time, and whoever is given as much as they want is on time.
    let easy = "generated_percent = 0\nend_to_end_p99_ms = 1e6\nmemory_mb = 1000\n";
    let output = with(&format!("{easy}record_p50_ns = 0"), &[]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(stdout(&output));
    let checks = report["checks"].as_array().unwrap();
    let failed: Vec<_> = checks.iter().filter(|c| c["pass"] == false).collect();
    assert_eq!(failed.len(), 1, "{report}");
    assert_eq!(failed[0]["what"], "p50 of the record call");
    assert_eq!(failed[0]["bound"], "at_most");
    let output = with(&format!("{easy}record_p50_ns = 1e9\ndelivered_per_second = 1"), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    for (text, said) in [
        ("record_p98_ns = 1", "record_p99_ns"),
        ("lost_percent = nan", "from 0 to 1e18"),
        ("lost_percent = -1", "from 0 to 1e18"),
        ("lost_percent = \"no\"", "line 1, column 16"),
    ] {
        let output = with(text, &[]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            stderr(&output).contains(said) && stderr(&output).contains(path),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn the_load_may_be_a_program_of_ones_own() {
    let ringstat = env!("CARGO_BIN_EXE_ringstat");
    let mut records = tempfile::NamedTempFile::new().unwrap();
    for i in 0..500 {
        writeln!(records, r#"{{"kind":"counter","name":"mine","value":{i}}}"#).unwrap();
    }
    let records = records.path().to_str().unwrap();
    // By its own argument, and by the variable that all commands take settings from.
    for to in [&["--to", "{}"][..], &[]] {
        let args = [&["--", ringstat, "send", "--rate", "5000", "--file", records], to].concat();
        let report = load(&args);
        assert_eq!(report["exit_code"], 0, "{report}");
        assert_eq!((number(&report, "/senders"), number(&report, "/dropped")), (1, 0), "{report}");
        assert_eq!(number(&report, "/lost_datagrams"), 0, "{report}");
        // What says who the sender is counts as well.
        assert!((500..520).contains(&number(&report, "/delivered")), "{report}");
    }
    let report = load(&["--duration", "300ms", "--", "sleep", "100"]);
    assert_eq!((&report["pass"], number(&report, "/delivered")), (&false.into(), 0), "{report}");
    let output = run(&["load", "--", "there-is-no-such-program"], "");
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("there-is-no-such-program"), "{}", stderr(&output));
    let output = run(&["load", "--rate", "5", "--", "true"], "");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_person_sees_a_line_a_second_and_every_stage() {
    let output = run(&["load", "--rate", "1k", "--duration", "1200ms", "--concurrency", "1"], "");
    let text = stdout(&output);
    assert!(text.lines().next().expect("a line").starts_with("  1 s  generated"), "{text}");
    for stage in ["refused at record", "dropped in the ring", "local send", "network"] {
        assert!(text.contains(stage), "{stage}: {text}");
    }
    assert!(text.contains("kernel receive buffer") && text.contains("p999"), "{text}");
}

#[test]
fn another_machine_is_not_put_under_load_by_a_slip() {
    let output = run(&["load", "--addr", "192.0.2.1:8125"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--allow-remote"), "{}", stderr(&output));
    for args in [["--rate", "0"], ["--concurrency", "0"], ["--duration", "2h"], ["--buffer", "0"]] {
        let output = run(&["load", args[0], args[1]], "");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}
