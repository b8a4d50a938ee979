//! Two machines and a cable between them, made of network namespaces and a veth pair.
//!
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use ringstat_tests::netns::Namespace;

/// The address of the machine that the client runs on.
pub(crate) const CLIENT: &str = "10.9.9.1";
/// The address of the machine that the collector runs on.
pub(crate) const COLLECTOR: &str = "10.9.9.2";
const NETWORK: &str = "10.9.9.0/24";
const DEVICE: &str = "veth0";
/// The name of the firewall's table, which is the same at both ends, since each has a namespace of its own.
const TABLE: &str = "ringstat";

/// How the path to the collector is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Block {
    /// A firewall on the client's machine rejects packets: the sender gets EPERM.
    Filter,
    /// The route is gone: the sender gets ENETUNREACH.
    Route,
    /// The link is down, and with it the route.
    Link,
    /// A firewall on the collector's machine silently drops everything, which no UDP sender can see.
    Silent,
}

/// Where packets are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hook {
    /// On the client's machine, where the sender gets EPERM.
    Sent,
    /// On the collector's machine, silently.
    Received,
}

/// Both machines.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) client: Namespace,
    pub(crate) collector: Namespace,
}

impl Network {
    pub(crate) fn new() -> Self {
        let (client, collector) = (Namespace::new(), Namespace::new());
        let there = collector.path();
        client.run(
            "ip",
            &["link", "add", DEVICE, "type", "veth", "peer", "name", DEVICE, "netns", &there],
        );
        for (machine, address) in [(&client, CLIENT), (&collector, COLLECTOR)] {
            machine.run("ip", &["address", "add", &format!("{address}/24"), "dev", DEVICE]);
            machine.run("ip", &["link", "set", DEVICE, "up"]);
        }
        let network = Self { client, collector };
        network.wait_for_carrier();
        network
    }

    /// The kernel takes a moment to notice that a link is up, and silently loses what is sent until then.
    fn wait_for_carrier(&self) {
        let there = self.collector.enter(|| UdpSocket::bind((COLLECTOR, 9)));
        let there = there.expect("the address is there");
        there.set_read_timeout(Some(Duration::from_millis(10))).expect("a timeout");
        let here =
            self.client.enter(|| UdpSocket::bind((CLIENT, 0))).expect("the address is there");
        for _ in 0..2000 {
            // It is refused or unreachable until the link is up.
            let _ = here.send_to(b"?", (COLLECTOR, 9));
            if there.recv(&mut [0]).is_ok() {
                return;
            }
        }
        panic!("no link between the namespaces");
    }

    /// Gives the client's machine one more address.
    pub(crate) fn add_address(&self, address: &str) {
        self.client.run("ip", &["address", "add", &format!("{address}/24"), "dev", DEVICE]);
    }

    pub(crate) fn block(&self, how: Block) {
        match how {
            Block::Filter => self.drop(Hook::Sent, "meta l4proto udp"),
            Block::Route => self.client.run("ip", &["route", "del", NETWORK, "dev", DEVICE]),
            Block::Link => self.client.run("ip", &["link", "set", DEVICE, "down"]),
            Block::Silent => self.drop(Hook::Received, "meta l4proto udp"),
        }
    }

    pub(crate) fn unblock(&self, how: Block) {
        match how {
            Block::Filter => self.drop_nothing(Hook::Sent),
            Block::Route => {
                self.client.run("ip", &["route", "add", NETWORK, "dev", DEVICE, "src", CLIENT]);
            }
            Block::Link => self.client.run("ip", &["link", "set", DEVICE, "up"]),
            Block::Silent => self.drop_nothing(Hook::Received),
        }
    }
    /// Drops packets to a port of the collector.
    pub(crate) fn drop_port(&self, at: Hook, port: u16) {
        self.drop(at, &format!("udp dport {port}"));
    }

    /// Drops the collector's answers, on the client's machine.
    pub(crate) fn drop_answers(&self) {
        filter(&self.client, "input", "meta l4proto udp");
    }

    fn drop(&self, at: Hook, which: &str) {
        match at {
            Hook::Sent => filter(&self.client, "output", which),
            Hook::Received => filter(&self.collector, "input", which),
        }
    }

    /// Sets the MTU of the client's link.
    pub(crate) fn mtu(&self, bytes: u16) {
        self.client.run("ip", &["link", "set", DEVICE, "mtu", &bytes.to_string()]);
    }

    /// Removes the firewall.
    pub(crate) fn drop_nothing(&self, at: Hook) {
        let machine = match at {
            Hook::Sent => &self.client,
            Hook::Received => &self.collector,
        };
        machine.run("nft", &["delete", "table", "inet", TABLE]);
    }

    /// Degrades the client's side of the cable with `netem`. Returns `false` if the kernel has no `netem`.
    pub(crate) fn netem(&self, faults: &[&str]) -> bool {
        let mut args = vec!["qdisc", "replace", "dev", DEVICE, "root", "netem", "limit", "100000"];
        args.extend(
            faults.iter().flat_map(|fault| fault.split(' ')).filter(|word| !word.is_empty()),
        );
        let output = self.client.enter(|| Command::new("tc").args(&args).output());
        let output = output.unwrap_or_else(|e| panic!("tc: {e}; see .ci/faults"));
        let said = String::from_utf8_lossy(&output.stderr);
        // Any other error fails the test.
        let absent = said.contains("qdisc kind is unknown");
        assert!(output.status.success() || absent, "tc {}: {said}", args.join(" "));
        !absent
    }

    /// Restores the cable. Delayed packets have arrived when it returns.
    pub(crate) fn netem_off(&self) {
        self.netem(&[]);
        let waiting = || {
            let show = || Command::new("tc").args(["-s", "qdisc", "show", "dev", DEVICE]).output();
            let output = self.client.enter(show).expect("tc");
            !String::from_utf8_lossy(&output.stdout).contains("backlog 0b 0p")
        };
        while waiting() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.client.run("tc", &["qdisc", "del", "dev", DEVICE, "root"]);
    }
}

/// Drops matching packets at a hook.
fn filter(machine: &Namespace, hook: &str, which: &str) {
    // The rules are applied as one transaction, so there is never half a firewall.
    let rules = format!(
        "table inet {TABLE} {{\n chain quiet {{\n type filter hook {hook} priority 0;\n {which} drop\n }}\n}}"
    );
    machine.run("nft", &[&rules]);
}
