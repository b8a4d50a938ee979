//! A receiver of remote write that records every sample, written from the specifications and not from the sender.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use prost::Message;

/// The labels of a series, and the value at each time, as bits.
pub(crate) type Samples = BTreeMap<BTreeMap<String, String>, BTreeMap<i64, u64>>;

/// The value that says that a series has ended.
pub(crate) const STALE: u64 = 0x7ff0_0000_0000_0002;

/// What a receiver understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Takes {
    /// Both versions, and says what it has written.
    Both,
    /// Version 1.0, and says that it does not support the other.
    Only1,
    /// Version 1.0, whatever the request says that it is: it finds nothing in the other, and is content.
    Anything,
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// The samples are taken.
    Take,
    /// The samples are taken, but the connection ends before anything is said.
    TakeAndHangUp,
    /// Nothing is taken. The second part is a header with its value.
    Status(u16, Option<(&'static str, String)>),
    /// Half of the samples are taken, and the request is refused with this status.
    Half(u16),
}

/// What was received.
#[derive(Default, Debug)]
pub(crate) struct Seen {
    pub(crate) samples: Samples,
    /// Samples that came a second time, with the same value.
    pub(crate) again: u64,
    /// Samples in all requests, of which those that were not taken too.
    pub(crate) offered: u64,
    /// Those that were taken.
    pub(crate) taken: u64,
    /// The headers of each request, in lower case, and when it came.
    pub(crate) requests: Vec<(HashMap<String, String>, Instant)>,
    /// How many samples were native histograms, and the number of values in the last of each series.
    pub(crate) histograms: u64,
    pub(crate) counts: BTreeMap<BTreeMap<String, String>, u64>,
    /// The type, help and unit of each family.
    pub(crate) families: BTreeMap<String, (i32, String, String)>,
}

#[derive(Debug)]
struct Shared {
    takes: Takes,
    seen: Mutex<Seen>,
    replies: Mutex<Box<dyn Answers>>,
    ended: AtomicBool,
}

trait Answers: Send + std::fmt::Debug {
    fn next(&mut self) -> Reply;
}

struct Function<F>(F);

impl<F> std::fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Function")
    }
}

impl<F: FnMut() -> Reply + Send> Answers for Function<F> {
    fn next(&mut self) -> Reply {
        self.0()
    }
}

/// A receiver on loopback. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Receiver {
    scheme: &'static str,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // The thread that accepts looks up.
        let _ = TcpStream::connect(self.address);
    }
}

impl Receiver {
    /// Starts one that takes everything.
    pub(crate) fn start(takes: Takes) -> Self {
        Self::answering(takes, || Reply::Take)
    }

    /// Starts one that answers each request as `reply` says; requests of a version that it does not take have their own
    /// answer.
    pub(crate) fn answering(takes: Takes, reply: impl FnMut() -> Reply + Send + 'static) -> Self {
        Self::serving(None, takes, reply)
    }

    /// Starts one that is reached over TLS and takes everything, and returns its certificate as PEM.
    pub(crate) fn start_tls() -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let receiver = Self::serving(Some(Arc::new(config)), Takes::Both, || Reply::Take);
        (receiver, made.cert.pem())
    }

    fn serving(
        tls: Option<Arc<rustls::ServerConfig>>,
        takes: Takes,
        reply: impl FnMut() -> Reply + Send + 'static,
    ) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            takes,
            seen: Mutex::default(),
            replies: Mutex::new(Box::new(Function(reply))),
            ended: AtomicBool::new(false),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (serving, tls) = (serving.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, &serving),
                    Some(tls) => {
                        let connection = rustls::ServerConnection::new(tls).unwrap();
                        serve(rustls::StreamOwned::new(connection, stream), &serving);
                    }
                });
            }
        });
        Self { scheme, address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/api/v1/write", self.scheme, self.address)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap()
    }

    /// Waits until what was received is as it should be.
    pub(crate) fn until(&self, what: &str, done: impl Fn(&Seen) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !done(&self.seen()) {
            assert!(Instant::now() < end, "never {what}: {:?}", self.seen().requests.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Serves one connection.
fn serve(stream: impl Read + Write, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some((headers, body)) = request(&mut reader) {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Some(answer) = shared.take(headers, &body) else { return };
        let stream = reader.get_mut();
        if stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// Reads one request. `None`: the connection has ended.
fn request(reader: &mut impl BufRead) -> Option<(HashMap<String, String>, Vec<u8>)> {
    let mut headers = HashMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    assert!(line.starts_with("POST /api/v1/write HTTP/1.1"), "{line}");
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").expect("a length").parse().expect("a number");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((headers, body))
}

impl Shared {
    /// Takes a request, and returns the answer. `None`: none is given.
    fn take(&self, headers: HashMap<String, String>, body: &[u8]) -> Option<String> {
        assert_eq!(headers["content-encoding"], "snappy");
        assert!(headers["user-agent"].starts_with("ringstat/"));
        let message = snap::raw::Decoder::new().decompress_vec(body).unwrap();
        let is_2 = match &*headers["content-type"] {
            "application/x-protobuf" => false,
            "application/x-protobuf;proto=io.prometheus.write.v2.Request" => true,
            other => panic!("{other}"),
        };
        let version = &*headers["x-prometheus-remote-write-version"];
        assert_eq!(version, if is_2 { "2.0.0" } else { "0.1.0" });
        let mut seen = self.seen.lock().unwrap();
        seen.requests.push((headers, Instant::now()));
        if is_2 && self.takes == Takes::Only1 {
            return Some(answer(415, "", "what is that?"));
        }
        if is_2 && self.takes == Takes::Anything {
            assert_eq!(V1::decode(&*message).unwrap(), V1::default(), "it looks empty");
            return Some(answer(204, "", ""));
        }
        let before = seen.histograms;
        let samples = if is_2 { read_2(&message, &mut seen) } else { read_1(&message, &mut seen) };
        let count = samples.len() as u64;
        seen.offered += count;
        let reply = self.replies.lock().unwrap().next();
        let taken = match reply {
            Reply::Take | Reply::TakeAndHangUp => count,
            Reply::Half(_) => count / 2,
            Reply::Status(..) => 0,
        };
        for (labels, time, value) in samples.into_iter().take(taken as usize) {
            seen.store(labels, time, value);
        }
        seen.taken += taken;
        // Only receivers of version 2.0 say so.
        let written = match self.takes {
            Takes::Both => {
                let histograms = (seen.histograms - before).min(taken);
                let numbers = taken - histograms;
                format!(
                    "X-Prometheus-Remote-Write-Samples-Written: {numbers}\r\n\
                     X-Prometheus-Remote-Write-Histograms-Written: {histograms}\r\n"
                )
            }
            _ => String::new(),
        };
        match reply {
            Reply::Take => Some(answer(204, &written, "")),
            Reply::TakeAndHangUp => None,
            Reply::Half(status) => Some(answer(status, &written, "half of it was bad")),
            Reply::Status(status, header) => {
                let header = header.map_or(String::new(), |(k, v)| format!("{k}: {v}\r\n"));
                Some(answer(status, &(header + &written), "not now"))
            }
        }
    }
}

fn answer(status: u16, headers: &str, text: &str) -> String {
    let length =
        if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", text.len()) };
    format!("HTTP/1.1 {status} Status\r\n{headers}{length}\r\n{text}")
}

impl Seen {
    /// A sample; of a native histogram, which has so many values, with its sum as the value.
    fn note(
        &mut self,
        labels: BTreeMap<String, String>,
        time: i64,
        value: u64,
        count: Option<u64>,
    ) -> Sample {
        if let Some(count) = count {
            self.histograms += 1;
            self.counts.insert(labels.clone(), count);
        }
        (labels, time, value)
    }

    fn store(&mut self, labels: BTreeMap<String, String>, time: i64, value: u64) {
        let series = self.samples.entry(labels).or_default();
        match series.insert(time, value) {
            Some(before) => {
                assert_eq!(before, value, "a sample that comes again is the same");
                self.again += 1;
            }
            None => {
                let newest = series.keys().next_back();
                assert_eq!(newest, Some(&time), "the samples of a series come in order");
            }
        }
    }

    /// The values of a series over time, named by some of its labels.
    pub(crate) fn of(&self, labels: &[(&str, &str)]) -> Vec<(i64, u64)> {
        let is = |of: &BTreeMap<String, String>| {
            labels.iter().all(|(k, v)| of.get(*k).is_some_and(|of| of == v))
        };
        let mut found = self.samples.iter().filter(|(of, _)| is(of));
        let series = found.next().map(|(_, s)| s.iter().map(|(t, v)| (*t, *v)).collect());
        assert!(found.next().is_none(), "{labels:?} names several series");
        series.unwrap_or_default()
    }
}

type Sample = (BTreeMap<String, String>, i64, u64);

fn read_1(message: &[u8], seen: &mut Seen) -> Vec<Sample> {
    let request = V1::decode(message).unwrap();
    for of in request.metadata {
        seen.families.insert(of.name, (of.kind, of.help, of.unit));
    }
    let each = request.series.into_iter().flat_map(|series| {
        let labels: BTreeMap<_, _> = series.labels.into_iter().map(|l| (l.name, l.value)).collect();
        let histograms = series.histograms.into_iter().map(|h| (h.time, h.sum, Some(h.count)));
        let numbers = series.samples.into_iter().map(|s| (s.time, s.value, None));
        let all = numbers.chain(histograms);
        all.map(move |(time, value, count)| (labels.clone(), time, value.to_bits(), count))
    });
    let all: Vec<_> = each.collect();
    all.into_iter()
        .map(|(labels, time, value, count)| seen.note(labels, time, value, count))
        .collect()
}

fn read_2(message: &[u8], seen: &mut Seen) -> Vec<Sample> {
    let request = V2::decode(message).unwrap();
    let text = |place: u32| request.symbols[place as usize].clone();
    let mut all = Vec::new();
    for series in &request.series {
        let labels: BTreeMap<_, _> =
            series.labels.chunks(2).map(|pair| (text(pair[0]), text(pair[1]))).collect();
        let of = series.metadata.as_ref().expect("metadata");
        let description = (of.kind, text(of.help), text(of.unit));
        seen.families.insert(labels["__name__"].clone(), description);
        for sample in &series.samples {
            all.push((labels.clone(), sample.time, sample.value.to_bits()));
        }
        for of in &series.histograms {
            all.push(seen.note(labels.clone(), of.time, of.sum.to_bits(), Some(of.count)));
        }
    }
    all
}

#[derive(Clone, PartialEq, Message)]
struct V1 {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series1>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Metadata1>,
}

#[derive(Clone, PartialEq, Message)]
struct Series1 {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<SampleAt>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<HistogramAt>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct SampleAt {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    time: i64,
}

/// What the tests ask of a native histogram.
#[derive(Clone, PartialEq, Message)]
struct HistogramAt {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(int64, tag = "15")]
    time: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata1 {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "4")]
    help: String,
    #[prost(string, tag = "5")]
    unit: String,
}

#[derive(Clone, PartialEq, Message)]
struct V2 {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<Series2>,
}

#[derive(Clone, PartialEq, Message)]
struct Series2 {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<SampleAt>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<HistogramAt>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<Metadata2>,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata2 {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "3")]
    help: u32,
    #[prost(uint32, tag = "4")]
    unit: u32,
}
