//! The command `ringstat`: a client, a collector and the wire format on the command line.
//!
//! | subcommand | |
//! |---|---|
//! | `demo` | a collector and a client in one process, fed with this machine's own readings |
//! | `collect` | receives, and shows what it has on a page, as Prometheus text and as JSON |
//! | `receive` | takes datagrams into the log of a fleet (feature `nats`) |
//! | `work` | reads shards of that log, and sends on what they say (feature `nats`) |
//! | `fleet` | shows the shards of a fleet and who has them (feature `nats`) |
//! | `data` | checks and shows what `collect --data` keeps |
//! | `map` | checks the rules of `collect --map`, and shows what they make of names |
//! | `bridge` | carries datagrams from serial ports and RTT to a collector, and its answers back |
//! | `send` | sends a value, or a file of values |
//! | `encode` | packs JSON lines into datagrams and reports what they cost |
//! | `decode` | unpacks datagrams, from hexadecimal or a capture, into the same JSON lines |
//! | `settings` | prints the settings in force, each with its meaning, range and default |
//! | `load` | puts a client and a collector under load, and reports what became of every event |
//! | `health` | asks a collector how it is |
//! | `doctor` | finds what on this machine would hinder a collector or a client, and prints the commands that fix it |
//! | `completions`, `man` | the completions of a shell, and manual pages |
//!
//! Each subcommand is a folder with its arguments (`Args`), the end of its help (`HELP`) and `run`; this file only
//! chooses between them. `jsonl` is the form of records as text, and `common` is shared by all of them.
//!
//! Reports go to standard output, as one JSON object with `--json`; errors go to standard error and say what to do
//! next. The exit codes are the same for all subcommands:
//!
//! | code | |
//! |---|---|
//! | 0 | all is well: everything was read, sent or received, and the ledgers close |
//! | 1 | something was lost, refused or dropped, or a ledger does not close |
//! | 2 | the arguments or settings are wrong |
//! | 3 | the machine does not allow it: no such file, the port is taken, the host is unknown |
#![forbid(unsafe_code)]

// Shared by the subcommands.
mod common;
mod jsonl;
mod settings;

// The subcommands.
mod bridge;
mod collect;
mod completions;
mod data;
mod decode;
mod demo;
mod doctor;
mod encode;
#[cfg(feature = "nats")]
mod fleet;
mod health;
mod load;
mod man;
mod map;
#[cfg(feature = "nats")]
mod receive;
mod send;
#[cfg(feature = "nats")]
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use settings::Settings;

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well: everything was read, sent or received, and the ledgers close
  1  something was lost, refused or dropped, or a ledger does not close
  2  the arguments or settings are wrong
  3  the machine does not allow it: no such file, the port is taken, the host is unknown";

/// ringstat's metrics client, collector and wire format on the command line.
#[derive(Parser, Debug)]
#[command(name = "ringstat", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Settings in TOML; `ringstat settings` prints them all. Variables such as RINGSTAT_CLIENT__POLICY and
    /// RINGSTAT_COLLECTOR__MAX_SERIES override the file, and flags override both
    #[arg(long, value_name = "FILE", global = true, env = "RINGSTAT_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run a client and a collector in one process, fed with this machine's own readings
    #[command(after_help = demo::HELP)]
    Demo(demo::Args),
    /// Run a collector until Ctrl-C, with a page, Prometheus text and health
    #[command(after_help = collect::HELP)]
    Collect(Box<collect::Args>),
    /// Take datagrams into the log of a fleet until Ctrl-C
    #[cfg(feature = "nats")]
    #[command(after_help = receive::HELP)]
    Receive(Box<receive::Args>),
    /// Read shards of the log of a fleet until Ctrl-C, and pass on what they contain
    #[cfg(feature = "nats")]
    #[command(after_help = work::HELP)]
    Work(Box<work::Args>),
    /// Show the state of a fleet
    #[cfg(feature = "nats")]
    #[command(after_help = fleet::HELP)]
    Fleet(fleet::Args),
    /// Check or show what a collector keeps in its data directory
    #[command(after_help = data::HELP)]
    Data(data::Args),
    /// Check the rules of `collect --map`, and show what they make of names
    #[command(after_help = map::HELP)]
    Map(map::Args),
    /// Carry datagrams from serial ports, USB or RTT to a collector, and its answers back
    #[command(after_help = bridge::HELP)]
    Bridge(bridge::Args),
    /// Send one value, or the records of a file
    #[command(after_help = send::HELP)]
    Send(send::Args),
    /// Pack JSON lines into datagrams and report what they cost
    #[command(after_help = encode::HELP)]
    Encode(encode::Args),
    /// Unpack datagrams into JSON lines, or say why not
    #[command(after_help = decode::HELP)]
    Decode(decode::Args),
    /// Print the settings in force, as a file to start from
    #[command(after_help = settings::HELP)]
    Settings(settings::budget::Args),
    /// Put a client and a collector under load, and report what was lost and where
    #[command(after_help = load::HELP)]
    Load(load::Args),
    /// Query the health of a collector
    #[command(after_help = health::HELP)]
    Health(health::Args),
    /// Find what hinders ringstat on this machine, and print the commands that fix it
    #[command(after_help = doctor::HELP, alias = "check")]
    Doctor(doctor::Args),
    /// Print the completions of a shell
    #[command(after_help = completions::HELP)]
    Completions(completions::Args),
    /// Write manual pages to a folder
    #[command(after_help = man::HELP)]
    Man(man::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> common::failure::Outcome {
    let settings = Settings::load(cli.config.as_deref())?;
    match cli.command {
        Command::Demo(args) => demo::run(&args, settings),
        Command::Bridge(args) => bridge::run(&args),
        Command::Collect(args) => collect::run(&args, settings.collector),
        #[cfg(feature = "nats")]
        Command::Receive(args) => receive::run(&args),
        #[cfg(feature = "nats")]
        Command::Work(args) => work::run(&args, settings.collector),
        #[cfg(feature = "nats")]
        Command::Fleet(args) => fleet::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Encode(args) => encode::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Send(args) => send::run(&args, settings),
        Command::Settings(args) => settings::budget::run(&args, settings),
        Command::Load(args) => load::run(&args, settings.client),
        Command::Health(args) => health::run(&args, settings.collector.http),
        Command::Doctor(args) => doctor::run(&args, &settings),
        Command::Completions(args) => completions::run(&args),
        Command::Map(args) => map::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    /// Flags after a group of flags with a heading would appear under that heading.
    #[test]
    fn common_flags_are_under_no_heading_but_options() {
        for subcommand in super::Cli::command().get_subcommands() {
            let name = subcommand.get_name();
            for arg in subcommand.get_arguments() {
                let common = ["json", "log_form", "config"].contains(&arg.get_id().as_str());
                assert!(!common || arg.get_help_heading().is_none(), "{name} {}", arg.get_id());
            }
        }
    }

    /// A table or an example is not wrapped well.
    #[test]
    fn lines_that_must_not_be_wrapped_fit() {
        for subcommand in super::Cli::command().get_subcommands() {
            let help = subcommand.get_after_help().expect("it ends with examples").to_string();
            for line in help.lines().filter(|line| line.starts_with("  ")) {
                assert!(line.chars().count() <= 100, "{}: {line}", subcommand.get_name());
            }
        }
    }
}
