//! `ringstat map check` and `ringstat collect --map` as a user runs them, with the examples of the page about them.

mod common;

use std::time::{Duration, Instant};

use common::collector::Collector;
use common::{json, run, stderr, stdout};

const PAGE: &str = include_str!("../../docs/mapping.md");

/// What is between two fences of the page.
fn block(begin: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(begin).expect(begin);
    rest.split_once("\n```").expect("its end").0.trim_start_matches('\n')
}

/// A file with these rules.
fn file(rules: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    file
}

fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

#[test]
fn the_page_shows_what_is_printed() {
    let rules = file(block("```toml,file=rules.toml"));
    let names = block("printf '").split_once('\'').unwrap().0.replace("\\n", "\n");
    let output = run(&["map", "check", path(&rules)], &names);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output).trim_end(), block("```text"));
    assert!(stderr(&output).contains("4 rules, all sound"), "{}", stderr(&output));
    let output = run(&["map", "check", path(&rules), "--json"], "queue.depth:gauge");
    let shown = json(stdout(&output));
    assert_eq!((&shown["family"], &shown["gauges"]), (&"queue_depth".into(), &"greatest".into()));
}

#[test]
fn what_is_wrong_is_named_by_check_and_by_collect() {
    let rules = file("[[rule]]\nmatch = \"a.*\"\nttl = \"soon\"\n");
    for args in [["map", "check", path(&rules)], ["collect", "--map", path(&rules)]] {
        let output = run(&args, "");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for part in [path(&rules), "line 1", "ttl is \"soon\"", "1s to 366days"] {
            assert!(said.contains(part), "{said} does not say {part}");
        }
    }
    let output = run(&["map", "check", path(&file(""))], "name tag");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(run(&["map", "check", "/no/such/file"], "").status.code(), Some(3));
}

#[test]
fn a_collector_adds_up_what_two_senders_send() {
    let rules = file(block("```toml,file=rules.toml"));
    let collector = Collector::start(&["--map", path(&rules), "--threads", "2"]);
    for (sender, value) in [("1", "3"), ("2", "4")] {
        let args = ["send", "api.login.requests", value, "--kind", "counter", "--sender", sender];
        let sent = run(&[&args[..], &["--to", &collector.udp]].concat(), "");
        assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    }
    let expected = "\napi_requests_total{endpoint=\"login\"} 7\n";
    let end = Instant::now() + Duration::from_secs(20);
    while !collector.scrape().contains(expected) {
        assert!(Instant::now() < end, "{}", collector.scrape());
    }
    collector.end();
}
