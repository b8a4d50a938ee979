//! Builds records from the meaning that a vector gives, and packs them.

use std::collections::HashMap;

use ringstat_core::format::{Header, PAYLOAD_MAX, Prologue, TimeUnit};
use ringstat_core::instrument::{Buckets, Details, Instrument, Layout, Mark, Meaning, State, Unit};
use ringstat_core::record::{Event, Interner, Kind, Priority, Tag, Value};
use ringstat_core::wire::Encoder;
use serde_json::Value as Json;

/// Strings and tag sets that live for ever, with equal ones at the same address, as in a program that contains each of
/// them once.
#[derive(Default)]
pub(crate) struct Statics {
    strings: HashMap<String, &'static str>,
    sets: HashMap<Vec<Tag>, &'static [Tag]>,
}

impl Statics {
    fn string(&mut self, json: &Json) -> &'static str {
        let text = json.as_str().unwrap();
        self.strings.entry(text.into()).or_insert_with(|| text.to_owned().leak())
    }

    fn set(&mut self, tags: &[Json]) -> &'static [Tag] {
        let tags: Vec<Tag> =
            tags.iter().map(|t| (self.string(&t[0]), self.string(&t[1]))).collect();
        self.sets.entry(tags.clone()).or_insert_with(|| tags.leak())
    }
}

type Names = Interner<16, 1024>;

/// Packs the vector's records into one datagram; pads it if it would be shorter than `length`.
pub(crate) fn encode(vector: &Json, known: &mut Statics, length: usize) -> Vec<u8> {
    let header = &vector["header"];
    let integer = |key: &str| header[key].as_u64().unwrap();
    let unit = TimeUnit::try_from(integer("time_unit")).unwrap();
    let prologue = Prologue {
        since_boot: header["since_boot"] == true,
        packed: header["packed"] == true,
        ack_floor: header["ack_floor"].as_u64(),
        wants_receipt: header["wants_receipt"] == true,
        goodbye: header["goodbye"] == true,
        unit,
        base_time: integer("base_time_ns") / unit.nanos(),
        dropped: integer("dropped"),
        failed: integer("failed"),
        ..Prologue::default()
    };
    let header = Header {
        sender: integer("sender"),
        epoch: integer("epoch") as u32,
        sequence: integer("sequence") as u32,
        ..Header::default()
    };
    let names = Names::new();
    let mut packed = |room: usize, pad: bool| {
        let mut buf = vec![0xAA; room];
        let mut encoder: Encoder = Encoder::new();
        let mut datagram = encoder.begin(&mut buf, &header, &prologue).unwrap();
        for (i, record) in vector["records"].as_array().unwrap().iter().enumerate() {
            if record.get("time_ns").is_some() {
                let dynamic = vector["dynamic"][i].as_u64().unwrap_or(0) as usize;
                let event = event(record, dynamic, unit, known, &names);
                match record.get("id").and_then(Json::as_u64).zip(prologue.ack_floor) {
                    Some((id, floor)) => datagram.identified(&event, &names, id - floor).unwrap(),
                    None => datagram.event(&event, &names).unwrap(),
                }
            } else {
                assert_eq!(datagram.instrument(&Given::new(record, known), 0), Ok(None));
            }
        }
        let length = datagram.finish(pad);
        buf.truncate(length);
        buf
    };
    let plain = packed(PAYLOAD_MAX, false);
    if plain.len() < length { packed(length, true) } else { plain }
}

fn event(
    record: &Json,
    dynamic: usize,
    unit: TimeUnit,
    known: &mut Statics,
    names: &Names,
) -> Event<128> {
    let kind = Kind::ALL.into_iter().find(|k| record["kind"] == k.as_str()).unwrap();
    let priority = Priority::ALL.into_iter().find(|p| record["priority"] == p.as_str()).unwrap();
    let value = record.get("value").map_or(Value::U64(0), number);
    let time = record["time_ns"].as_u64().unwrap() / unit.nanos();
    let mut event = Event::new(kind, known.string(&record["name"]).into(), value, time).unwrap();
    if let Some(text) = record.get("text") {
        let text = text.as_str().unwrap();
        // The longest text does not fit into a slot.
        if event.set_text(text).is_err() {
            event.set_symbol(names.intern(text).unwrap());
        }
    }
    event.set_priority(priority);
    event.set_rate(record["rate"].as_u64().unwrap().try_into().unwrap());
    let tags = record["tags"].as_array().unwrap();
    let (fixed, dynamic) = tags.split_at(tags.len() - dynamic);
    event.set_tags(known.set(fixed)).unwrap();
    for tag in dynamic {
        event.push_tag(tag[0].as_str().unwrap(), tag[1].as_str().unwrap()).unwrap();
    }
    event
}

fn number(json: &Json) -> Value {
    match (json.as_u64(), json.as_i64()) {
        (Some(v), _) => Value::U64(v),
        (_, Some(v)) => Value::I64(v),
        _ => Value::F64(json.as_f64().unwrap()),
    }
}

/// An instrument with the state that a vector describes.
struct Given {
    name: &'static str,
    tags: &'static [Tag],
    record: Json,
    counts: HashMap<usize, u64>,
    details: Details<String>,
    meaning: Meaning<String>,
    mark: Mark,
}

impl Given {
    fn new(record: &Json, known: &mut Statics) -> Self {
        let pairs = record["buckets"].as_array().map_or(&[][..], Vec::as_slice);
        let pair = |p: &Json| (p[0].as_u64().unwrap() as usize, p[1].as_u64().unwrap());
        Self {
            name: known.string(&record["name"]),
            tags: known.set(record["tags"].as_array().unwrap()),
            counts: pairs.iter().map(pair).collect(),
            details: if record["kind"] == "info" {
                serde_json::from_value(record.clone()).unwrap()
            } else {
                Details::default()
            },
            meaning: Meaning {
                unit: record["unit"]
                    .as_u64()
                    .and_then(|c| Unit::from_code(c as u8))
                    .unwrap_or_default(),
                text: record["text"].as_str().unwrap_or_default().to_owned(),
            },
            record: record.clone(),
            mark: Mark::new(),
        }
    }

    fn integer(&self, key: &str) -> i64 {
        self.record[key].as_i64().unwrap()
    }
}

impl Instrument for Given {
    fn name(&self) -> &str {
        self.name
    }
    fn tag(&self, index: usize) -> Option<(&str, &str)> {
        self.tags.get(index).copied()
    }
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        Some((self.name, self.tags))
    }
    fn unit(&self) -> Unit {
        Unit::from_code(self.integer("unit") as u8).unwrap()
    }
    fn state(&self) -> State<'_> {
        match self.record["kind"].as_str() {
            Some("total") => State::Total(self.record["total"].as_u64().unwrap()),
            Some("level") => State::Level(number(&self.record["level"])),
            Some("info") => State::Info(&self.details),
            Some("description") => State::Description(&self.meaning),
            _ => State::Buckets(self),
        }
    }
    fn version(&self) -> u32 {
        1
    }
    fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl Buckets for Given {
    fn layout(&self) -> Layout {
        let (precision, exponent) = (self.integer("precision"), self.integer("min_exponent"));
        Layout { precision: precision as u8, min_exponent: exponent as i8 }
    }
    fn sum(&self) -> Value {
        number(&self.record["sum"])
    }
    fn bucket_count(&self, index: usize) -> u64 {
        self.counts.get(&index).copied().unwrap_or(0)
    }
    fn buckets(&self) -> usize {
        1 << 16
    }
}
