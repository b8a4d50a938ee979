//! Converts datagrams to their meaning, in the terms of `docs/vectors.jsonl`.
//!
//! A number has only one spelling: a whole number that fits into 64 bits is written with all its digits, any other as
//! the 16 hexadecimal digits of its float. Equal meanings are therefore equal texts, here and in `docs/decoder.mjs`.

use ringstat_core::receive::{IdWindow, Seen, SequenceTracker, Verdict};
use ringstat_core::record::Value;
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::decode::{Body, Content, Record};
use ringstat_core::wire::receipt::Receipt;
use ringstat_core::wire::{DecodeError, Decoder};
use serde_json::{Value as Json, json};

/// Returns the meaning of a datagram with records: its header, its records, and the refusal if there is one.
pub(crate) fn of_datagram(decoder: &mut Decoder, datagram: &[u8]) -> Json {
    let mut out = json!({ "header": null, "records": [] });
    let mut records = Vec::new();
    let refusal = match decoder.open(datagram) {
        Err(refusal) => Some(refusal),
        Ok(mut open) => {
            let (h, p) = (*open.header(), *open.prologue());
            out["header"] = json!({
                "sender": h.sender, "epoch": h.epoch, "sequence": h.sequence,
                "time_unit": p.unit as u8, "base_time_ns": open.base_time_ns(),
                "dropped": p.dropped, "failed": p.failed,
                "since_boot": p.since_boot, "packed": p.packed, "ack_floor": p.ack_floor,
                "wants_receipt": p.wants_receipt, "goodbye": p.goodbye,
            });
            loop {
                match open.next() {
                    Some(Ok(record)) => records.push(of_record(&record)),
                    Some(Err(refusal)) => break Some(refusal),
                    None => break None,
                }
            }
        }
    };
    out["records"] = Json::Array(records);
    with_refusal(out, refusal)
}

fn with_refusal(mut out: Json, refusal: Option<DecodeError>) -> Json {
    if let Some(refusal) = refusal {
        out["refusal"] = json!(refusal.as_str());
    }
    out
}

fn of_record(record: &Record<'_>) -> Json {
    let tags: Vec<_> = record.tags.iter().map(|(k, v)| json!([k, v])).collect();
    let mut out = json!({ "name": record.name.text, "tags": tags });
    match record.body {
        Body::Event(event) => {
            out["kind"] = json!(event.kind.as_str());
            out["time_ns"] = json!(event.time_ns);
            out["priority"] = json!(event.priority.as_str());
            out["rate"] = json!(event.rate);
            if let Some(id) = event.id {
                out["id"] = json!(id);
            }
            match event.content {
                Content::Number(value) => out["value"] = of_value(value),
                Content::Text(text) => out["text"] = json!(text),
            }
        }
        Body::Total(total) => {
            out["kind"] = json!("total");
            out["total"] = json!(total);
        }
        Body::Level(level) => {
            out["kind"] = json!("level");
            out["level"] = of_value(level);
        }
        Body::Info(info) => {
            out["kind"] = json!("info");
            out["heartbeat_ms"] = json!(info.heartbeat_ms);
            out["started_ms"] = json!(info.started_ms);
            out["process"] = json!(info.process);
            out["host"] = json!(info.host);
            out["version"] = json!(info.version);
        }
        Body::Description(meaning) => {
            out["kind"] = json!("description");
            out["unit"] = json!(meaning.unit as u8);
            out["text"] = json!(meaning.text);
        }
        Body::Buckets(buckets) => {
            out["kind"] = json!("buckets");
            out["unit"] = json!(buckets.unit as u8);
            out["precision"] = json!(buckets.layout.precision);
            out["min_exponent"] = json!(buckets.layout.min_exponent);
            out["sum"] = of_value(buckets.sum);
            out["buckets"] = buckets.iter().map(|(index, n)| json!([index, n])).collect();
        }
    }
    out
}

fn of_value(value: Value) -> Json {
    match value {
        Value::U64(v) => json!(v),
        Value::I64(v) => json!(v),
        Value::Decimal { mantissa, scale } if mantissa % 10i64.pow(scale.into()) == 0 => {
            json!(mantissa / 10i64.pow(scale.into()))
        }
        other => of_float(other.as_f64()),
    }
}

pub(crate) fn of_float(v: f64) -> Json {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if v.fract() != 0.0 || !(-TWO_63..2.0 * TWO_63).contains(&v) || v.to_bits() == 1 << 63 {
        json!(format!("{:016x}", v.to_bits()))
    } else if v < 0.0 {
        json!(v as i64)
    } else {
        json!(v as u64)
    }
}

/// Returns the meaning of an acknowledgement.
pub(crate) fn of_ack(datagram: &[u8]) -> Json {
    match Ack::parse(datagram) {
        Err(refusal) => with_refusal(json!({}), Some(refusal)),
        Ok(ack) => {
            let mut out = of_settled(&ack);
            out["sender"] = json!(ack.sender);
            out["epoch"] = json!(ack.epoch);
            out
        }
    }
}

/// Returns the meaning of a receipt.
pub(crate) fn of_receipt(datagram: &[u8]) -> Json {
    match Receipt::parse(datagram) {
        Err(refusal) => with_refusal(json!({}), Some(refusal)),
        Ok(receipt) => json!({
            "sender": receipt.sender, "epoch": receipt.epoch, "sequence": receipt.sequence,
            "instance": receipt.instance, "first": receipt.first,
            "datagrams": receipt.datagrams, "events": receipt.events,
        }),
    }
}

fn of_settled(ack: &Ack<'_>) -> Json {
    let ids = (0..1024).filter_map(|i| ack.base.checked_add(i));
    let stored: Vec<u64> = ids.filter(|id| ack.settles(*id)).collect();
    json!({ "base": ack.base, "stored": stored })
}

/// Returns what a receiver concludes from datagrams of one sender, in the order in which they arrive. With `joins`, it
/// may have started listening in the middle of an epoch.
pub(crate) fn of_arrivals(decoder: &mut Decoder, datagrams: &[Vec<u8>], joins: bool) -> Json {
    let mut tracker = if joins { SequenceTracker::new() } else { SequenceTracker::from_zero() };
    let mut ids = IdWindow::new();
    let (mut verdicts, mut stored) = (Vec::new(), Vec::new());
    // Datagrams that are kept aside, by epoch and sequence number.
    let mut aside: Vec<(u32, u32, &Vec<u8>)> = Vec::new();
    for datagram in datagrams {
        let open = decoder.open(datagram).unwrap();
        let (header, prologue) = (*open.header(), *open.prologue());
        let verdict = tracker.observe(header.epoch, header.sequence);
        verdicts.push(name(verdict));
        let mut takes = Vec::new();
        let key = (header.epoch, header.sequence, datagram);
        let (of_this, others) = aside.into_iter().partition::<Vec<_>, _>(|a| a.0 == header.epoch);
        aside = others;
        match verdict {
            Verdict::Stranger => aside.extend(of_this.into_iter().chain([key])),
            Verdict::Restart => {
                ids = IdWindow::new();
                takes.extend(of_this.into_iter().map(|a| a.2));
            }
            Verdict::Twin => {}
            _ => aside.extend(of_this),
        }
        aside.retain(|a| tracker.is_aside(a.0, a.1));
        if verdict.is_new() {
            takes.push(datagram);
            if prologue.goodbye {
                tracker.leave(header.sequence);
            }
        }
        let mut taken = Vec::new();
        for datagram in takes {
            let mut open = decoder.open(datagram).unwrap();
            open.prologue().ack_floor.inspect(|floor| ids.advance(*floor));
            while let Some(Ok(record)) = open.next() {
                if let Body::Event(event) = record.body
                    && let Some(id) = event.id
                    && ids.insert(id) == Seen::New
                {
                    taken.push(id);
                }
            }
        }
        stored.push(taken);
    }
    let account = tracker.stats();
    json!({
        "verdicts": verdicts,
        "stored": stored,
        "settled": of_settled(&ids.ack(0, 0)),
        "account": {
            "received": account.received, "lost": account.lost, "outstanding": account.outstanding,
            "late": account.late, "duplicate": account.duplicate, "too_late": account.too_late,
            "old_epoch": account.old_epoch, "unconfirmed": account.unconfirmed,
            "restarts": account.restarts, "jumps": account.jumps,
            "strangers": account.strangers, "twins": account.twins,
            "epoch": account.epoch, "first": account.first, "next": account.next,
        },
    })
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::New => "new",
        Verdict::Late => "late",
        Verdict::Restart => "restart",
        Verdict::Stranger => "stranger",
        Verdict::Twin => "twin",
        Verdict::Unconfirmed => "unconfirmed",
        Verdict::Jump => "jump",
        Verdict::Duplicate => "duplicate",
        Verdict::TooLate => "too_late",
        Verdict::OldEpoch => "old_epoch",
    }
}
