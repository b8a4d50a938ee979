//! What is scanned or profiled: a benchmark of the suite, or the load tester, as a command to run under a tool.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::failure::{Exit, Failure};
use crate::{suite, tools};

/// A program and its arguments.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    program: OsString,
    args: Vec<OsString>,
}

impl Target {
    /// Finds the target called `name`, which is to run for about `seconds` when no tool slows it down.
    pub(crate) fn find(name: &str, seconds: f64) -> Result<Self, Failure> {
        let (program, args) = if name == "load" {
            let seconds = format!("{seconds}");
            let flags = ["load", "--json", "--rate", "100k", "--concurrency", "2", "--duration"];
            let args = flags.into_iter().map(OsString::from).chain([seconds.into()]).collect();
            (tools::ringstat()?.into(), args)
        } else {
            if !suite::ALL.iter().any(|b| b.name == name) {
                let names: Vec<_> = suite::ALL.iter().map(|b| b.name).collect();
                return Err(Failure::new(Exit::Usage, format_args!("there is no target '{name}'"))
                    .hint(format_args!("There are: load, {}.", names.join(", "))));
            }
            let effort = suite::Effort::default();
            let samples = (seconds / effort.sample_time.as_secs_f64()).max(1.0) as usize;
            let (samples, seconds) = (samples.to_string(), seconds.to_string());
            let args = ["exercise", name, "--samples", &samples, "--seconds", &seconds];
            (tools::myself()?.into(), args.map(OsString::from).to_vec())
        };
        Ok(Self { name: name.into(), program, args })
    }

    /// Returns the same target in another build of this program.
    pub(crate) fn of(&self, program: &Path) -> Result<Self, Failure> {
        if self.program != tools::myself()? {
            return Err(Failure::new(Exit::Usage, "only benchmarks can be compared with a commit"));
        }
        Ok(Self { program: program.into(), ..self.clone() })
    }

    /// Returns the command that runs the target under `tool`.
    pub(crate) fn under(&self, tool: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(tool);
        command.args(flags).arg(&self.program).args(&self.args);
        command
    }
}
