//! A name with several addresses of which one is served, as `localhost` is for a collector without IPv6, and a machine
//! with two networks for those who can reach it by one of them.

use std::io::{Read, Write};
use std::process::{ExitStatus, Stdio};

use ringstat_tests::collector::{self, Collector};
use ringstat_tests::process;
use serde_json::Value;

use crate::netns::{COLLECTOR, Network};

/// An address in the network of both machines that nobody has: what is sent there vanishes without a sign.
const NOBODY: &str = "10.9.9.3";

/// The name of the collector's machine, for the processes that get a file of hosts of their own.
const NAME: &str = "collector.test";

/// Sends one value from the client's machine, where the name has these addresses.
fn send(network: &Network, addresses: &[&str]) -> (ExitStatus, String) {
    let mut hosts = tempfile::NamedTempFile::new().expect("a file");
    addresses.iter().for_each(|a| writeln!(hosts, "{a} {NAME}").expect("it is written"));
    // The machine's own file stays as it is: only this process sees the other one in its place.
    let mut command = process::command("unshare");
    let script = "mount --bind \"$1\" /etc/hosts && exec \"$2\" send deploys 1 --kind counter --to \"$3\" --timeout 4 --json";
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(hosts.path());
    command.arg(collector::program()).arg(format!("{NAME}:8125")).stdout(Stdio::piped());
    let mut sender = network.client.start(command);
    let mut said = String::new();
    sender.stdout().expect("piped").read_to_string(&mut said).expect("its report");
    (sender.wait().expect("it ends"), said)
}

/// What is sent arrives by the address that is served, wherever that stands among the name's addresses.
pub(crate) fn one_of_several() {
    let network = Network::new();
    let there = Collector::start(&network.collector, &[&format!("{COLLECTOR}:8125")]);
    let here = Collector::start(&network.client, &["127.0.0.1:8125"]);
    let cases = [
        // The kernel says that nobody listens.
        (&here, ["::1", "127.0.0.1"]),
        // Nobody says anything.
        (&there, [NOBODY, COLLECTOR]),
        (&there, [COLLECTOR, NOBODY]),
    ];
    for (collector, addresses) in cases {
        let before = collector.state().sum("deploys");
        let (status, said) = send(&network, &addresses);
        assert!(status.success(), "{addresses:?}: {said}");
        let report: Value = serde_json::from_str(&said).expect("a report");
        for (field, value) in [("recorded", 1), ("sent", 1), ("unconfirmed", 0), ("lost", 0)] {
            assert_eq!(report[field], value, "{addresses:?}: {said}");
        }
        assert_eq!(collector.state().sum("deploys"), before + 1, "{addresses:?}");
    }
    let (status, said) = send(&network, &[NOBODY]);
    assert_eq!(status.code(), Some(1), "{said}");
}
