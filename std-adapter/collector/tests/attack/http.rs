//! Clients that try to exhaust the HTTP server, and one that wants its numbers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringstat_collector::{Limits, Running};
use socket2::{Domain, Socket, Type};

use crate::wire::{Genuine, SOON, ask, collector, get, until};

/// Connects from a loopback address that only the attacker uses.
fn connect_from(host: u8, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, host], 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// Returns whether the other side has closed or reset the connection, whatever it sent before.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = [0; 4096];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) => return e.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

fn stops_soon(running: Running) {
    let start = Instant::now();
    let report = running.stop(0);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(report.closes);
}

#[test]
fn a_body_is_refused_before_any_of_it_is_read() {
    let running = collector(Limits::default());
    let mut genuine = Genuine::new(&running);
    genuine.send();
    let http = running.http().unwrap();
    for length in ["99999999999", "1"] {
        let asked = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        assert!(ask(http, &asked).starts_with("HTTP/1.1 413"), "{length}");
    }
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n";
    assert!(ask(http, chunked).starts_with("HTTP/1.1 413"));
    for length in ["18446744073709551615", "99999999999999999999999", "-1"] {
        let asked = format!("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        assert!(ask(http, &asked).starts_with("HTTP/1.1 4"), "{length}");
    }
    genuine.is_exact(&running);
    stops_soon(running);
}

#[test]
fn heads_without_end_are_cut_off() {
    let running = collector(Limits::default());
    let mut genuine = Genuine::new(&running);
    genuine.send();
    let http = running.http().unwrap();
    let mut one_line = connect_from(2, http);
    one_line.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    let mut written = 0;
    while written < 16 << 20 && one_line.write_all(&[b'x'; 4096]).is_ok() {
        written += 4096;
    }
    assert!(written < 8 << 20, "it took {written} bytes of one head");
    let fields: String = (0..1000).map(|n| format!("X-{n}: y\r\n")).collect();
    let many = ask(http, &format!("GET / HTTP/1.1\r\n{fields}\r\n"));
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    genuine.is_exact(&running);
    stops_soon(running);
}

#[test]
fn five_hundred_that_never_finish_asking_keep_nobody_out() {
    let running = collector(Limits::default());
    let mut genuine = Genuine::new(&running);
    genuine.send();
    let http = running.http().unwrap();
    let mut slow: Vec<_> = (0..500)
        .map(|n| {
            let mut stream = connect_from(2 + (n % 20) as u8, http);
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ");
            stream
        })
        .collect();
    // This works even from an address that has used up its own share.
    let mut answer = String::new();
    let mut same = connect_from(2, http);
    same.write_all(b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    same.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    genuine.is_exact(&running);
    // Each of them is closed in the end, either displaced or timed out.
    let last = slow.last_mut().unwrap();
    assert!(is_closed(last), "a head has ten seconds");
    let displaced = get(http, "/metrics")
        .lines()
        .find_map(|l| l.strip_prefix("ringstat_collector_http_displaced_total ")?.parse().ok());
    assert!(displaced >= Some(200), "{displaced:?}");
    stops_soon(running);
}

#[test]
fn those_who_do_not_read_are_cut_off_and_silence_nobody() {
    let running = collector(Limits::default());
    let mut genuine = Genuine::new(&running);
    genuine.send();
    let http = running.http().unwrap();
    // Each connection makes many requests and reads no answer, so the kernel's buffers fill up soon.
    let pipeline = "GET /page.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(4000);
    let mut deaf: Vec<_> = (0..16).map(|n| connect_from(30 + n, http)).collect();
    for stream in &mut deaf {
        stream.set_nonblocking(true).unwrap();
        let _ = stream.write(pipeline.as_bytes());
    }
    for _ in 0..20 {
        genuine.send();
        genuine.is_exact(&running);
    }
    let unread = || {
        let text = get(http, "/metrics");
        let mut lines = text.lines();
        lines.find_map(|l| l.strip_prefix("ringstat_collector_http_unread_total ")?.parse().ok())
    };
    until(|| unread() == Some(16));
    assert_eq!(unread(), Some(16));
    stops_soon(running);
}

#[test]
fn stopping_waits_for_nobody() {
    let running = collector(Limits::default());
    let http = running.http().unwrap();
    let mut held: Vec<_> = (0..40).map(|n| connect_from(50 + n, http)).collect();
    for (n, stream) in held.iter_mut().enumerate() {
        let said = ["", "GET /metrics HT", "GET /page.js HTTP/1.1\r\nHost: x\r\n\r\n"][n % 3];
        stream.write_all(said.as_bytes()).unwrap();
    }
    // This flood never lets the kernel's buffer run empty.
    let mut flood = Genuine::new(&running);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                flood.send();
            }
        });
        until(|| running.report(0).datagrams > 1000);
        stops_soon(running);
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_a_good_server_does() {
    let running = collector(Limits::default());
    let http = running.http().unwrap();
    let head = ask(http, "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    let zipped =
        "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    assert!(ask(http, zipped).contains("content-encoding: gzip\r\n"));
    let page = get(http, "/");
    for field in [
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
        "x-frame-options: DENY",
        "referrer-policy: no-referrer",
    ] {
        assert!(page.contains(field), "{field} in {page}");
    }
    assert!(get(http, "/favicon.ico").contains("image/svg+xml"));
    assert!(get(http, "/live").ends_with("live\n"));
    assert!(get(http, "/ready").ends_with("ready\n"));
    assert!(get(http, "/health?fail=unhealthy").starts_with("HTTP/1.1 200"));
    assert!(get(http, "/nothing").starts_with("HTTP/1.1 404"));
    let post = ask(http, "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405") && post.contains("allow: GET,HEAD"), "{post}");
    stops_soon(running);
}

#[test]
fn a_head_that_never_ends_ends_although_it_goes_on() {
    let running = collector(Limits::default());
    let mut genuine = Genuine::new(&running);
    let http = running.http().unwrap();
    let mut trickle = connect_from(3, http);
    trickle.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    // Each byte comes in time, and the whole of it never.
    trickle.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let begun = Instant::now();
    let mut closed = false;
    while !closed && begun.elapsed() < SOON {
        genuine.send();
        closed = trickle.write_all(b"X").is_err();
        match trickle.read(&mut [0; 256]) {
            Ok(0) => closed = true,
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => closed = true,
            _ => {}
        }
    }
    assert!(closed, "it is still open after {:?}", begun.elapsed());
    genuine.is_exact(&running);
    stops_soon(running);
}

#[test]
fn a_pipeline_is_answered_in_order_and_holds_nobody_up() {
    const REQUESTS: usize = 500;
    let running = collector(Limits::default());
    let mut genuine = Genuine::new(&running);
    let http = running.http().unwrap();
    let mut eager: Vec<_> = (0..8).map(|n| connect_from(100 + n, http)).collect();
    for stream in &mut eager {
        let live = "GET /live HTTP/1.1\r\nHost: x\r\n\r\n".repeat(REQUESTS - 1);
        let last = "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all((live + last).as_bytes()).unwrap();
    }
    genuine.send();
    genuine.is_exact(&running);
    for stream in &mut eager {
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200").count(), REQUESTS);
        assert_eq!(answers.matches("\r\n\r\nlive\n").count(), REQUESTS - 1);
        assert!(answers.ends_with("\r\n\r\nready\n"));
    }
    stops_soon(running);
}

#[test]
fn what_is_no_http_is_refused_and_nothing_more() {
    let running = collector(Limits::default());
    let mut genuine = Genuine::new(&running);
    let http = running.http().unwrap();
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 500]].concat();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let binary: Vec<u8> = (0..=255).cycle().take(20_000).collect();
    for nonsense in
        [hello, preface, binary, b"\r\n".repeat(1000), b"GET /\0 HTTP/1.1\r\n\r\n".into()]
    {
        let mut stream = connect_from(4, http);
        let _ = stream.write_all(&nonsense);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut said = Vec::new();
        // It may be reset while some of it is still on its way.
        let _ = stream.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
        genuine.send();
        genuine.is_exact(&running);
    }
    stops_soon(running);
}
