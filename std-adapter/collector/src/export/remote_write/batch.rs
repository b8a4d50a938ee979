//! Samples become requests of a bounded size, and series that no longer exist get a staleness marker.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;
use prost::Message as _;

use super::proto::{Metadata, Request, Sample, TimeSeries};
use super::scrape::{Head, Line};
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
    bytes: usize,
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
            keys: Vec::new(),
            hasher,
            scratch: Vec::new(),
        };
        builder.symbol("");
        builder
    }

    /// Adds a sample of a family.
    pub(super) fn add(&mut self, head: &Head, line: &Line<'_>) {
        let own = self.own.clone();
        let mut refs = std::mem::take(&mut self.scratch);
        refs.clear();
        refs.push((self.symbol("__name__"), self.symbol(line.name)));
        for (name, value) in &line.labels {
            // As a scrape does it: what a sender says gives way to what its collector says.
            let name = if own.iter().any(|(of, _)| of == name) {
                self.symbol(&exported(name, &own, line))
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
        let mut labels = refs.iter().map(|(name, value)| (text(*name), text(*value)));
        self.keys.push(key(&self.hasher, &mut labels));
        let metadata = Metadata {
            r#type: head.kind.into(),
            help_ref: self.symbol(&head.help),
            unit_ref: self.symbol(head.unit()),
        };
        let labels_refs = refs.iter().flat_map(|(name, value)| [*name, *value]).collect();
        self.push(labels_refs, line.value, metadata);
        self.scratch = refs;
    }

    fn push(&mut self, labels_refs: Vec<u32>, value: f64, metadata: Metadata) {
        // About two bytes a reference, and the sample with its metadata.
        self.bytes += 2 * labels_refs.len() + 40;
        let samples = vec![Sample { value, timestamp: self.time_ms.cast_signed() }];
        self.request.timeseries.push(TimeSeries { labels_refs, samples, metadata });
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

    /// Takes the request if it has reached its largest size, or whatever its size is on demand.
    pub(super) fn take(&mut self, as_it_is: bool) -> Option<Batch> {
        let samples = self.request.timeseries.len();
        let is_full = samples >= SAMPLES || self.bytes >= BYTES;
        if samples == 0 || !(is_full || as_it_is) {
            return None;
        }
        let request = std::mem::take(&mut self.request);
        self.places.clear();
        self.bytes = 0;
        self.symbol("");
        let body = wire::compress(&request.encode_to_vec());
        Some(Batch { time_ms: self.time_ms, samples: samples as u64, body: body.into() })
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
            self.push(labels_refs, f64::from_bits(STALE), metadata);
        }
    }

    /// The keys of all samples that were added, sorted.
    pub(super) fn into_keys(mut self) -> Vec<u64> {
        self.keys.sort_unstable();
        self.keys
    }
}

/// Prepends `exported_` to a name until no other label has the result.
fn exported(name: &str, own: &[(String, String)], line: &Line<'_>) -> String {
    let mut name = format!("exported_{name}");
    while own.iter().any(|(of, _)| *of == name) || line.labels.iter().any(|(of, _)| *of == name) {
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
