//! A Prometheus and a VictoriaMetrics, killed and started again in the middle, and the collector too: what they have at the
//! end is what a receiver that was always there has recorded, sample by sample.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ringstat_std::Recorder as _;
use ringstat_tests::process::{Process, command};
use ringstat_tests::program::build;
use serde_json::Value;

use super::receiver::{Receiver, STALE, Samples, Takes};

/// An address that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "never {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn get(at: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(at).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).is_some_and(|status| status == "200").then(|| body.to_owned())
}

fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02x}")).collect()
}

fn prometheus(at: SocketAddr, dir: &Path, options: &[&str]) -> Process {
    let config = dir.join("prometheus.yml");
    std::fs::write(&config, "").unwrap();
    let mut command = command("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("prometheus").display()))
        .arg(format!("--web.listen-address={at}"))
        .args(["--web.enable-remote-write-receiver", "--log.level=error"])
        .args(options);
    Process::start(command).unwrap()
}

fn victoria(at: SocketAddr, dir: &Path) -> Process {
    let mut command = command("victoria-metrics");
    command
        .arg(format!("-storageDataPath={}", dir.join("victoria").display()))
        .arg(format!("-httpListenAddr={at}"))
        // Its documentation asks for this where samples may come twice.
        .args(["-dedup.minScrapeInterval=1ms", "-loggerLevel=ERROR", "-retentionPeriod=1"]);
    Process::start(command).unwrap()
}

/// The program, built once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build(&["-p", "ringstat"], "ringstat"))
}

/// The collector, which keeps what waits in a directory.
struct Collector {
    process: Process,
    udp: String,
    http: SocketAddr,
}

fn collector(
    dir: &Path,
    udp: &str,
    http: SocketAddr,
    targets: &[String],
    options: &[&str],
) -> Collector {
    let mut command = command(program());
    command.args(["collect", "--json", "--udp", udp, "--http", &http.to_string()]);
    command.arg("--data").arg(dir.join("collector"));
    command.args(["--remote-write-interval", "1", "--remote-write-label", "instance=here"]);
    command.args(options);
    targets.iter().for_each(|url| _ = command.args(["--remote-write", url]));
    let mut process = Process::start({
        command.stdout(Stdio::piped());
        command
    })
    .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout().unwrap()).read_line(&mut line).unwrap();
    let addresses: Value = serde_json::from_str(&line).unwrap();
    let udp = addresses["udp"][0].as_str().unwrap().to_owned();
    Collector { process, udp, http }
}

impl Collector {
    fn outputs(&self) -> Option<Vec<Value>> {
        let state: Value = serde_json::from_str(&get(self.http, "/api/state")?).ok()?;
        state["outputs"].as_array().cloned()
    }
}

/// All samples of a Prometheus. It does not tell of markers.
fn of_prometheus(at: SocketAddr) -> Samples {
    let query = encoded("{job=\"ringstat\"}[1h]");
    let body = get(at, &format!("/api/v1/query?query={query}")).expect("an answer");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let mut all = Samples::new();
    for series in answer["data"]["result"].as_array().unwrap() {
        for sample in series["values"].as_array().unwrap() {
            let time = (sample[0].as_f64().unwrap() * 1000.0).round() as i64;
            let value: f64 = sample[1].as_str().unwrap().parse().unwrap();
            let of = all.entry(labels(&series["metric"])).or_default();
            assert_eq!(of.insert(time, value.to_bits()), None, "it comes once");
        }
    }
    all
}

/// All samples of a VictoriaMetrics.
fn of_victoria(at: SocketAddr) -> Samples {
    let what = encoded("{job=\"ringstat\"}");
    let body = get(at, &format!("/api/v1/export?match[]={what}")).expect("an answer");
    let mut all = Samples::new();
    for line in body.lines() {
        let series: Value = serde_json::from_str(line).unwrap();
        let values = series["values"].as_array().unwrap();
        for (time, value) in series["timestamps"].as_array().unwrap().iter().zip(values) {
            let Some(value) = value.as_f64() else { continue };
            let of = all.entry(labels(&series["metric"])).or_default();
            assert_eq!(of.insert(time.as_i64().unwrap(), value.to_bits()), None, "it comes once");
        }
    }
    all
}

fn labels(metric: &Value) -> BTreeMap<String, String> {
    let pairs = metric.as_object().unwrap().iter();
    pairs.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect()
}

/// The samples up to that time, without markers and the series that have nothing else.
fn without_markers(mut samples: Samples, through: i64) -> Samples {
    samples
        .values_mut()
        .for_each(|of| of.retain(|time, value| *time <= through && *value != STALE));
    samples.retain(|_, of| !of.is_empty());
    samples
}

fn assert_same(name: &str, theirs: &Samples, model: &Samples) {
    let count = |of: &Samples| of.values().map(BTreeMap::len).sum::<usize>();
    for (labels, samples) in model {
        let of = theirs.get(labels).unwrap_or_else(|| panic!("{name} has no {labels:?}"));
        assert_eq!(of, samples, "{name} of {labels:?}");
    }
    assert_eq!((theirs.len(), count(theirs)), (model.len(), count(model)), "{name}");
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice_whoever_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (at_prometheus, at_victoria, http) = (free(), free(), free());
    program();
    let mut server = prometheus(at_prometheus, dir.path(), &[]);
    let mut other = victoria(at_victoria, dir.path());
    let recorder = Receiver::start(Takes::Only1);
    let url = |at| format!("http://{at}/api/v1/write");
    let targets = [url(at_prometheus), url(at_victoria), recorder.url()];
    until("Prometheus is ready", || get(at_prometheus, "/-/ready"));
    until("VictoriaMetrics is ready", || get(at_victoria, "/health"));
    let mut running = collector(dir.path(), "127.0.0.1:0", http, &targets, &[]);

    let built = ringstat_std::Client::builder(&*running.udp).sender(Some(7));
    let stats = built.flush_interval(Duration::from_millis(100)).build().unwrap();
    let work = stats.counter("work", &[("kind", "real")]);
    let size = stats.histogram("size", &[]);
    // Something is done all the time, until the end.
    let (end, ends) = std::sync::mpsc::channel::<()>();
    let worker = std::thread::spawn(move || {
        let mut done = 0u64;
        while ends.recv_timeout(Duration::from_millis(5)).is_err() {
            work.add(1);
            size.record(done);
            done += 1;
        }
        done
    });
    let of = |samples: &Samples, name: &str| -> Vec<f64> {
        let found = samples.iter().find(|(labels, _)| {
            labels["__name__"] == name && labels["sender"] == "0000000000000007"
        });
        found.map_or(Vec::new(), |(_, of)| of.values().map(|v| f64::from_bits(*v)).collect())
    };
    let moments = |n: usize| {
        let now = of(&recorder.seen().samples, "work_total").len();
        until("samples", || {
            (of(&recorder.seen().samples, "work_total").len() >= now + n).then_some(())
        });
    };
    let pending = |running: &Collector, target: usize| {
        until("it waits", || {
            (running.outputs()?[target]["pending_samples"].as_u64()? > 0).then_some(())
        });
    };
    moments(3);
    // Prometheus writes what it has taken before it says so; VictoriaMetrics a second later, unless it is asked to end.
    server.kill();
    pending(&running, 0);
    moments(2);
    other.terminate();
    other.wait().unwrap();
    pending(&running, 1);
    running.process.kill();
    running = collector(dir.path(), &running.udp, http, &targets, &[]);
    server = prometheus(at_prometheus, dir.path(), &[]);
    moments(2);
    other = victoria(at_victoria, dir.path());
    moments(3);
    running.process.kill();
    running = collector(dir.path(), &running.udp, http, &targets, &[]);
    moments(2);
    end.send(()).unwrap();
    let done = worker.join().unwrap();
    stats.shutdown(Duration::from_secs(5));
    until("the last value", || {
        (of(&recorder.seen().samples, "work_total").last() == Some(&(done as f64))).then_some(())
    });
    // What the recorder has before nothing waits for anybody, all have.
    let through = until("nothing waits", || {
        let newest =
            recorder.seen().samples.values().filter_map(|of| of.keys().next_back().copied()).max();
        let outputs = running.outputs()?;
        for output in &outputs {
            let dropped = output["counts"]["dropped"].as_array().expect("a count for each cause");
            assert!(dropped.iter().all(|n| *n == 0), "{output}");
        }
        let is_idle = |output: &Value| output["pending_samples"] == 0;
        outputs.iter().all(is_idle).then_some(newest?)
    });
    running.process.terminate();
    assert!(running.process.wait().unwrap().success());

    let through = |samples| without_markers(samples, through);
    let model = through(recorder.seen().samples.clone());
    let (work, count) = (of(&model, "work_total"), of(&model, "size_seconds_count"));
    // What was sent was on disk before, so that no crash takes it back.
    assert!(work.is_sorted() && work.last() == Some(&(done as f64)), "{work:?}");
    assert_eq!(count.last(), Some(&(done as f64)));
    let samples: usize = model.values().map(BTreeMap::len).sum();
    assert!(samples > 1000, "{samples}");
    assert_same("Prometheus", &through(of_prometheus(at_prometheus)), &model);
    let flush = get(at_victoria, "/internal/force_flush");
    assert!(flush.is_some());
    assert_same("VictoriaMetrics", &through(of_victoria(at_victoria)), &model);
    drop((server, other));
}

/// The value of the only series that a query finds.
fn value(at: SocketAddr, query: &str) -> Option<f64> {
    let body = get(at, &format!("/api/v1/query?query={}", encoded(query)))?;
    let answer: Value = serde_json::from_str(&body).ok()?;
    let [series] = &answer["data"]["result"].as_array()?[..] else { return None };
    series["value"][1].as_str()?.parse().ok()
}

#[test]
fn quantiles_of_native_histograms_are_right_and_their_sums_exact() {
    let dir = tempfile::tempdir().unwrap();
    let (at, http) = (free(), free());
    program();
    let _server = prometheus(at, dir.path(), &["--enable-feature=native-histograms"]);
    until("Prometheus is ready", || get(at, "/-/ready"));
    let native = ["--remote-write-histograms", "native"];
    let targets = [format!("http://{at}/api/v1/write")];
    let mut running = collector(dir.path(), "127.0.0.1:0", http, &targets, &native);
    // Of two senders: one has the lower half, and one the upper.
    for (sender, millis) in [(1, 1..=500), (2, 501..=1000u64)] {
        let built = ringstat_std::Client::builder(&*running.udp).sender(Some(sender));
        let stats = built.flush_interval(Duration::from_millis(20)).build().unwrap();
        for ms in millis {
            assert!(stats.timing("job", Duration::from_millis(ms)).record().is_recorded());
        }
        let _ = stats.timing("job", Duration::ZERO).record();
        stats.shutdown(Duration::from_secs(5));
    }
    until("all timings", || {
        (value(at, "histogram_count(sum(job_seconds))") == Some(1002.0)).then_some(())
    });
    let sum = value(at, "histogram_sum(sum(job_seconds))").unwrap();
    assert!((sum - 500.5).abs() < 1e-9, "{sum}");
    for share in [0.1, 0.25, 0.5, 0.9, 0.99] {
        let found = value(at, &format!("histogram_quantile({share}, sum(job_seconds))")).unwrap();
        // 1.1 % for the bucket's width, of which one is interpolated, and 3.1 % for the collector's own, as is said.
        assert!((found / share - 1.0).abs() < 0.054, "{share}: {found}");
    }
    // There are no classic ones, and everything else is as ever.
    assert_eq!(value(at, "count({__name__=~\"job_seconds_.*\"})"), None);
    assert_eq!(
        value(at, "ringstat_sender_received_total{sender=\"0000000000000001\"} > bool 0"),
        Some(1.0)
    );
    let outputs = running.outputs().unwrap();
    assert_eq!(outputs[0]["counts"]["failures"], 0, "{outputs:?}");
    running.process.terminate();
    assert!(running.process.wait().unwrap().success());
}
