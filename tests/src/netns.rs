//! Network namespaces: each is a machine of its own as far as the network is concerned.
//!
//! A namespace has no name: a file descriptor keeps it alive, so that nothing is left behind whatever becomes of the
//! test. Nothing in this module touches the network of the machine itself.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

use super::process::Process;

/// A network namespace. Once this is dropped, it ends with its last process.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// Creates a namespace with nothing but its loopback interface.
    ///
    /// # Panics
    /// Panics if it cannot be created, which requires root.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is not made of nothing")]
    pub fn new() -> Self {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("a network namespace: this test needs root (CAP_SYS_ADMIN)");
            // The returned file keeps the namespace alive after the thread has ended.
            File::open("/proc/thread-self/ns/net").expect("/proc is there")
        });
        let namespace = Self(made.join().expect("a namespace"));
        namespace.run("ip", &["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs `f` inside, on a thread of its own. Processes that it starts and sockets that it opens remain inside.
    pub fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            setns(&self.0, CloneFlags::CLONE_NEWNET).expect("the namespace can be entered");
            f()
        };
        std::thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Starts a command made by [`process::command`](super::process::command) inside.
    ///
    /// # Panics
    /// Panics if it does not start.
    #[must_use]
    pub fn start(&self, command: Command) -> Process {
        let inside = self.0.try_clone().expect("a descriptor");
        let spawn = move |command: &mut Command| {
            let outside = File::open("/proc/thread-self/ns/net")?;
            setns(inside, CloneFlags::CLONE_NEWNET)?;
            let child = command.spawn();
            // The thread returns to its own namespace, because it starts other processes, too.
            setns(outside, CloneFlags::CLONE_NEWNET)?;
            child
        };
        Process::start_with(command, spawn).expect("it starts in its namespace")
    }

    /// Runs a command inside. The test fails if it fails.
    pub fn run(&self, program: &str, args: &[&str]) {
        let output = self.enter(|| Command::new(program).args(args).output());
        let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {}: {said}", args.join(" "));
    }

    /// Returns the number of bytes that wait to be read from the sockets bound to that UDP port.
    ///
    /// # Panics
    /// Panics if the kernel does not report it.
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

    /// Returns the number of datagrams so far that came for a port on which nobody listened.
    ///
    /// # Panics
    /// Panics if the kernel does not report it.
    #[must_use]
    pub fn unheard(&self) -> u64 {
        let counters = self.enter(|| std::fs::read_to_string("/proc/thread-self/net/snmp"));
        let counters = counters.expect("the kernel's counters");
        let mut udp = counters.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, values) = udp.next().zip(udp.next()).expect("those of UDP");
        let place = names.split(' ').position(|name| name == "NoPorts").expect("it is counted");
        values.split(' ').nth(place).and_then(|n| n.parse().ok()).expect("a number")
    }

    /// Returns the path by which other processes can refer to it while this one lives.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}
