//! A network namespace: a machine of its own, as far as the network goes.
//!
//! It has no name: a file descriptor holds it, so that nothing is left behind whatever becomes of the test. Nothing
//! in here touches the network of the machine itself.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

use super::process::Process;

/// A network namespace. It ends with the last process in it once this is dropped.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// A new one, with nothing but its loopback.
    ///
    /// # Panics
    /// When it cannot be made, which takes root.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is not made of nothing")]
    pub fn new() -> Self {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("a network namespace: this test needs root (CAP_SYS_ADMIN)");
            // What the thread leaves behind is held by this.
            File::open("/proc/thread-self/ns/net").expect("/proc is there")
        });
        let namespace = Self(made.join().expect("a namespace"));
        namespace.run("ip", &["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs `f` inside, on a thread of its own. Processes that it starts and sockets that it opens stay inside.
    pub fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            setns(&self.0, CloneFlags::CLONE_NEWNET).expect("the namespace can be entered");
            f()
        };
        std::thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Starts inside what [`process::command`](super::process::command) made.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(&self, command: Command) -> Process {
        let inside = self.0.try_clone().expect("a descriptor");
        let spawn = move |command: &mut Command| {
            let outside = File::open("/proc/thread-self/ns/net")?;
            setns(inside, CloneFlags::CLONE_NEWNET)?;
            let child = command.spawn();
            // The thread goes on to start others.
            setns(outside, CloneFlags::CLONE_NEWNET)?;
            child
        };
        Process::start_with(command, spawn).expect("it starts in its namespace")
    }

    /// Runs a command inside. That it fails is a failure of the test.
    pub fn run(&self, program: &str, args: &[&str]) {
        let output = self.enter(|| Command::new(program).args(args).output());
        let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {}: {said}", args.join(" "));
    }

    /// Bytes that wait to be read from the sockets bound to that UDP port.
    ///
    /// # Panics
    /// When the kernel does not say.
    #[must_use]
    pub fn unread(&self, port: u16) -> u64 {
        let table = self.enter(|| std::fs::read_to_string("/proc/thread-self/net/udp"));
        let table = table.expect("the kernel's table of sockets");
        let local = format!(":{port:04X}");
        let queues = table.lines().skip(1).filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            fields.next()?.ends_with(&local).then_some(())?;
            let (_, received) = fields.nth(2)?.split_once(':')?;
            Some(u64::from_str_radix(received, 16).expect("a number"))
        });
        queues.sum()
    }

    /// Datagrams that have come so far for a port at which nobody listened.
    ///
    /// # Panics
    /// When the kernel does not say.
    #[must_use]
    pub fn unheard(&self) -> u64 {
        let counters = self.enter(|| std::fs::read_to_string("/proc/thread-self/net/snmp"));
        let counters = counters.expect("the kernel's counters");
        let mut udp = counters.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, values) = udp.next().zip(udp.next()).expect("those of UDP");
        let place = names.split(' ').position(|name| name == "NoPorts").expect("it is counted");
        values.split(' ').nth(place).and_then(|n| n.parse().ok()).expect("a number")
    }

    /// What other processes can call it by while this one lives.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}
