//! Other programs: run with a time limit, and a hint when one is not there.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Exit, Failure};

/// What a program printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
}

impl Ended {
    /// What it printed, if it ended well.
    pub(crate) fn success(self, what: &str) -> Result<Vec<u8>, Failure> {
        match self.code {
            Some(0) => Ok(self.stdout),
            Some(code) => {
                let message = format_args!("{what} ended with code {code}").to_string();
                Err(Failure::new(Exit::Environment, message))
            }
            None => Err(Failure::new(Exit::Environment, format_args!("{what} was killed"))),
        }
    }
}

/// Runs `command` for at most `limit`. Its standard error is ours.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Ended, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|e| cannot_start(&name, &e))?;
    let pipe = child.stdout.take();
    // From a thread of its own, so that a program that prints much does not wait for us.
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
        read.transpose().map(|_| text)
    });
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            let what = format_args!("{name} took longer than {limit:?}").to_string();
            return Err(Failure::new(Exit::Environment, what));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let stdout =
        reader.join().map_err(|_| Failure::new(Exit::Environment, "a reader panicked"))??;
    Ok(Ended { code: status.code(), stdout })
}

fn cannot_start(name: &str, error: &io::Error) -> Failure {
    let failure = Failure::new(Exit::Environment, format_args!("cannot start {name}: {error}"));
    let package = match name {
        "perf" => "linux-perf",
        "valgrind" | "strace" | "git" => name,
        _ => return failure,
    };
    failure.hint(format_args!("`apt-get install {package}` brings it."))
}

/// This program.
pub(crate) fn myself() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?)
}

/// The command `ringstat` of the same build profile, built anew if it is out of date.
pub(crate) fn ringstat() -> Result<PathBuf, Failure> {
    const BUILD: Duration = Duration::from_secs(1800);
    let me = myself()?;
    let folder = me.parent().unwrap_or(Path::new(".")).to_owned();
    // Unit tests run from a folder below.
    let folder = if folder.ends_with("deps") { folder.join("..") } else { folder };
    let release = !cfg!(debug_assertions);
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", "ringstat"]);
    if release {
        cargo.arg("--release");
    }
    run(&mut cargo, BUILD)?.success("cargo build of ringstat")?;
    Ok(folder.join("ringstat"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_prints_and_how_it_ends() {
        let second = Duration::from_secs(10);
        let ended = run(Command::new("sh").args(["-c", "printf hello; exit 3"]), second).unwrap();
        assert_eq!((ended.code, ended.stdout.as_slice()), (Some(3), b"hello".as_slice()));
        assert!(ended.success("it").is_err());
    }

    #[test]
    fn a_program_that_hangs_is_ended_and_one_that_is_not_there_is_an_error() {
        let limit = Duration::from_millis(50);
        assert!(run(Command::new("sleep").arg("60"), limit).is_err());
        assert!(run(&mut Command::new("/no/such/program"), limit).is_err());
    }
}
