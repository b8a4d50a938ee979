//! An emulated chip: QEMU running one of the firmwares.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use ringstat_tests::netns::Namespace;
use ringstat_tests::process::{self, Process};
use ringstat_tests::program;
use serde_json::Value;

/// The time limit in seconds, after which QEMU is stopped and the test fails.
const TIMEOUT: u32 = 240;

/// A board, with its names in QEMU and rustc.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Board {
    emulator: &'static str,
    machine: &'static [&'static str],
    target: &'static str,
}

/// Arm MPS2, AN385: a Cortex-M3 with Ethernet.
pub(crate) const MPS2: Board = Board {
    emulator: "qemu-system-arm",
    machine: &["-machine", "mps2-an385", "-cpu", "cortex-m3"],
    target: "thumbv7m-none-eabi",
};

/// BBC micro:bit: a Cortex-M0 without a network.
pub(crate) const MICROBIT: Board = Board {
    emulator: "qemu-system-arm",
    machine: &["-machine", "microbit"],
    target: "thumbv6m-none-eabi",
};

/// RISC-V with the instructions of an ESP32-C3, which has no atomic ones.
pub(crate) const RV32IMC: Board = Board {
    emulator: "qemu-system-riscv32",
    machine: &["-machine", "virt", "-cpu", "rv32,a=false,f=false,d=false", "-bios", "none"],
    target: "riscv32imc-unknown-none-elf",
};

/// RISC-V with the instructions of an ESP32-C6.
pub(crate) const RV32IMAC: Board = Board {
    emulator: "qemu-system-riscv32",
    machine: &["-machine", "virt", "-cpu", "rv32,f=false,d=false", "-bios", "none"],
    target: "riscv32imac-unknown-none-elf",
};

/// A firmware to run.
#[derive(Debug)]
pub(crate) struct Setup {
    command: Command,
    emulated: bool,
    serial: Option<PathBuf>,
    monitor: Option<PathBuf>,
}

impl Setup {
    /// Creates the setup of a program on a board, with its arguments.
    pub(crate) fn new(board: Board, program: &str, args: &[String]) -> Self {
        let firmware = concat!(env!("CARGO_MANIFEST_DIR"), "/../embassy-adapter/firmware/target");
        let elf = PathBuf::from(firmware).join(board.target).join("release").join(program);
        assert!(
            elf.exists(),
            "{} is missing: run embassy-adapter/firmware/check.sh",
            elf.display()
        );
        let mut command = process::limited(TIMEOUT, board.emulator);
        command.args(board.machine);
        command.args(["-display", "none", "-kernel"]).arg(elf);
        let words: String = args.iter().map(|arg| format!(",arg={arg}")).collect();
        command.arg("-semihosting-config");
        command.arg(format!("enable=on,target=native,arg={program}{words}"));
        Self { command, emulated: true, serial: None, monitor: None }
    }

    /// Creates the setup of the same client as a program of this machine, with embassy-net over a TAP device.
    pub(crate) fn host(args: &[String]) -> Self {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let build = ["-p", "ringstat-embassy", "--example", "tap"];
        let program = PROGRAM.get_or_init(|| program::build(&build, "examples/tap"));
        let mut command = process::limited(TIMEOUT, program);
        command.args(args);
        Self { command, emulated: false, serial: None, monitor: None }
    }

    /// Adds arguments of QEMU itself.
    pub(crate) fn with(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// Adds QEMU's monitor on a socket of that name, which can unplug the network cable.
    pub(crate) fn monitored(mut self, name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringstat-{name}-{}", std::process::id()));
        self.command.args(["-monitor", &format!("unix:{},server,nowait", path.display())]);
        self.monitor = Some(path);
        self
    }

    /// Connects its serial line to a socket; it does not start before somebody connects there.
    pub(crate) fn serial(mut self, socket: &Path) -> Self {
        self.serial = Some(socket.into());
        self
    }

    /// Starts it inside a namespace.
    pub(crate) fn start(mut self, machine: &Namespace) -> Chip {
        if self.emulated && self.monitor.is_none() {
            self.command.args(["-monitor", "none"]);
        }
        if self.emulated {
            let unix = |path: &PathBuf| format!("unix:{},server=on,wait=on", path.display());
            let line = self.serial.as_ref().map_or_else(|| "none".into(), unix);
            self.command.args(["-serial", &line]);
        }
        self.command.stdout(Stdio::piped());
        Chip { process: machine.start(self.command), monitor: self.monitor }
    }
}

/// A running chip. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Chip {
    process: Process,
    monitor: Option<PathBuf>,
}

impl Chip {
    /// Waits until it ends, and returns its final report.
    pub(crate) fn end(mut self) -> Said {
        let mut said = String::new();
        let mut out = self.process.stdout().expect("piped");
        out.read_to_string(&mut said).expect("what it says");
        let status = self.process.wait().expect("it ends");
        assert!(status.success(), "the firmware ended with {status} and said: {said}");
        Said(serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}")))
    }

    /// Sends a command to the emulator, and waits until it is done.
    pub(crate) fn tell(&self, command: &str) {
        let path = self.monitor.as_ref().expect("it has a monitor");
        let mut monitor = UnixStream::connect(path).expect("the monitor answers");
        monitor.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        writeln!(monitor, "{command}").expect("it reads");
        // The monitor echoes the command, answers, and prompts again.
        let mut out = BufReader::new(monitor);
        let mut prompts = 0;
        while prompts < 2 {
            let mut piece = Vec::new();
            let read = out.read_until(b')', &mut piece).expect("it answers");
            assert!(read > 0, "the monitor stays until it has answered");
            prompts += usize::from(piece.ends_with(b"(qemu)"));
        }
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        if let Some(path) = &self.monitor {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The account that a firmware prints at its end.
#[derive(Debug)]
pub(crate) struct Said(Value);

impl Said {
    /// Returns a number of the account.
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap_or_else(|| panic!("{field} in {}", self.0))
    }

    /// Asserts that every record has arrived, was sent without confirmation, was lost, or was dropped for a counted
    /// cause, and that none is left.
    pub(crate) fn assert_closed(&self) {
        assert_eq!(self.0["closes"], true, "{}", self.0);
        assert_eq!(self.number("in_flight"), 0, "{}", self.0);
        let fates: u64 =
            ["sent", "unconfirmed", "lost", "dropped_total"].map(|f| self.number(f)).iter().sum();
        assert_eq!(self.number("recorded"), fates, "{}", self.0);
    }
}
