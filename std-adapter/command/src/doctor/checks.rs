//! The checks of `ringstat doctor`. Those that judge a text of the system take it as an argument, so that tests can give
//! them any.

use std::fs;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringstat_collector::{Server, ServerConfig};

use super::Finding;
use crate::health;
use crate::settings::Settings;

/// The receive buffer that a collector asks for, in bytes.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Descriptors that a collector needs at most: sockets, files, and connections of HTTP clients.
const DESCRIPTORS: u64 = 1024;

/// A clock that shows an earlier time has not been set: seconds since 1970, the beginning of 2026.
const SET: u64 = 1_767_225_600;

/// All checks, in the order in which they are printed.
pub(super) fn all(settings: &Settings) -> Vec<Finding> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let mut findings = vec![receive_buffer(), drops(read("/proc/net/udp").as_deref())];
    let http = settings.collector.http;
    let ours = health::get(&format!("http://{http}/live"), Duration::from_secs(1))
        .is_ok_and(|answer| answer.trim() == "live");
    findings.extend(settings.collector.udp.iter().map(|at| udp(*at, ours)));
    findings.push(tcp(http, ours));
    findings.push(descriptors(read("/proc/self/limits").as_deref()));
    findings.push(receiver(&settings.to));
    findings.push(clock(SystemTime::now(), synchronized().as_deref()));
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    findings.push(clock_source(read(source).as_deref()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    findings.push(threads(settings.collector.threads(), cores));
    let (memory, group) = (read("/proc/meminfo"), read("/sys/fs/cgroup/memory.max"));
    let most = settings.collector.max_bytes as u64;
    findings.push(memory_for(most, memory.as_deref(), group.as_deref()));
    findings
}

/// Threads that receive, beside the cores that they run on.
fn threads(threads: usize, cores: usize) -> Finding {
    let state = format!("{threads} threads receive, on {cores}");
    if threads <= cores {
        return Finding::ok("cores", state);
    }
    let state = format!("{state}: they take turns, and each switch costs throughput");
    Finding::mend("cores", state, format!("ringstat collect --threads {cores}"))
}

/// The memory that a collector may take, beside what there is, from `/proc/meminfo` and the limit of its control group.
fn memory_for(most: u64, memory: Option<&str>, group: Option<&str>) -> Finding {
    const WHAT: &str = "memory";
    let line = memory.and_then(|text| text.lines().find_map(|l| l.strip_prefix("MemAvailable:")));
    let machine = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    let machine = machine.map(|kib| kib << 10);
    // Without a limit, it says "max".
    let group = group.and_then(|text| text.trim().parse::<u64>().ok());
    let Some(available) = machine.into_iter().chain(group).min() else {
        return Finding::unknown(WHAT, "this system does not say how much is available");
    };
    let state =
        format!("{} MiB are available, and senders may take {} MiB", available >> 20, most >> 20);
    if most <= available {
        return Finding::ok(WHAT, state);
    }
    Finding::mend(WHAT, state, format!("ringstat collect --max-bytes {}", available / 2))
}

/// Starts a collector on a free port to see what the kernel gives it.
fn receive_buffer() -> Finding {
    let config = ServerConfig {
        udp: vec![([127, 0, 0, 1], 0).into()],
        http: None,
        ..ServerConfig::default()
    };
    match Server::start(config) {
        Ok(running) => {
            let size = running.receive_buffer();
            drop(running);
            receive_buffer_of(size)
        }
        Err(e) => Finding::unknown("receive buffer", e.to_string()),
    }
}

fn receive_buffer_of(size: usize) -> Finding {
    let (has, asked) = (size >> 10, RECEIVE_BUFFER >> 10);
    if size >= RECEIVE_BUFFER {
        // Linux grants twice as much, for what it needs itself.
        return Finding::ok(
            "receive buffer",
            format!("{has} KiB, at least the {asked} KiB asked for"),
        );
    }
    let state = format!(
        "{has} KiB of the {asked} KiB asked for: bursts beyond it are dropped by the kernel"
    );
    if !cfg!(target_os = "linux") {
        return Finding::unknown("receive buffer", state);
    }
    Finding::mend(
        "receive buffer",
        state,
        format!(
            "echo net.core.rmem_max={RECEIVE_BUFFER} | sudo tee /etc/sysctl.d/60-ringstat.conf && sudo sysctl --system"
        ),
    )
}

/// Whether the kernel tells how much it drops: the last column of its table of sockets.
fn drops(table: Option<&str>) -> Finding {
    match table.and_then(|text| text.lines().next()) {
        Some(head) if head.trim_end().ends_with("drops") => {
            Finding::ok("kernel drops", "the kernel counts what it drops, for each socket")
        }
        _ => Finding::unknown("kernel drops", "this system does not count what it drops"),
    }
}

/// Whether a collector can have the port, or has it already.
fn udp(at: SocketAddr, ours: bool) -> Finding {
    match UdpSocket::bind(at) {
        Ok(_) => Finding::ok("udp port", format!("{at} is free")),
        Err(e) => taken("udp port", "--udp", at, &e, ours),
    }
}

fn tcp(at: SocketAddr, ours: bool) -> Finding {
    match TcpListener::bind(at) {
        Ok(_) => Finding::ok("http port", format!("{at} is free")),
        Err(e) => taken("http port", "--http", at, &e, ours),
    }
}

fn taken(
    what: &'static str,
    flag: &str,
    at: SocketAddr,
    error: &std::io::Error,
    ours: bool,
) -> Finding {
    use std::io::ErrorKind as E;
    let port = at.port();
    let list = if flag == "--udp" { "-lunp" } else { "-ltnp" };
    match error.kind() {
        E::AddrInUse if ours => Finding::ok(what, format!("{at} has a collector that runs")),
        E::AddrInUse => Finding::mend(
            what,
            format!("{at} is taken by another process; end it, or choose another port with {flag}"),
            format!("sudo ss {list} sport = :{port}"),
        ),
        E::PermissionDenied => Finding::mend(
            what,
            format!("{at} is for privileged processes"),
            "sudo setcap cap_net_bind_service+ep $(command -v ringstat)",
        ),
        E::AddrNotAvailable => Finding::mend(
            what,
            format!("{at} is not an address of this machine; choose one with {flag}"),
            "ip address",
        ),
        _ => Finding::mend(what, format!("{at} cannot be bound: {error}"), "ip address"),
    }
}

/// The limit on open files, from `/proc/self/limits`.
fn descriptors(limits: Option<&str>) -> Finding {
    let line = limits.and_then(|text| text.lines().find(|l| l.starts_with("Max open files")));
    let soft = line.and_then(|l| l.split_whitespace().nth(3));
    match soft.map(|s| (s, s.parse::<u64>())) {
        Some(("unlimited", _)) => Finding::ok("open files", "without a limit"),
        Some((_, Ok(most))) if most >= DESCRIPTORS => {
            Finding::ok("open files", format!("{most} at most"))
        }
        Some((_, Ok(most))) => Finding::mend(
            "open files",
            format!("{most} at most; HTTP clients are refused beyond it"),
            format!("ulimit -n {DESCRIPTORS}"),
        ),
        _ => Finding::unknown("open files", "this system does not say how many there may be"),
    }
}

/// Whether the receiver of clients has an address.
fn receiver(to: &str) -> Finding {
    match to.to_socket_addrs().map(|mut found| found.next()) {
        Ok(Some(at)) => Finding::ok("receiver", format!("clients send to {to}, which is {at}")),
        Ok(None) => Finding::mend("receiver", format!("{to} has no address"), resolve(to)),
        Err(e) => Finding::mend("receiver", format!("{to} is not found: {e}"), resolve(to)),
    }
}

fn resolve(to: &str) -> String {
    format!("getent hosts {}", to.rsplit_once(':').map_or(to, |(host, _)| host))
}

/// What systemd says about the synchronization of the clock: "yes" or "no".
fn synchronized() -> Option<String> {
    let mut command = Command::new("timedatectl");
    command.args(["show", "--property=NTPSynchronized", "--value"]).stderr(Stdio::null());
    let said = String::from_utf8(command.output().ok()?.stdout).ok()?;
    Some(said.trim().to_owned()).filter(|said| !said.is_empty())
}

/// Events carry the time of their sender, so clocks have to agree.
fn clock(now: SystemTime, synchronized: Option<&str>) -> Finding {
    const SYNCHRONIZE: &str = "sudo timedatectl set-ntp true";
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if seconds < SET {
        return Finding::mend("clock", "it has never been set", SYNCHRONIZE);
    }
    match synchronized {
        Some("yes") => Finding::ok("clock", "synchronized"),
        Some("no") => {
            let state = "not synchronized: the times of events differ between machines";
            Finding::mend("clock", state, SYNCHRONIZE)
        }
        _ => Finding::unknown("clock", "this system does not say whether it is synchronized"),
    }
}

/// Recording reads the clock, which takes a system call where the kernel does not trust the processor's counter.
fn clock_source(current: Option<&str>) -> Finding {
    const SLOW: [&str; 3] = ["acpi_pm", "hpet", "jiffies"];
    match current.map(str::trim) {
        Some(slow) if SLOW.contains(&slow) => Finding::mend(
            "clock source",
            format!("{slow}: reading the time takes a system call, about a microsecond an event"),
            "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource",
        ),
        Some(fast) if !fast.is_empty() => Finding::ok("clock source", fast),
        _ => Finding::unknown("clock source", "this system does not name it"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_small_receive_buffer_is_named_with_the_setting_that_mends_it() {
        let small = receive_buffer_of(212_992);
        assert_eq!(small.verdict, Verdict::Mend);
        assert!(small.mend.unwrap().contains("net.core.rmem_max=16777216"));
        assert_eq!(receive_buffer_of(2 * RECEIVE_BUFFER).verdict, Verdict::Ok);
    }

    #[test]
    fn a_port_is_free_taken_or_our_own() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let found = udp(at, false);
        assert_eq!(found.verdict, Verdict::Mend);
        assert_eq!(found.mend.unwrap(), format!("sudo ss -lunp sport = :{}", at.port()));
        assert_eq!(udp(at, true).verdict, Verdict::Ok);
        drop(socket);
        assert_eq!(udp(at, false).verdict, Verdict::Ok);
        assert_eq!(udp("192.0.2.1:1".parse().unwrap(), false).verdict, Verdict::Mend);
    }

    #[test]
    fn limits_on_descriptors_are_read() {
        let of = |soft: &str| {
            let text = format!("Limit  Soft Limit\nMax open files   {soft}   524288   files\n");
            descriptors(Some(&text)).verdict
        };
        assert_eq!(of("256"), Verdict::Mend);
        assert_eq!(of("1024"), Verdict::Ok);
        assert_eq!(of("unlimited"), Verdict::Ok);
        assert_eq!(descriptors(None).verdict, Verdict::Unknown);
    }

    #[test]
    fn clocks_that_are_wrong_or_slow_are_found() {
        let now = UNIX_EPOCH + Duration::from_secs(SET + 1);
        assert_eq!(clock(UNIX_EPOCH, Some("yes")).verdict, Verdict::Mend);
        assert_eq!(clock(now, Some("no")).verdict, Verdict::Mend);
        assert_eq!(clock(now, Some("yes")).verdict, Verdict::Ok);
        assert_eq!(clock(now, None).verdict, Verdict::Unknown);
        assert_eq!(clock_source(Some("hpet\n")).verdict, Verdict::Mend);
        assert_eq!(clock_source(Some("tsc\n")).verdict, Verdict::Ok);
    }

    #[test]
    fn more_threads_than_cores_are_found() {
        assert_eq!(threads(2, 2).verdict, Verdict::Ok);
        let found = threads(8, 2);
        assert_eq!(found.verdict, Verdict::Mend);
        assert_eq!(found.mend.as_deref(), Some("ringstat collect --threads 2"));
    }

    #[test]
    fn memory_is_what_machine_and_control_group_leave() {
        const MIB: u64 = 1 << 20;
        let machine = "MemTotal:  8388608 kB\nMemAvailable:    1048576 kB\n";
        let of = |most, group| memory_for(most, Some(machine), group);
        assert_eq!(of(1024 * MIB, Some("max\n")).verdict, Verdict::Ok);
        assert_eq!(of(1025 * MIB, Some("max\n")).verdict, Verdict::Mend);
        let small = of(256 * MIB, Some("134217728\n"));
        assert_eq!(small.mend.as_deref(), Some("ringstat collect --max-bytes 67108864"));
        assert_eq!(memory_for(1, None, None).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_receiver_without_an_address_is_found() {
        assert_eq!(receiver("127.0.0.1:8125").verdict, Verdict::Ok);
        let found = receiver("name.invalid:8125");
        assert_eq!(found.mend.unwrap(), "getent hosts name.invalid");
    }
}
