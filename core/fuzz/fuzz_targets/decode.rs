//! Any bytes are decoded or refused without a panic, and every decoded record keeps its promises.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::{Body, Content};

fn read(decoder: &mut Decoder, bytes: &[u8]) {
    let Ok(mut datagram) = decoder.open(bytes) else { return };
    let mut left = u32::from(datagram.prologue().records) + 1;
    while let Some(record) = datagram.next() {
        left = left.checked_sub(1).expect("no more records than the prologue says");
        let Ok(record) = record else {
            assert!(datagram.next().is_none(), "an error ends the datagram");
            return;
        };
        assert!(!record.name.text.is_empty() && record.name.text.len() <= 255);
        assert_eq!(record.tags.iter().count(), record.tags.len());
        match record.body {
            Body::Event(event) => {
                assert!(event.rate > 0);
                if let Content::Number(value) = event.content {
                    assert!(value.as_f64().is_finite());
                }
            }
            Body::Buckets(buckets) => {
                let indices: Vec<_> = buckets.iter().map(|(index, _)| index).collect();
                assert!(indices.is_sorted_by(|a, b| a < b));
            }
            Body::Total(_) | Body::Level(_) | Body::Info(_) | Body::Description(_) => {}
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut decoder: Box<Decoder> = Box::default();
    read(&mut decoder, bytes);
    // The same bytes once more with a valid header and checksum, so that the records are reached.
    let mut sealed = b"RS\x10\x00".to_vec();
    sealed.extend_from_slice(bytes.get(4..).unwrap_or(bytes));
    let sum = crc32fast::hash(&sealed).to_le_bytes();
    sealed.extend_from_slice(&sum);
    read(&mut decoder, &sealed);
});
