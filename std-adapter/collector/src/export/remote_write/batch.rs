//! Samples become requests of a bounded size, and series that no longer exist get a staleness marker.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;
use prost::Message as _;

use super::proto::{Histogram, Metadata, Request, Sample, TimeSeries};
use super::samples::{Family, Labels, Value};
use super::wire;
use crate::outbox::Batch;

/// The largest number of samples in a request.
const SAMPLES: usize = 5000;
/// The approximate largest size of a request before compression, in bytes.
const BYTES: usize = 1 << 20;

/// Prometheus' staleness marker: a NaN with exactly these bits.
pub(super) const STALE: u64 = 0x7ff0_0000_0000_0002;

/// Collects samples of one moment into requests.
#[derive(Debug)]
pub(super) struct Builder {
    time_ms: u64,
    /// The labels that are added to every sample, sorted.
    own: Arc<[(String, String)]>,
    request: Request,
    /// The place of each symbol.
    places: HashMap<String, u32, RandomState>,
    /// The approximate size of the request, and of those before it.
    bytes: usize,
    before: usize,
    /// Requests that have reached their largest size.
    full: VecDeque<Request>,
    /// What identifies each series of this moment: a hash of its labels.
    keys: Vec<u64>,
    hasher: RandomState,
    scratch: Vec<(u32, u32)>,
}

impl Builder {
    /// Begins the requests of a moment. Keys are comparable between builders with the same hasher.
    pub(super) fn new(time_ms: u64, own: Arc<[(String, String)]>, hasher: RandomState) -> Self {
        let mut builder = Self {
            time_ms,
            own,
            request: Request::default(),
            places: HashMap::default(),
            bytes: 0,
            before: 0,
            full: VecDeque::new(),
            keys: Vec::new(),
            hasher,
            scratch: Vec::new(),
        };
        builder.symbol("");
        builder
    }

    /// Adds what a series of a family has.
    pub(super) fn add(&mut self, family: &Family, name: &str, labels: &Labels<'_>, value: Value) {
        let own = self.own.clone();
        let mut refs = std::mem::take(&mut self.scratch);
        refs.clear();
        refs.push((self.symbol("__name__"), self.symbol(name)));
        for (name, value) in labels {
            // As a scrape does it: what a sender says gives way to what its collector says.
            let name = if own.iter().any(|(of, _)| of == name) {
                self.symbol(&exported(name, &own, labels))
            } else {
                self.symbol(name)
            };
            refs.push((name, self.symbol(value)));
        }
        for (name, value) in &*own {
            refs.push((self.symbol(name), self.symbol(value)));
        }
        let symbols = &self.request.symbols;
        let text = |place: u32| &*symbols[place as usize];
        refs.sort_unstable_by(|(a, _), (b, _)| text(*a).cmp(text(*b)));
        let mut all = refs.iter().map(|(name, value)| (text(*name), text(*value)));
        self.keys.push(key(&self.hasher, &mut all));
        let metadata = Metadata {
            r#type: family.kind.into(),
            help_ref: self.symbol(&family.help),
            unit_ref: self.symbol(family.unit),
        };
        let labels_refs = refs.iter().flat_map(|(name, value)| [*name, *value]).collect();
        self.push(labels_refs, value, metadata);
        self.scratch = refs;
    }

    /// Adds a series, and begins a new request if this one has reached its largest size.
    fn push(&mut self, labels_refs: Vec<u32>, value: Value, metadata: Metadata) {
        // About two bytes a reference, and the sample with its metadata.
        self.bytes += 2 * labels_refs.len() + 40;
        let timestamp = self.time_ms.cast_signed();
        let (mut samples, mut histograms) = (Vec::new(), Vec::new());
        match value {
            Value::Number(value) => samples.push(Sample { value, timestamp }),
            Value::Histogram(histogram) => {
                self.bytes += 2 * histogram.buckets();
                histograms.push(Histogram { timestamp, ..histogram });
            }
        }
        self.request.timeseries.push(TimeSeries { labels_refs, samples, histograms, metadata });
        if self.request.timeseries.len() >= SAMPLES || self.bytes >= BYTES {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.full.push_back(std::mem::take(&mut self.request));
        self.before += std::mem::take(&mut self.bytes);
        self.places.clear();
        self.symbol("");
    }

    /// The approximate size of all that was added, in bytes.
    pub(super) fn written(&self) -> usize {
        self.before + self.bytes
    }

    fn symbol(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.request.symbols.len() as u32;
        self.bytes += text.len() + 4;
        self.request.symbols.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }

    /// Takes the requests that have reached their largest size.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Batch> {
        self.full.drain(..).map(|request| Batch {
            time_ms: self.time_ms,
            samples: request.timeseries.len() as u64,
            body: wire::compress(&request.encode_to_vec()).into(),
        })
    }

    /// Takes what is left, whatever its size.
    pub(super) fn take_rest(&mut self) -> impl Iterator<Item = Batch> {
        if !self.request.timeseries.is_empty() {
            self.cut();
        }
        self.take()
    }

    /// Adds markers for those series of an earlier request whose key is among `gone`, which is sorted.
    pub(super) fn mark(&mut self, earlier: &Request, gone: &[u64]) {
        let text = |place: u32| earlier.symbols.get(place as usize).map_or("", String::as_str);
        for series in &earlier.timeseries {
            let pairs = series.labels_refs.chunks_exact(2);
            let mut labels = pairs.clone().map(|pair| (text(pair[0]), text(pair[1])));
            if gone.binary_search(&key(&self.hasher, &mut labels)).is_err() {
                continue;
            }
            let labels_refs =
                series.labels_refs.iter().map(|place| self.symbol(text(*place))).collect();
            let Metadata { r#type, help_ref, unit_ref } = series.metadata;
            let metadata = Metadata {
                r#type,
                help_ref: self.symbol(text(help_ref)),
                unit_ref: self.symbol(text(unit_ref)),
            };
            let stale = f64::from_bits(STALE);
            let marker = if series.histograms.is_empty() {
                Value::Number(stale)
            } else {
                Value::Histogram(Histogram {
                    count: Some(0),
                    zero_count: Some(0),
                    sum: stale,
                    ..Histogram::default()
                })
            };
            self.push(labels_refs, marker, metadata);
        }
    }

    /// The keys of all samples that were added, sorted.
    pub(super) fn into_keys(mut self) -> Vec<u64> {
        self.keys.sort_unstable();
        self.keys
    }
}

/// Prepends `exported_` to a name until no other label has the result.
fn exported(name: &str, own: &[(String, String)], labels: &Labels<'_>) -> String {
    let mut name = format!("exported_{name}");
    while own.iter().any(|(of, _)| *of == name) || labels.iter().any(|(of, _)| *of == name) {
        name.insert_str(0, "exported_");
    }
    name
}

/// What identifies a series: a hash of its labels.
fn key<'t>(hasher: &RandomState, labels: &mut dyn Iterator<Item = (&'t str, &'t str)>) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let mut state = hasher.build_hasher();
    labels.for_each(|label| label.hash(&mut state));
    state.finish()
}
