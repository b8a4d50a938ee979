//! What an operator and the machine's own tools ask of the command: health, a supervisor's words, completions, manuals.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::{json, run, stdout};
use ringstat_tests::process::Process;

fn collect(prepare: impl FnOnce(&mut Command)) -> (Process, String) {
    let args = ["collect", "--udp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json"];
    let mut command = common::ringstat(&args);
    command.stdout(Stdio::piped());
    prepare(&mut command);
    let mut process = Process::start(command).expect("the collector starts");
    let mut line = String::new();
    BufReader::new(process.stdout().expect("piped")).read_line(&mut line).unwrap();
    (process, json(&line)["http"].as_str().expect("an address").to_owned())
}

#[test]
fn health_is_asked_for_and_its_grade_is_the_exit_code() {
    let (collector, http) = collect(|_| {});
    let healthy = run(&["health", &http], "");
    assert_eq!(healthy.status.code(), Some(0));
    assert!(stdout(&healthy).starts_with("collector  healthy\nsenders    0,"), "{healthy:?}");
    let whole = run(&["health", &format!("http://{http}/"), "--json"], "");
    assert_eq!(json(stdout(&whole))["status"], "healthy");
    drop(collector);
    assert_eq!(run(&["health", &http], "").status.code(), Some(3), "nobody is there");
}

#[test]
fn every_subcommand_has_its_page_and_its_completion() {
    let folder = tempfile::tempdir().unwrap();
    let written = run(&["man", folder.path().to_str().unwrap()], "");
    assert_eq!(written.status.code(), Some(0));
    let completions = run(&["completions", "bash"], "");
    let help = run(&["--help"], "");
    let (_, commands) = stdout(&help).split_once("Commands:\n").unwrap();
    let names = commands.lines().take_while(|line| !line.is_empty());
    let names: Vec<_> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names.into_iter().filter(|name| *name != "help") {
        assert!(stdout(&completions).contains(&format!("ringstat,{name})")), "{name}");
        let page = folder.path().join(format!("ringstat-{name}.1"));
        assert!(std::fs::read_to_string(page).unwrap().contains("Examples"), "{name}");
    }
}

#[test]
fn the_doctor_names_what_stands_in_the_way() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = common::ringstat(&["doctor", "--json"]);
    command.env("RINGSTAT_COLLECTOR__HTTP", taken.local_addr().unwrap().to_string());
    let output = ringstat_tests::process::run(command, "");
    assert_eq!(output.status.code(), Some(3));
    let mut findings = stdout(&output).lines().map(json);
    let port = findings.find(|f| f["what"] == "http port").unwrap();
    assert_eq!(port["verdict"], "mend");
    assert!(port["mend"].as_str().unwrap().starts_with("sudo ss -ltnp sport = :"), "{port}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_supervisor_hears_that_it_is_ready_that_it_works_and_that_it_ends() {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let hear = || {
        let mut buf = [0; 100];
        let length = supervisor.recv(&mut buf).expect("it says something");
        String::from_utf8_lossy(&buf[..length]).trim().to_owned()
    };
    let (collector, _) = collect(|command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "20000");
    });
    assert_eq!(hear(), "READY=1");
    assert_eq!((hear(), hear()), ("WATCHDOG=1".into(), "WATCHDOG=1".into()));
    collector.terminate();
    let last = std::iter::repeat_with(hear).find(|said| said != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}
