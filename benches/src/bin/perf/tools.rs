//! Runs other programs with a time limit, and gives a hint if one is missing.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Exit, Failure};

/// The output of a program and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
}

impl Ended {
    /// Returns its output if it ended successfully.
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

/// Runs `command` for at most `limit`. It shares our standard error.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Ended, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|e| cannot_start(&name, &e))?;
    let pipe = child.stdout.take();
    // Its output is read in a thread of its own, so that a program that prints a lot does not block.
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

/// Returns the path of this program.
pub(crate) fn myself() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?)
}

/// Returns the `ringstat` command of the same build profile, rebuilt if it is out of date.
pub(crate) fn ringstat() -> Result<PathBuf, Failure> {
    const BUILD: Duration = Duration::from_secs(1800);
    let me = myself()?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", "ringstat", "--bin", "ringstat"]);
    cargo.args(["--message-format=json-render-diagnostics", "--profile", profile(&me)]);
    let said = run(&mut cargo, BUILD)?.success("cargo build of ringstat")?;
    executable(&String::from_utf8_lossy(&said))
        .ok_or_else(|| Failure::new(Exit::Environment, "cargo did not report the path of ringstat"))
}

/// Returns the build profile of a program, after which its folder is named.
fn profile(program: &Path) -> &str {
    // Unit tests run from a subfolder of it.
    let folders = program.ancestors().skip(1).filter_map(|f| f.file_name()?.to_str());
    match folders.into_iter().find(|name| *name != "deps") {
        Some("debug") | None => "dev",
        Some(name) => name,
    }
}

/// Returns where cargo put the program, according to its messages.
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
