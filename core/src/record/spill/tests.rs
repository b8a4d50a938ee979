//! Strings written to the memory are read back, and freed blocks can be used again.

use super::*;
use crate::record::{DraftStrings, Event, Kind};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

fn read(held: &Held<'_>) -> (Option<String>, Vec<(String, String)>) {
    let tags = held.tags().map(|(key, value)| (key.into(), value.into()));
    (held.text().map(String::from), tags.collect())
}

/// These strings, as a draft has them.
fn borrowed<'a>(text: Option<&'a str>, tags: &[(&'a str, &'a str)]) -> Borrowed<'a> {
    let mut event: Event =
        Event::new(Kind::Event, "e".into(), crate::record::Value::U64(1), 0).unwrap();
    let mut strings = Borrowed::new();
    text.iter().for_each(|text| strings.push_text(&mut event, text).unwrap());
    tags.iter().for_each(|(key, value)| strings.push_tag(&mut event, key, value).unwrap());
    strings
}

/// Both kinds of memory, each with a way to write to it.
fn both<const N: usize>(
    test: impl Fn(Area<'_>, &mut dyn FnMut(&Borrowed<'_>) -> Result<Spilled, Cause>),
) {
    let shared = TagMemory::<N>::new();
    test(shared.area(), &mut |strings| shared.area().write(strings));
    let owned = OwnedTagMemory::new(N, 0);
    // SAFETY: there is one, and one more only when that is gone.
    test(owned.area(), &mut |strings| unsafe { owned.owner() }.write(strings));
    // In blocks at hand where there are some, as events are recorded.
    test(owned.area(), &mut |strings| {
        let checked = strings.check()?;
        if !checked.has_text() {
            // SAFETY: as above.
            let owner = unsafe { owned.owner() };
            if let Some(ticket) = owner.write_tags(checked) {
                return Ok(ticket);
            }
        }
        // SAFETY: as above.
        unsafe { owned.owner() }.write(strings)
    });
}

#[test]
fn the_longest_event_fits_and_one_tag_more_does_not() {
    both::<80>(|area, write| {
        let (text, string) = ("t".repeat(TEXT_LIMIT), "s".repeat(STRING_LIMIT));
        let mut tags = [(&*string, &*string); DYNAMIC_TAG_LIMIT].to_vec();
        let ticket = write(&borrowed(Some(&text), &tags)).unwrap();
        assert_eq!(area.used(), (2 + 2 + 1000 + 16 * 512_usize).div_ceil(BLOCK));
        let held = area.open(ticket).unwrap();
        assert_eq!(held.text(), Some(&*text));
        assert!(held.tags().eq(tags.iter().copied()));
        assert!(area.open(ticket).is_none(), "it is open");
        drop(held);
        area.free(ticket);
        assert_eq!(area.used(), 0);
        assert!(area.open(ticket).is_none());
        area.free(ticket);
        assert_eq!(area.used(), 0, "twice does no harm");
        tags.push(("", ""));
        assert_eq!(write(&borrowed(None, &tags)), Err(Cause::TooManyTags));
        let long = "s".repeat(STRING_LIMIT + 1);
        assert_eq!(write(&borrowed(None, &[("k", &long)])), Err(Cause::TagTooLong));
        assert_eq!(write(&borrowed(None, &[(&long, "v")])), Err(Cause::TagTooLong));
        assert_eq!(area.used(), 0);
    });
}

#[test]
fn what_finds_no_blocks_in_a_row_is_refused_and_takes_none() {
    both::<6>(|area, write| {
        let long = "v".repeat(150);
        let one = borrowed(None, &[("k", "v")]);
        let two = borrowed(None, &[("k", &long)]);
        let tickets = [&one, &two, &one, &one, &one].map(|strings| write(strings).unwrap());
        assert_eq!(area.used(), 6);
        assert_eq!(write(&one), Err(Cause::TagMemoryFull));
        [0, 2].into_iter().for_each(|n| area.free(tickets[n]));
        assert_eq!(write(&two), Err(Cause::TagMemoryFull), "two are free, but not in a row");
        area.free(tickets[1]);
        let last = write(&two).unwrap();
        assert_eq!(area.used(), 4);
        assert_eq!(read(&area.open(last).unwrap()).1, [("k".into(), long.clone())]);
        [last, tickets[3], tickets[4]].into_iter().for_each(|ticket| area.free(ticket));
        assert_eq!(area.used(), 0);
    });
}

#[test]
fn nobody_but_its_owner_takes_owned_memory() {
    let owned = OwnedTagMemory::new(4, 0);
    assert_eq!(owned.area().write(&borrowed(None, &[])), Err(Cause::TagMemoryFull));
}

#[test]
fn a_ticket_of_other_memory_opens_nothing_of_this() {
    let (here, there) = (TagMemory::<2>::new(), TagMemory::<4>::new());
    let none = borrowed(None, &[]);
    let tickets = [(); 4].map(|()| there.area().write(&none).unwrap());
    assert!(tickets.iter().all(|ticket| here.area().open(*ticket).is_none()));
    let mine = here.area().write(&none).unwrap();
    // The same place and time by chance: it is opened once, by whoever comes first, and holds what was written.
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
        both::<64>(|area, write| {
            let mut waiting: Vec<(Spilled, Strings)> = Vec::new();
            for (number, (text, tags, leave)) in events.iter().enumerate() {
                let (text, tags) = strings(number, *text, tags);
                let all: Vec<_> = tags.iter().map(|(key, value)| (&**key, &**value)).collect();
                match write(&borrowed(text.as_deref(), &all)) {
                    Ok(ticket) => waiting.push((ticket, (text, tags))),
                    Err(cause) => assert_eq!(cause, Cause::TagMemoryFull),
                }
                while waiting.len() > *leave {
                    let (ticket, expected) = waiting.swap_remove(leave / 2);
                    let held = area.open(ticket).expect("it waits");
                    assert_eq!(read(&held), expected);
                    held.free();
                }
            }
            waiting.iter().for_each(|(ticket, _)| area.free(*ticket));
            assert_eq!(area.used(), 0);
        });
    }
}
