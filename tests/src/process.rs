//! Processes that end with the test that started them.
//!
//! A test that fails drops its [`Process`], which kills it. A test program that is itself killed drops nothing, so on
//! Linux the kernel is asked to kill the process (`PR_SET_PDEATHSIG`, set by `setpriv` from util-linux, because setting
//! it between fork and exec would require unsafe code). The signal is tied to the *thread* that started the process, so
//! one thread that never ends starts all of them.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{
    Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio,
};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Creates a command that the kernel ends together with this process.
///
/// It has none of the variables `RINGSTAT_…`, which are settings of tests here and would be settings of the program there.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = if cfg!(target_os = "linux") {
        let mut command = Command::new(WITH_PARENT[0]);
        command.args(&WITH_PARENT[1..]).arg(program);
        command
    } else {
        Command::new(program)
    };
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"RINGSTAT_") {
            command.env_remove(name);
        }
    }
    command
}

/// Creates such a command with a time limit in seconds. Exceeding it is a failure, whatever the command was doing.
#[must_use]
pub fn limited(seconds: u32, program: impl AsRef<OsStr>) -> Command {
    let mut limited = command("timeout");
    limited.arg(seconds.to_string());
    // `timeout` may be killed as well, and must not leave the program behind.
    if cfg!(target_os = "linux") {
        limited.args(WITH_PARENT);
    }
    limited.arg(program);
    limited
}

const WITH_PARENT: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "--"];

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a command made by [`command`].
    ///
    /// # Errors
    /// Returns the errors of [`Command::spawn`].
    pub fn start(command: Command) -> io::Result<Self> {
        Self::start_with(command, |command| command.spawn())
    }

    /// Starts it with `spawn`, which runs on the thread that starts all processes.
    pub(crate) fn start_with(
        mut command: Command,
        spawn: impl FnOnce(&mut Command) -> io::Result<Child> + Send + 'static,
    ) -> io::Result<Self> {
        let (tell, started) = channel();
        let job = move || drop(tell.send(spawn(&mut command)));
        let nursery = nursery().lock().unwrap_or_else(PoisonError::into_inner);
        nursery.send(Box::new(job)).expect("the thread never ends");
        started.recv().map_err(io::Error::other)?.map(Self)
    }

    /// Takes its standard input, if that is a pipe and has not been taken.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.0.stdin.take()
    }

    /// Takes its standard output, if that is a pipe and has not been taken.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// Takes its standard error, if that is a pipe and has not been taken.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.0.stderr.take()
    }

    /// Returns its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to terminate, as an operator does.
    ///
    /// # Panics
    /// Panics if it has ended.
    #[cfg(target_os = "linux")]
    pub fn terminate(&self) {
        use nix::sys::signal::{Signal, kill};
        let id = nix::unistd::Pid::from_raw(self.id().cast_signed());
        kill(id, Signal::SIGTERM).expect("it runs");
    }

    /// Kills it, as the kernel does when memory is short.
    ///
    /// # Panics
    /// Panics if it cannot be killed.
    pub fn kill(mut self) {
        self.0.kill().expect("it ran");
        self.0.wait().expect("it ends");
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// Returns the errors of [`Child::wait`].
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command made by [`command`] to its end, with `input` on its standard input.
///
/// # Panics
/// Panics if it does not start, or if its output cannot be read.
#[must_use]
pub fn run(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(command).expect("it starts");
    let mut stdin = process.stdin().expect("piped");
    let mut stdout = process.stdout().expect("piped");
    let mut stderr = process.0.stderr.take().expect("piped");
    // All pipes are served at once, because it may fill one before it has read the other.
    std::thread::scope(|scope| {
        // A program that refuses its arguments does not read its input.
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        let errors = scope.spawn(move || {
            let mut said = Vec::new();
            stderr.read_to_end(&mut said).map(|_| said)
        });
        let mut said = Vec::new();
        stdout.read_to_end(&mut said).expect("what it says");
        let errors = errors.join().expect("no panic").expect("its errors");
        let status = process.wait().expect("it ends");
        Output { status, stdout: said, stderr: errors }
    })
}

type Job = Box<dyn FnOnce() + Send>;

/// Returns the thread that starts all processes.
fn nursery() -> &'static Mutex<Sender<Job>> {
    static NURSERY: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    NURSERY.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        Mutex::new(sender)
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// Returns whether a process is alive, and not a zombie.
    fn lives(id: u32) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{id}/status"));
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    }

    /// Starts a shell that starts a process of its own, which would run for an hour, and prints its id.
    fn parent() -> (Process, u32) {
        let mut shell = command("sh");
        let child = WITH_PARENT.join(" ") + " sleep 3600 & echo $!; wait";
        shell.args(["-c", &child]).stdout(Stdio::piped());
        let mut process = Process::start(shell).unwrap();
        let mut said = String::new();
        let mut out = io::BufReader::new(process.stdout().unwrap());
        io::BufRead::read_line(&mut out, &mut said).unwrap();
        let child = said.trim().parse().unwrap();
        // By the time it has become the program, `setpriv` has made its request.
        until(|| {
            let name = std::fs::read_to_string(format!("/proc/{child}/comm"));
            name.is_ok_and(|name| name.trim() == "sleep")
        });
        (process, child)
    }

    fn until(done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_test_that_fails_leaves_no_process_behind() {
        let failed = std::thread::spawn(|| {
            let (process, _) = parent();
            std::panic::panic_any(process.id());
        });
        let id = *failed.join().unwrap_err().downcast::<u32>().unwrap();
        assert!(!lives(id));
    }

    #[test]
    fn a_process_ends_with_the_one_that_started_it_however_that_ends() {
        let (process, child) = parent();
        process.kill();
        until(|| !lives(child));
    }

    #[test]
    fn one_that_takes_too_long_is_ended() {
        let mut process = Process::start({
            let mut command = limited(1, "sleep");
            command.arg("3600");
            command
        })
        .unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(124));
    }

    #[test]
    fn what_it_says_is_heard_while_it_is_told_more_than_a_pipe_holds() {
        let much = "x".repeat(1 << 20);
        let output = run(command("cat"), &much);
        assert!(output.status.success() && output.stdout == much.as_bytes());
    }
}
