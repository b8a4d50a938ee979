//! How an event is encoded.

use super::Datagram;
use crate::format::Refused;
use crate::record::{Content, Event, EventStrings, Name, Priority, Resolve, Tag};
use crate::wire::cursor::NoRoom;
use crate::wire::layout::{Form, extended, tag};
use crate::wire::number::Number;
use crate::wire::table::{Key, Table};

impl<T: Table> Datagram<'_, T> {
    #[inline]
    pub(super) fn write_event<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
        above_floor: Option<u64>,
        rate: impl Fn(&Event<INLINE>) -> u32,
    ) -> Result<(), Refused> {
        // Symbols and strings come first: nothing is written until all of them are known.
        let (key, name) = match event.name() {
            Name::Static(name) => (Key::of_static(name), name),
            Name::Interned(symbol) => {
                let name = names.resolve(symbol).ok_or(Refused::UnknownSymbol)?;
                (Key::of_symbol(symbol), name)
            }
        };
        let number = T::number_of_slot(event.raw());
        let tags = event.tags();
        let first = |form: Form| {
            event.kind_code()
                | (form as u8) << tag::FORM_SHIFT
                | if tags.is_empty() { 0 } else { tag::HAS_TAGS }
        };
        // Not where 64-bit arithmetic is slower than the branches that it avoids.
        if cfg!(target_pointer_width = "64")
            && event.is_plain()
            && above_floor.is_none()
            && let Some(number) = number
            && let Some(delta) = event.time().checked_sub(self.time)
            && self.write_short(first(number.form), (key, name), tags, delta, number)
        {
            return Ok(());
        }
        let strings = if event.is_plain() {
            EventStrings::NONE
        } else {
            event.strings(names).ok_or(Refused::UnknownSymbol)?
        };
        let number = match number {
            Some(number) => Ok(number),
            // A receiver would refuse it, and with it the rest of the datagram.
            None if !event.kind().takes_text() => return Err(Refused::Unsupported),
            None => Err(match event.content_in(&strings) {
                Content::Text(text) => text,
                Content::Symbol(symbol) => names.resolve(symbol).ok_or(Refused::UnknownSymbol)?,
                Content::Number(_) => "", // `of_slot` knows all forms of numbers
            }),
        };
        let backward = event.time() < self.time;
        let first = first(number.map_or(Form::Text, |n| n.form));
        let mut second = if event.is_plain() { 0 } else { extension(event, &strings) };
        if backward {
            second |= extended::BACKWARD;
        }
        if above_floor.is_some() {
            second |= extended::IDENTIFIED;
        }
        let delta = if backward { self.time - event.time() } else { event.time() - self.time };
        if second == 0 {
            self.w.byte(first)?;
        } else {
            self.w.bytes(&[first | tag::EXTENDED, second])?;
        }
        self.strings.write(&mut self.w, key, name)?;
        if !tags.is_empty() {
            self.strings.write_set(&mut self.w, tags)?;
        }
        self.w.varint(delta)?;
        match number {
            Ok(number) => number.write(&mut self.w)?,
            Err(text) => self.w.string(text.as_bytes())?,
        }
        if second & extended::RATE != 0 {
            self.w.varint(u64::from(rate(event)))?;
        }
        if second & extended::DYNAMIC != 0 {
            self.write_dynamic_tags(&strings)?;
        }
        if let Some(above_floor) = above_floor {
            self.w.varint(above_floor)?;
        }
        Ok(())
    }

    /// Writes an event at once, if it defines nothing new and its numbers are small, as is usual. If it cannot, name
    /// and tags are looked up again, because defining the name may take the very slot that was found for the tags.
    #[inline(always)]
    fn write_short(
        &mut self,
        first: u8,
        (key, name): (Key, &str),
        tags: &'static [Tag],
        delta: u64,
        number: Number,
    ) -> bool {
        let Some(name) = self.strings.known(key, name) else { return false };
        let set = if tags.is_empty() { None } else { self.strings.known_set(tags) };
        if set.is_none() != tags.is_empty() || delta >= 1 << 28 {
            return false;
        }
        let Some(number) = number.short() else { return false };
        self.w.record(first, (name, set), (delta as u32, number))
    }

    /// Keys recur and go through the string table; values mostly do not, and are written in place.
    fn write_dynamic_tags(&mut self, strings: &EventStrings<'_>) -> Result<(), NoRoom> {
        self.w.byte(strings.tags().count() as u8)?;
        for (key, value) in strings.tags() {
            self.strings.write(&mut self.w, Key::of_content(key), key)?;
            self.w.string(value.as_bytes())?;
        }
        Ok(())
    }
}

/// The rate in the event's slot.
pub(super) fn own_rate<const INLINE: usize>(event: &Event<INLINE>) -> u32 {
    u32::from(event.rate())
}

/// The second byte of an event, apart from the direction of its time.
fn extension<const INLINE: usize>(event: &Event<INLINE>, strings: &EventStrings<'_>) -> u8 {
    let priority = match event.priority() {
        Priority::Normal => 0,
        Priority::Low => 1,
        Priority::High => 2,
        Priority::Critical => 3,
    };
    let rate = if event.rate() > 1 { extended::RATE } else { 0 };
    let dynamic = if strings.has_tags() { extended::DYNAMIC } else { 0 };
    priority | rate | dynamic
}
