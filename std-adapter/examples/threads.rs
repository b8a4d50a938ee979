//! A plain server with a thread for each connection: one line in, one line out.
//!
//! ```sh
//! ringstat collect &
//! cargo run -p ringstat-std --example threads &
//! echo hello | nc -N 127.0.0.1 4000
//! ```

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use ringstat_std::{Client, Counter, Gauge, Recorder};

static CONNECTIONS: Gauge = Gauge::new("echo.connections");
static BYTES: Counter = Counter::new("echo.bytes");

/// The client of this server. Handles are cheap to clone: each thread has its own.
pub fn client(to: &str) -> Result<Client, ringstat_std::BuildError> {
    let stats = Client::builder(to).instrument(&CONNECTIONS).instrument(&BYTES).build()?;
    // A server is usually ended by a return from `main` or by `exit`, while threads still hold handles.
    stats.flush_on_exit();
    Ok(stats)
}

/// Serves until the listener fails.
pub fn serve(listener: &TcpListener, stats: &Client) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        let stats = stats.clone();
        thread::spawn(move || {
            CONNECTIONS.add(1.0);
            let outcome = if echo(stream, &stats).is_ok() { "closed" } else { "failed" };
            CONNECTIONS.add(-1.0);
            stats.count("echo.ended", 1).tag("outcome", outcome).record();
        });
    }
}

fn echo(mut stream: TcpStream, stats: &Client) -> io::Result<()> {
    for line in BufReader::new(stream.try_clone()?).lines() {
        let begun = Instant::now();
        let line = line? + "\n";
        stream.write_all(line.as_bytes())?;
        BYTES.add(line.len() as u64);
        // The ring of this thread: no lock, no allocation, no system call.
        stats.timing("echo.line", begun.elapsed()).record();
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stats = client("127.0.0.1:8125")?;
    let listener = TcpListener::bind("127.0.0.1:4000")?;
    println!("echoes lines on {}", listener.local_addr()?);
    Ok(serve(&listener, &stats)?)
}
