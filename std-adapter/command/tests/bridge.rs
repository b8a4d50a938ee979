//! Frames from a port or a file to a collector, and its answers back; ports that come and go.
#![cfg(target_os = "linux")]

mod common;

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use common::{json, run, stdout};
use ringstat_core::wire::frame;
use ringstat_tests::process::Process;
use ringstat_tests::terminal::Terminal;

/// Not a whole one: the bridge looks at no more than its beginning.
fn datagram(n: u8) -> Vec<u8> {
    [b"RS\x10\0", [n; 40].as_slice()].concat()
}

fn framed(datagram: &[u8]) -> Vec<u8> {
    let mut out = vec![0; frame::len(datagram.len())];
    let length = frame::write(datagram, &mut out).unwrap();
    out.truncate(length);
    out
}

fn collector() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

#[test]
fn a_file_is_carried_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rtt");
    let noise = b"boot: all is well\r\n\0and more\0".to_vec();
    let bytes: Vec<u8> = [noise, framed(&datagram(1)), framed(&datagram(2))].concat();
    std::fs::write(&path, bytes).unwrap();
    let to = collector();
    let address = to.local_addr().unwrap().to_string();
    let output = run(&["bridge", "--rtt", path.to_str().unwrap(), "--to", &address, "--json"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mut buf = [0; 2048];
    for n in [1, 2] {
        let length = to.recv(&mut buf).unwrap();
        assert_eq!(buf[..length], datagram(n));
    }
    let carried = &json(stdout(&output))["ports"][0];
    assert_eq!((&carried["datagrams"], &carried["damaged"]), (&2.into(), &1.into()), "{carried}");
}

#[test]
fn a_port_comes_and_goes_and_answers_find_it() {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("ttyACM0");
    let to = collector();
    let address = to.local_addr().unwrap().to_string();
    // It is not there yet.
    let args = ["bridge", port.to_str().unwrap(), "--to", &address, "--json"];
    let mut command = common::ringstat(&args);
    command.stdout(Stdio::piped());
    let mut bridge = Process::start(command).unwrap();
    let mut buf = [0; 2048];
    for n in 0..3 {
        let Terminal { mut chip, computer, port: name } = Terminal::new();
        std::os::unix::fs::symlink(&name, &port).unwrap();
        chip.write_all(&framed(&datagram(n))).unwrap();
        let (length, from) = to.recv_from(&mut buf).unwrap();
        assert_eq!(buf[..length], datagram(n));
        to.send_to(b"an answer\0with a zero", from).unwrap();
        let expected = framed(b"an answer\0with a zero");
        let mut answer = vec![0; expected.len()];
        chip.read_exact(&mut answer).unwrap();
        assert_eq!(answer, expected);
        // The cable is pulled out.
        std::fs::remove_file(&port).unwrap();
        drop((chip, computer));
        thread::sleep(Duration::from_millis(10));
    }
    bridge.terminate();
    let mut said = String::new();
    bridge.stdout().expect("piped").read_to_string(&mut said).unwrap();
    assert!(bridge.wait().unwrap().success());
    let carried = &json(&said)["ports"][0];
    assert_eq!((&carried["opened"], &carried["answers"]), (&3.into(), &3.into()), "{carried}");
    assert_eq!((&carried["datagrams"], &carried["damaged"]), (&3.into(), &0.into()), "{carried}");
}
