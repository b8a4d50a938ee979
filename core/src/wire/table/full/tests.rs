use super::*;
use crate::record::Symbol;

fn write(strings: &mut Strings<64, 512>, text: &'static str) -> alloc::vec::Vec<u8> {
    let mut buf = [0; 300];
    let mut w = Writer::new(&mut buf);
    strings.write(&mut w, Key::of_static(text), text).unwrap();
    w.written().to_vec()
}

#[test]
fn a_string_is_spelled_out_once_a_datagram() {
    let mut strings = Strings::new();
    strings.clear(false);
    assert_eq!(write(&mut strings, "abc"), b"\x00\x03abc");
    assert_eq!(write(&mut strings, "abc"), b"\x02");
    strings.clear(false);
    assert_eq!(write(&mut strings, "abc"), b"\x00\x03abc");
}

#[test]
fn shared_prefixes_are_not_repeated() {
    let mut strings = Strings::new();
    strings.clear(false);
    write(&mut strings, "http.server.requests");
    assert_eq!(write(&mut strings, "http.server.errors"), b"\x03\xB6errors");
    assert_eq!(write(&mut strings, "http.client"), b"\x03\x46client");
    let long = "http.client.requests.by.route.and.method";
    assert_eq!(write(&mut strings, long), b"\x01\x02\x0B\x1D.requests.by.route.and.method");
}

#[test]
fn a_prefix_never_cuts_a_character() {
    let mut strings = Strings::new();
    strings.clear(false);
    write(&mut strings, "température");
    // é and è share their first byte.
    assert_eq!(write(&mut strings, "tempère"), b"\x03\x34\xC3\xA8re");
}

#[test]
fn equal_content_is_found_by_content() {
    let mut strings: Strings<64, 512> = Strings::new();
    strings.clear(false);
    let mut buf = [0; 64];
    let mut w = Writer::new(&mut buf);
    for text in ["route", "table", "route"] {
        strings.write(&mut w, Key::of_content(text), text).unwrap();
    }
    assert_eq!(w.written(), b"\x00\x05route\x00\x05table\x02");
    // A colliding hash does not make two strings equal.
    strings.write(&mut w, Key::of_content("route"), "rotue").unwrap();
    assert!(w.written().ends_with(b"\x03\x13tue"));
}

#[test]
fn without_an_arena_it_still_writes_what_can_be_read() {
    let mut strings: Strings<4, 0> = Strings::new();
    strings.clear(false);
    let mut buf = [0; 256];
    let mut w = Writer::new(&mut buf);
    for text in ["aaaa.b", "aaaa.c", "aaaa.d", "aaaa.e", "aaaa.f"] {
        strings.write(&mut w, Key::of_static(text), text).unwrap();
    }
    assert_eq!(w.position(), 5 * 8);
}

#[test]
fn without_an_arena_what_is_not_remembered_is_never_taken_for_something_else() {
    let mut strings: Strings<4, 0> = Strings::new();
    strings.clear(false);
    let mut buf = [0; 256];
    for text in ["one", "two", "three", "four", "five", "six"] {
        for key in [Key::of_content(text), Key::of_static(text)] {
            let mut w = Writer::new(&mut buf);
            strings.write(&mut w, key, text).unwrap();
            assert!(w.written().ends_with(text.as_bytes()), "{text}: {:?}", w.written());
        }
    }
}

#[test]
fn the_tables_of_a_receiver_are_never_overrun() {
    let mut strings: Strings<64, 512> = Strings::new();
    strings.clear(false);
    let mut buf = alloc::vec![0; 65_000];
    let mut w = Writer::new(&mut buf);
    let mut written = 0;
    for n in 0..2000u32 {
        let text = std::format!("{n:08}");
        match strings.write(&mut w, Key::of_symbol(Symbol(n)), &text) {
            Ok(_) => written += 1,
            Err(NoRoom) => break,
        }
    }
    assert_eq!(written, TABLE_LIMIT);
}

#[test]
fn generations_wrap_without_confusion() {
    let mut strings: Strings<64, 512> = Strings::new();
    for _ in 0..70_000 {
        strings.clear(false);
        assert_ne!(strings.generation, 0);
    }
    assert_eq!(write(&mut strings, "abc"), b"\x00\x03abc");
}
