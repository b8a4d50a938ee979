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
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", "ringstat", "--bin", "ringstat"]);
    cargo.args(["--message-format=json-render-diagnostics", "--profile", profile(&me)]);
    let said = run(&mut cargo, BUILD)?.success("cargo build of ringstat")?;
    executable(&String::from_utf8_lossy(&said))
        .ok_or_else(|| Failure::new(Exit::Environment, "cargo did not say where it put ringstat"))
}

/// The build profile of a program: the folder that it stands in is called after it.
fn profile(program: &Path) -> &str {
    // Unit tests run from a folder below.
    let folders = program.ancestors().skip(1).filter_map(|f| f.file_name()?.to_str());
    match folders.into_iter().find(|name| *name != "deps") {
        Some("debug") | None => "dev",
        Some(name) => name,
    }
}

/// Where cargo put the program, by its own account.
pub(crate) fn executable(messages: &str) -> Option<PathBuf> {
    let path = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    };
    messages.lines().filter_map(path).next_back()
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
    fn the_profile_is_called_like_the_folder() {
        let of = |path: &str| profile(Path::new(path)).to_owned();
        assert_eq!(of("/a/target/debug/perf"), "dev");
        assert_eq!(of("/a/target/debug/deps/perf-0123"), "dev");
        assert_eq!(of("/a/target/release/perf"), "release");
        assert_eq!(of("/elsewhere/x86_64-unknown-linux-gnu/stress/perf"), "stress");
    }

    #[test]
    fn where_cargo_put_the_program_is_read_from_what_it_says() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"executable\":\"/t/stress/ringstat\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages), Some("/t/stress/ringstat".into()));
        assert_eq!(executable("no json"), None);
    }

    #[test]
    fn a_program_that_hangs_is_ended_and_one_that_is_not_there_is_an_error() {
        let limit = Duration::from_millis(50);
        assert!(run(Command::new("sleep").arg("60"), limit).is_err());
        assert!(run(&mut Command::new("/no/such/program"), limit).is_err());
    }
}
