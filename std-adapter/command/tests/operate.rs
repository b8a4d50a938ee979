//! The interfaces for operators and system tools: health, supervisor notifications, completions, manuals.

mod common;

use std::time::{Duration, Instant};

use common::collector::Collector;
use common::{json, run, stdout};
use ringstat_tests::process::Process;

/// The time limit for things that take milliseconds unless something is wrong.
const SOON: Duration = Duration::from_secs(60);

/// Any free port.
const ANY: &str = "127.0.0.1:0";

#[test]
fn health_is_asked_for_and_its_grade_is_the_exit_code() {
    let collector = Collector::start(&[]);
    let http = collector.http.clone();
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
    let lines = commands.lines().take_while(|line| !line.is_empty());
    // What is said of a command may go on in a line that is indented further.
    let begins = lines.filter_map(|line| line.strip_prefix("  ")).filter(|l| !l.starts_with(' '));
    let names: Vec<_> = begins.filter_map(|line| line.split_whitespace().next()).collect();
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
fn the_doctor_looks_at_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let of = |data: &std::path::Path| {
        let output = run(&["doctor", "--json", "--data", data.to_str().unwrap()], "");
        let mut findings = stdout(&output).lines().map(json);
        findings.find(|f| f["what"] == "data directory").unwrap()
    };
    assert_ne!(of(&dir.path().join("new"))["verdict"], "mend");
    // Memory that belongs to the kernel: not even root makes a file there.
    let refused = of(std::path::Path::new("/proc/ringstat"));
    assert_eq!(refused["verdict"], "mend");
    assert!(refused["mend"].as_str().unwrap().ends_with(" /proc/ringstat"), "{refused}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_supervisor_hears_that_it_is_ready_that_it_works_and_that_it_ends() {
    use std::os::unix::net::UnixDatagram;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(SOON)).unwrap();
    let hear = || {
        let mut buf = [0; 100];
        let length = supervisor.recv(&mut buf).expect("it says something");
        String::from_utf8_lossy(&buf[..length]).trim().to_owned()
    };
    let collector = Collector::start_at(ANY, |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "20000");
    });
    assert_eq!(hear(), "READY=1");
    assert_eq!((hear(), hear()), ("WATCHDOG=1".into(), "WATCHDOG=1".into()));
    collector.terminate();
    let last = std::iter::repeat_with(hear).find(|said| said != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[test]
fn the_log_says_who_comes_and_what_is_refused_each_so_often() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let collector = Collector::start_at(ANY, |command| {
        command.args(["--log", "json"]).stderr(std::fs::File::create(&path).unwrap());
    });
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for sender in 0..50u8 {
        let mut heartbeat = hex::decode(HEARTBEAT).unwrap();
        heartbeat[4] = sender;
        socket.send_to(&heartbeat, &collector.udp).unwrap();
        socket.send_to(b"?", &collector.udp).unwrap();
    }
    let lines = || -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines().map(json).collect()
    };
    let of = |message: &str| lines().iter().filter(|l| l["message"] == message).count();
    let begun = Instant::now();
    let refused = "a datagram was refused; further ones are counted by reason";
    // One heartbeat has a valid checksum; all the others do not.
    while (of("a new sender"), of(refused)) != (1, 2) && begun.elapsed() < SOON {
        std::thread::yield_now();
    }
    assert_eq!((of("a new sender"), of(refused)), (1, 2), "{:?}", lines());
    let new = lines().into_iter().find(|l| l["message"] == "a new sender").unwrap();
    assert_eq!((&new["level"], &new["sender"]), (&"INFO".into(), &"0000000000000007".into()));
}

#[test]
#[cfg(target_os = "linux")]
fn nobody_who_does_not_read_keeps_it_from_ending_and_the_ledger_is_printed() {
    use std::io::{Read, Write};

    // The pipe is filled completely and never read.
    let (_unread, mut full) = std::io::pipe().unwrap();
    full.write_all(&[b'x'; 1 << 16]).unwrap();
    let (mut errors, stderr) = std::io::pipe().unwrap();
    let mut command = common::ringstat(&["collect", "--udp", ANY, "--http", ANY, "--json"]);
    command.stdout(full).stderr(stderr).env("RUST_LOG", "debug");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let supervisor = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(SOON)).unwrap();
    let mut collector = Process::start({
        command.env("NOTIFY_SOCKET", &path);
        command
    })
    .unwrap();
    let mut ready = [0; 7];
    supervisor.recv(&mut ready).expect("it is ready, although its addresses are not read");
    collector.terminate();
    let begun = Instant::now();
    let status = collector.wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(status.code(), Some(0));
    let mut said = String::new();
    errors.read_to_string(&mut said).unwrap();
    assert_eq!(json(&said)["closes"], true, "{said}");
}

/// A heartbeat of sender 7.
const HEARTBEAT: &str = "525310000700000000000000030000000000000000000000c0843d000006e6ff2d";
