//! Strings written to the memory are read back, and freed blocks can be used again.

use super::*;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

fn read(held: &Held<'_>) -> (Option<String>, Vec<(String, String)>) {
    let tags = held.tags().map(|(key, value)| (key.into(), value.into()));
    (held.text().map(String::from), tags.collect())
}

#[test]
fn the_longest_event_fits_and_one_tag_more_does_not() {
    let memory = TagMemory::<80>::new();
    let area = memory.area();
    let (text, string) = ("t".repeat(TEXT_LIMIT), "s".repeat(STRING_LIMIT));
    let mut spill = area.take(0).unwrap();
    spill.push_text(&text).unwrap();
    for _ in 0..DYNAMIC_TAG_LIMIT {
        spill.push_tag(&string, &string).unwrap();
    }
    assert_eq!(spill.push_tag("", ""), Err(Cause::TooManyTags));
    assert_eq!(area.used(), (2 + 2 + 1000 + 16 * 512_usize).div_ceil(BLOCK));
    let ticket = spill.park();
    let held = area.open(ticket).unwrap();
    assert_eq!(held.text(), Some(&*text));
    assert!(held.tags().eq([(&*string, &*string); DYNAMIC_TAG_LIMIT]));
    assert!(area.open(ticket).is_none(), "it is open");
    drop(held);
    area.free(ticket);
    assert_eq!(area.used(), 0);
    assert!(area.open(ticket).is_none());
    area.free(ticket);
    assert_eq!(area.used(), 0, "twice does no harm");
}

#[test]
fn what_is_dropped_before_it_is_parked_is_free() {
    let memory = TagMemory::<4>::new();
    let area = memory.area();
    drop(area.take(300).unwrap());
    assert_eq!(area.used(), 0);
    let mut spill = area.take(500).unwrap();
    assert_eq!(area.take(0).unwrap_err(), Cause::TagMemoryFull);
    spill.push_tag("k", "v").unwrap();
    let ticket = spill.park();
    assert_eq!(area.used(), 1, "what it did not need is free");
    area.free(ticket);
}

#[test]
fn one_that_grows_moves_where_its_neighbour_is_in_the_way() {
    let memory = TagMemory::<6>::new();
    let area = memory.area();
    let mut first = area.take(10).unwrap();
    let second = area.take(10).unwrap();
    first.push_tag("a", &"1".repeat(100)).unwrap();
    first.push_tag("b", &"2".repeat(100)).unwrap();
    assert_eq!(area.used(), 3, "it left its first block");
    let third = area.take(10).unwrap();
    let [first, second, third] = [first, second, third].map(Spill::park);
    let held = area.open(first).unwrap();
    assert_eq!(
        read(&held),
        (None, [("a", "1"), ("b", "2")].map(|(k, v)| (k.into(), v.repeat(100))).to_vec())
    );
    held.free();
    [second, third].iter().for_each(|ticket| area.free(*ticket));
    assert_eq!(area.used(), 0);
    let mut greedy = area.take(0).unwrap();
    let refused = (0..).map(|_| greedy.push_tag("k", &"v".repeat(255))).find(Result::is_err);
    assert_eq!(refused, Some(Err(Cause::TagMemoryFull)));
    drop(greedy);
    assert_eq!(area.used(), 0);
}

#[test]
fn a_ticket_of_other_memory_opens_nothing_of_this() {
    let (here, there) = (TagMemory::<2>::new(), TagMemory::<4>::new());
    let mut tickets = Vec::new();
    for _ in 0..4 {
        tickets.push(there.area().take(0).unwrap().park());
    }
    assert!(tickets.iter().all(|ticket| here.area().open(*ticket).is_none()));
    let mine = here.area().take(0).unwrap().park();
    // The same place and generation by chance: the strings are opened once, by whichever ticket comes first, and are as
    // they were written.
    let opened: Vec<_> = tickets.iter().filter_map(|t| here.area().open(*t)).collect();
    assert!(opened.len() == 1 && here.area().open(mine).is_none());
    assert_eq!(read(&opened[0]), (None, Vec::new()));
}

type Strings = (Option<String>, Vec<(String, String)>);

/// A text and tags of these lengths, from which it can be seen to which event they belong.
fn strings(event: usize, text: Option<usize>, tags: &[(usize, usize)]) -> Strings {
    let string =
        |length: usize| format!("{event}é").chars().cycle().take(length).collect::<String>();
    let tags = tags.iter().map(|(key, value)| (string(*key), string(*value)));
    (text.map(string), tags.collect())
}

proptest! {
    /// Whatever is written, and in whatever order events come and go, each event's strings read back as written, and in
    /// the end all blocks are free.
    #[test]
    fn every_event_keeps_its_own_strings(
        events in proptest::collection::vec(
            (
                proptest::option::of(0usize..300),
                proptest::collection::vec((0usize..80, 0usize..80), 0..DYNAMIC_TAG_LIMIT),
                0usize..6,
            ),
            0..60,
        ),
    ) {
        let memory = TagMemory::<64>::new();
        let area = memory.area();
        let mut waiting: Vec<(Spilled, Strings)> = Vec::new();
        for (number, (text, tags, leave)) in events.into_iter().enumerate() {
            let (text, tags) = strings(number, text, &tags);
            let written = area.take(0).and_then(|mut spill| {
                text.iter().try_for_each(|text| spill.push_text(text))?;
                tags.iter().try_for_each(|(key, value)| spill.push_tag(key, value))?;
                Ok(spill.park())
            });
            match written {
                Ok(ticket) => waiting.push((ticket, (text, tags))),
                Err(cause) => prop_assert_eq!(cause, Cause::TagMemoryFull),
            }
            while waiting.len() > leave {
                let (ticket, expected) = waiting.swap_remove(leave / 2);
                let held = area.open(ticket).expect("it waits");
                prop_assert_eq!(&read(&held), &expected);
                held.free();
            }
        }
        waiting.iter().for_each(|(ticket, _)| area.free(*ticket));
        prop_assert_eq!(area.used(), 0);
    }
}
