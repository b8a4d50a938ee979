//! Requests as they are sent: compressed as both versions of the protocol require, and converted to version 1.0 for
//! receivers that do not accept 2.0.

use std::collections::BTreeMap;

use prost::Message as _;
use snap::raw::{Decoder, Encoder};

use super::proto::{Label, LabelledSeries, MetricMetadata, MetricType, Request, WriteRequest};

/// Compresses a message: Snappy's block format.
pub(super) fn compress(message: &[u8]) -> Vec<u8> {
    let compressed = Encoder::new().compress_vec(message);
    // It fails for more than 4 GiB, which no request has.
    debug_assert!(compressed.is_ok(), "{compressed:?}");
    compressed.unwrap_or_default()
}

/// Reads a request of version 2.0 that was compressed here.
pub(super) fn read(body: &[u8]) -> Option<Request> {
    let message = Decoder::new().decompress_vec(body).ok()?;
    Request::decode(&*message).ok()
}

/// Converts a request to version 1.0 and compresses it; optionally with the metadata of the families.
pub(super) fn as_version_1(body: &[u8], with_metadata: bool) -> Option<Vec<u8>> {
    let request = read(body)?;
    let text = |place: u32| request.symbols.get(place as usize).cloned().unwrap_or_default();
    let mut families = BTreeMap::new();
    let mut timeseries = Vec::with_capacity(request.timeseries.len());
    for series in &request.timeseries {
        let pairs = series.labels_refs.chunks_exact(2);
        let labels: Vec<_> =
            pairs.map(|pair| Label { name: text(pair[0]), value: text(pair[1]) }).collect();
        if with_metadata && let Some(name) = labels.iter().find(|l| l.name == "__name__") {
            let family = if series.histograms.is_empty() {
                family(&name.value, series.metadata.r#type())
            } else {
                &name.value
            };
            families.entry(family.to_owned()).or_insert(series.metadata);
        }
        let (samples, histograms) = (series.samples.clone(), series.histograms.clone());
        timeseries.push(LabelledSeries { labels, samples, histograms });
    }
    let metadata = families.into_iter().map(|(metric_family_name, of)| MetricMetadata {
        r#type: of.r#type,
        metric_family_name,
        help: text(of.help_ref),
        unit: text(of.unit_ref),
    });
    let message = WriteRequest { timeseries, metadata: metadata.collect() };
    Some(compress(&message.encode_to_vec()))
}

/// The family of a series of that name.
fn family(name: &str, of: MetricType) -> &str {
    let endings: &[&str] = match of {
        MetricType::Histogram => &["_bucket", "_sum", "_count"],
        MetricType::Summary => &["_sum", "_count"],
        _ => &[],
    };
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}
