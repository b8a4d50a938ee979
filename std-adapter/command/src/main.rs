//! The command `ringstat`: put numbers in at one end, see them at the other.
//!
//! | subcommand | |
//! |---|---|
//! | `demo` | a collector and a client in one process, fed with this machine's own readings |
//! | `collect` | receives, and shows what it has as a page, as Prometheus text and as JSON |
//! | `send` | sends a value or a file of them |
//! | `encode` | packs JSON lines into datagrams and says what they cost |
//! | `load` | records as much as it is told to, and says what became of every event |
//! | `settings` | prints the settings in force, which a file and the environment may change |
//! | `decode` | unpacks datagrams, from hexadecimal or a capture, into the same JSON lines |
//!
//! Reports go to standard output, one JSON object with `--json`; errors go to standard error and say what to do next.
//! The exit codes, the same for all subcommands:
//!
//! | code | |
//! |---|---|
//! | 0 | all is well: everything was read, sent or received, and the ledgers close |
//! | 1 | something was lost, refused or dropped, or a ledger does not close |
//! | 2 | the arguments make no sense |
//! | 3 | the machine stands in the way: no such file, the port is taken, the host is unknown |
#![forbid(unsafe_code)]

// What the subcommands share: the form of records as text, settings, and everything on the way out.
mod common;
mod jsonl;
mod settings;

// The subcommands.
mod collect;
mod decode;
mod demo;
mod encode;
mod load;
mod send;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use settings::Settings;

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well: everything was read, sent or received, and the ledgers close
  1  something was lost, refused or dropped, or a ledger does not close
  2  the arguments make no sense
  3  the machine stands in the way: no such file, the port is taken, the host is unknown";

/// Puts numbers in at one end and shows them at the other: ringstat's metrics client, collector and wire format.
#[derive(Parser, Debug)]
#[command(name = "ringstat", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Settings in TOML; `ringstat settings` prints them all. Variables as RINGSTAT_CLIENT__POLICY or
    /// RINGSTAT_COLLECTOR__MAX_SERIES go before the file, and flags before both
    #[arg(long, value_name = "FILE", global = true, env = "RINGSTAT_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show the whole path with this machine's own readings
    #[command(after_help = DEMO)]
    Demo(demo::Args),
    /// Collect until Ctrl-C: a page, Prometheus text, health
    #[command(after_help = COLLECT)]
    Collect(collect::Args),
    /// Send one value, or the records of a file
    #[command(after_help = SEND)]
    Send(send::Args),
    /// Pack JSON lines into datagrams and say what they cost
    #[command(after_help = ENCODE)]
    Encode(encode::Args),
    /// Unpack datagrams into JSON lines, or say why not
    #[command(after_help = DECODE)]
    Decode(decode::Args),
    /// Print the settings in force, as a file to begin with
    #[command(after_help = SETTINGS)]
    Settings,
    /// Put the client and a collector under load, and say what was lost where
    #[command(after_help = LOAD)]
    Load(load::Args),
}

const SETTINGS: &str = "\
Examples:
  ringstat settings > ringstat.toml
  RINGSTAT_CLIENT__SHARDS=4 ringstat --config ringstat.toml settings

Exit codes: 0 they are valid, 2 they are not, 3 the file cannot be read";

const DEMO: &str = "\
Examples:
  ringstat demo
  ringstat demo --seconds 0 --http 127.0.0.1:9125
  ringstat demo --seconds 5 --json

Exit codes: 0 both ledgers close and every event arrived, 1 not so, 2 usage, 3 no free port";

const COLLECT: &str = "\
Examples:
  ringstat collect
  ringstat collect --udp 0.0.0.0:8125 --http 0.0.0.0:9125 --max-senders 1000
  ringstat collect --udp 127.0.0.1:0 --http 127.0.0.1:0 --json

Datagrams are checked against damage, not against forgery: listen where only trusted machines send.

Exit codes: 0 the ledger closes (what the network lost is in it), 1 it does not, 2 usage,
3 the port is taken";

const ENCODE: &str = r#"A line holds one record:
  {"kind":"timing","name":"http.request","value":12.5,"tags":{"route":"/a"},
   "timestamp_ns":1790000000000000000,"priority":"high","rate":10}

  kind          counter, gauge, timing (in milliseconds), distribution, set, event;
                for an instrument's state total, level, buckets (as `decode` prints them)
  value         a number; for sets and events also a text; an event needs none
  tags          {"key":"value"}, or [["key","value"]] where a key occurs twice
  timestamp_ns  nanoseconds since 1970; without it, now
  priority      low, normal, high, critical; without it, normal
  rate          the record stands for so many, 1 to 255; without it, 1

Examples:
  ringstat encode events.jsonl
  ringstat encode events.jsonl --mtu 8972 --json
  ringstat encode events.jsonl --out - | ringstat decode -

Exit codes: 0 all packed, 1 some lines refused, 2 usage, 3 a file cannot be read or written"#;

const DECODE: &str = "\
Examples:
  ringstat decode datagrams.hex
  ringstat decode --headers datagrams.hex
  tcpdump -i any -w - udp port 8125 | ringstat decode - --port 8125

Refused datagrams are reported on standard error with their line or packet number and the reason.

Exit codes: 0 all decoded, 1 some datagrams refused, 2 usage, 3 the file cannot be read";

const SEND: &str = "\
Examples:
  ringstat send room.celsius 21.5 --tag room=kitchen
  ringstat send deploys 1 --kind counter --to metrics.example.org:8125
  ringstat send deploy 'version 1.2 is out' --kind event --priority high
  ringstat send --file events.jsonl          (the form of a line: `ringstat encode --help`)
  generate | ringstat send --file - --aggregate --json

`sent` says that it left this machine; whether it arrived, the collector knows.

Exit codes: 0 all sent, 1 something was not, or a line was refused, 2 usage, 3 unknown host or no such file";

const LOAD: &str = "\
Scenarios (events a second of all threads together; flags replace single numbers):
  baseline   10 000/s from  4 threads for 30 s
  high      100 000/s from  8 threads for 60 s
  stress    500 000/s from 16 threads for 30 s, room for 65 536 events
  burst   1 000 000/s from 32 threads for 10 s, room for 65 536 events
  ladder  from 100 000/s up, 4 threads, 3 s a step: the highest rate without loss

Events are due at times that are fixed beforehand; one that is recorded late counts as that late.

Examples:
  ringstat load
  ringstat load --scenario stress --preset high-throughput
  ringstat load --protocol dogstatsd --addr 127.0.0.1:8125
  ringstat load --rate 200k --duration 5 --concurrency 2 --json
  ringstat load --scenario ladder

Exit codes: 0 all checks pass (pace, drops < 1 %, p99 < 100 ms, memory < 10 MB), 1 one does not,
2 usage, 3 no free port or unknown host";

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
        Command::Collect(args) => collect::run(&args, settings.collector),
        Command::Encode(args) => encode::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Send(args) => send::run(&args, settings),
        Command::Settings => settings.print(),
        Command::Load(args) => load::run(&args, settings.client),
    }
}
