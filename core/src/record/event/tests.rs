use alloc::vec::Vec;

use super::*;

fn event() -> Event {
    Event::new(Kind::Timing, "db.query".into(), Value::F64(12.5), 42).unwrap()
}

#[test]
fn a_slot_gives_back_what_was_put_in() {
    let mut e = event();
    e.set_tags(&[("service", "shop")]).unwrap();
    e.push_tag("table", "orders").unwrap();
    e.push_tag("é", "").unwrap();
    e.set_priority(Priority::Critical);
    e.set_rate(10);
    assert_eq!(e.kind(), Kind::Timing);
    assert_eq!(e.priority(), Priority::Critical);
    assert_eq!(e.name(), Name::Static("db.query"));
    assert_eq!(e.content(), Content::Number(Value::F64(12.5)));
    assert_eq!(e.tags(), [("service", "shop")]);
    assert_eq!(e.dynamic_tags().collect::<Vec<_>>(), [("table", "orders"), ("é", "")]);
    assert_eq!((e.time(), e.rate()), (42, 10));
}

#[test]
fn a_rate_grows_only_as_far_as_it_can_be_said() {
    let mut e = event();
    e.set_rate(20);
    [12, 0, 1].into_iter().for_each(|n| e.thin(n));
    assert_eq!((e.rate(), e.can_thin(1), e.can_thin(2)), (240, true, false));
    e.thin(2);
    assert_eq!(e.rate(), 240);
}

#[test]
fn every_form_of_number_survives() {
    for value in [
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F32(1.5),
        Value::F64(-0.0),
        Value::Decimal { mantissa: -7, scale: 8 },
    ] {
        let e: Event = Event::new(Kind::Gauge, "g".into(), value, 0).unwrap();
        assert_eq!(e.content(), Content::Number(value));
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut e = event();
    e.push_tag("table", "orders").unwrap();
    assert_eq!(e.push_tag("customer", "somebody"), Err(Cause::TagTooLong));
    assert_eq!(e.push_tag("key", &"v".repeat(300)), Err(Cause::TagTooLong));
    assert_eq!(e.dynamic_tags().collect::<Vec<_>>(), [("table", "orders")]);
    assert_eq!(e.set_text("late"), Err(Cause::Invalid));
    assert_eq!(e.push_tag("k", "123456789"), Ok(()));
    assert_eq!(e.push_tag("", ""), Err(Cause::TagTooLong), "the slot is exactly full");
}

#[test]
fn names_and_numbers_are_checked() {
    let long: &'static str = alloc::boxed::Box::leak("n".repeat(256).into_boxed_str());
    let new = |name: &'static str, v: f64| Event::<26>::new(Kind::Gauge, name.into(), v.into(), 0);
    assert_eq!(new("", 1.0).unwrap_err(), Cause::Invalid);
    assert_eq!(new(long, 1.0).unwrap_err(), Cause::Invalid);
    assert!(new(&long[1..], 1.0).is_ok());
    assert_eq!(new("n", f64::NAN).unwrap_err(), Cause::Invalid);
    assert_eq!(new("n", f64::INFINITY).unwrap_err(), Cause::Invalid);
}

#[test]
fn text_and_symbols_stand_in_for_the_number() {
    let mut e = event();
    e.set_text("user-7").unwrap();
    e.push_tag("k", "v").unwrap();
    assert_eq!(e.content(), Content::Text("user-7"));
    assert_eq!(e.dynamic_tags().collect::<Vec<_>>(), [("k", "v")]);
    let mut e: Event<2> = Event::new(Kind::Set, Symbol(9).into(), 1u8.into(), 0).unwrap();
    e.set_symbol(Symbol(3));
    assert_eq!(e.name(), Name::Interned(Symbol(9)));
    assert_eq!(e.content(), Content::Symbol(Symbol(3)));
    assert_eq!(e.dynamic_tags().count(), 0);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn slots_have_the_promised_sizes() {
    assert_eq!(size_of::<Event>(), 64);
    assert_eq!(size_of::<Event<2>>(), 40);
}
