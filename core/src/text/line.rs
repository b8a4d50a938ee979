//! One line: `name:value|type|@rate|#key:value,…|Tsecond`.

use super::clean::{escaped_length, write_escaped};
use super::encoder::Lines;
use super::{Dialect, number};
use crate::format::Refused;
use crate::instrument::{Instrument, Unit};
use crate::record::{Content, Event, EventStrings, Kind, Name, Priority, Resolve, Tag, Value};
use crate::wire::cursor::{NoRoom, Writer};

impl<S, const SLOTS: usize, const ARENA: usize> Lines<'_, S, SLOTS, ARENA> {
    #[inline]
    pub(super) fn write_event<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
    ) -> Result<(), Refused> {
        let kind = event.kind();
        if kind == Kind::Event {
            return self.write_happening(event, names);
        }
        let strings = Self::strings(event, names)?;
        let content = match &strings {
            Some(strings) => event.content_in(strings),
            None => event.content(),
        };
        if self.dialect == Dialect::StatsD
            && let Content::Number(value) = content
            && number::is_negative(value)
        {
            match kind {
                // A gauge with a sign would be taken for a change of its value.
                Kind::Gauge => {
                    self.write_event_name(event, names)?;
                    self.w.bytes(b":0|g")?;
                    self.write_event_tags(event, strings.as_ref())?;
                    self.w.byte(b'\n')?;
                }
                Kind::Timing | Kind::Distribution => return Err(Refused::Unsupported),
                Kind::Counter | Kind::Set | Kind::Event => {}
            }
        }
        self.write_event_name(event, names)?;
        self.w.byte(b':')?;
        match content {
            Content::Number(value) => number::write(&mut self.w, value)?,
            Content::Text(member) => self.write_member(kind, member)?,
            Content::Symbol(member) => {
                let member = names.resolve(member).ok_or(Refused::UnknownSymbol)?;
                self.write_member(kind, member)?;
            }
        }
        let rate = u64::from(event.rate());
        match kind {
            Kind::Counter => self.w.bytes(b"|c")?,
            Kind::Gauge => self.w.bytes(b"|g")?,
            Kind::Distribution if self.dialect == Dialect::DogStatsD => self.w.bytes(b"|d")?,
            Kind::Timing | Kind::Distribution => self.w.bytes(b"|ms")?,
            Kind::Set | Kind::Event => self.w.bytes(b"|s")?,
        }
        // Whether the line may have a rate (gauges and members of sets stand for themselves), and a time.
        let (has_rate, has_time) = match kind {
            Kind::Counter => (true, true),
            Kind::Gauge => (false, true),
            Kind::Timing | Kind::Distribution => (true, false),
            Kind::Set | Kind::Event => (false, false),
        };
        if has_rate && rate > 1 {
            self.write_rate(rate)?;
        }
        self.write_event_tags(event, strings.as_ref())?;
        if has_time && rate == 1 {
            self.write_second(event.time().wrapping_add(self.shift))?;
        }
        Ok(())
    }

    pub(super) fn write_counter(
        &mut self,
        counter: &dyn Instrument,
        growth: u64,
    ) -> Result<(), Refused> {
        self.write_instrument_name(counter)?;
        self.w.byte(b':')?;
        number::write_u64(&mut self.w, growth)?;
        self.w.bytes(b"|c")?;
        self.write_instrument_tags(counter)?;
        Ok(self.write_second(self.now)?)
    }

    pub(super) fn write_gauge(
        &mut self,
        gauge: &dyn Instrument,
        level: Value,
    ) -> Result<(), Refused> {
        if self.dialect == Dialect::StatsD && number::is_negative(level) {
            self.write_instrument_name(gauge)?;
            self.w.bytes(b":0|g")?;
            self.write_instrument_tags(gauge)?;
            self.w.byte(b'\n')?;
        }
        self.write_instrument_name(gauge)?;
        self.w.byte(b':')?;
        number::write(&mut self.w, level)?;
        self.w.bytes(b"|g")?;
        self.write_instrument_tags(gauge)?;
        Ok(self.write_second(self.now)?)
    }

    /// Writes a line for `growth` more values around `middle`.
    pub(super) fn write_bucket(
        &mut self,
        histogram: &dyn Instrument,
        middle: f64,
        growth: u64,
    ) -> Result<(), Refused> {
        let to_millis = match histogram.unit() {
            Unit::Nanoseconds => Some(1e6),
            Unit::Microseconds => Some(1e3),
            Unit::Milliseconds => Some(1.0),
            _ => None,
        };
        self.write_instrument_name(histogram)?;
        self.w.byte(b':')?;
        number::write(&mut self.w, Value::F64(middle / to_millis.unwrap_or(1.0)))?;
        let millis = to_millis.is_some() || self.dialect == Dialect::StatsD;
        self.w.bytes(if millis { b"|ms" } else { b"|d" })?;
        if growth > 1 {
            self.write_rate(growth)?;
        }
        Ok(self.write_instrument_tags(histogram)?)
    }

    /// Writes an event: `_e{length,length}:title|text|d:second|p:low|#key:value,…`
    #[cold]
    fn write_happening<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
    ) -> Result<(), Refused> {
        if self.dialect == Dialect::StatsD {
            return Err(Refused::Unsupported);
        }
        let title = match event.name() {
            Name::Static(name) => name,
            Name::Interned(symbol) => names.resolve(symbol).ok_or(Refused::UnknownSymbol)?,
        };
        let mut digits = [0; 40]; // the longest number has 25
        let strings = Self::strings(event, names)?;
        let content = match &strings {
            Some(strings) => event.content_in(strings),
            None => event.content(),
        };
        let text = match content {
            Content::Number(value) => {
                let mut w = Writer::new(&mut digits);
                number::write(&mut w, value)?;
                let length = w.position();
                core::str::from_utf8(&digits[..length]).map_err(|_| Refused::Unsupported)?
            }
            Content::Text(text) => text,
            Content::Symbol(symbol) => names.resolve(symbol).ok_or(Refused::UnknownSymbol)?,
        };
        self.w.bytes(b"_e{")?;
        number::write_u64(&mut self.w, escaped_length(title) as u64)?;
        self.w.byte(b',')?;
        number::write_u64(&mut self.w, escaped_length(text) as u64)?;
        self.w.bytes(b"}:")?;
        write_escaped(&mut self.w, title, self.altered)?;
        self.w.byte(b'|')?;
        write_escaped(&mut self.w, text, self.altered)?;
        if let Some(per_second) = self.per_second {
            self.w.bytes(b"|d:")?;
            number::write_u64(&mut self.w, event.time().wrapping_add(self.shift) / per_second)?;
        }
        if event.priority() == Priority::Low {
            self.w.bytes(b"|p:low")?;
        }
        Ok(self.write_event_tags(event, strings.as_ref())?)
    }

    /// The text and dynamic tags of an event, or `None` if it has neither, as most have.
    #[inline]
    fn strings<'e, const INLINE: usize>(
        event: &'e Event<INLINE>,
        names: &'e impl Resolve,
    ) -> Result<Option<EventStrings<'e>>, Refused> {
        if event.is_bare() {
            return Ok(None);
        }
        event.strings(names).map(Some).ok_or(Refused::UnknownSymbol)
    }

    #[inline]
    fn write_event_name<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
    ) -> Result<(), Refused> {
        match event.name() {
            Name::Static(name) => self.write_static_name(name)?,
            Name::Interned(symbol) => {
                let name = names.resolve(symbol).ok_or(Refused::UnknownSymbol)?;
                self.word.write(&mut self.w, name, self.altered)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn write_static_name(&mut self, name: &'static str) -> Result<(), NoRoom> {
        if self.checked.has_name(name) {
            return self.w.bytes(name.as_bytes());
        }
        if self.word.allows(name) {
            self.checked.add_name(name);
        }
        self.word.write(&mut self.w, name, self.altered)
    }

    fn write_instrument_name(&mut self, instrument: &dyn Instrument) -> Result<(), Refused> {
        if instrument.name().is_empty() {
            return Err(Refused::Unsupported);
        }
        match instrument.static_identity() {
            Some((name, _)) => self.write_static_name(name)?,
            None => self.word.write(&mut self.w, instrument.name(), self.altered)?,
        }
        Ok(())
    }

    /// Writes the member of a set; no other kind can be a text.
    fn write_member(&mut self, kind: Kind, member: &str) -> Result<(), Refused> {
        if kind != Kind::Set || member.is_empty() {
            return Err(Refused::Unsupported);
        }
        Ok(self.word.write(&mut self.w, member, self.altered)?)
    }

    #[inline]
    fn write_event_tags<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        strings: Option<&EventStrings<'_>>,
    ) -> Result<(), NoRoom> {
        let tags = event.tags();
        if !tags.is_empty() {
            self.write_static_tags(tags)?;
        }
        let Some(strings) = strings else { return Ok(()) };
        let mut first = tags.is_empty();
        for (key, value) in strings.tags() {
            self.write_tag(core::mem::take(&mut first), key, value)?;
        }
        Ok(())
    }

    fn write_instrument_tags(&mut self, instrument: &dyn Instrument) -> Result<(), NoRoom> {
        if let Some((_, tags)) = instrument.static_identity() {
            return if tags.is_empty() { Ok(()) } else { self.write_static_tags(tags) };
        }
        for index in 0.. {
            let Some((key, value)) = instrument.tag(index) else { break };
            self.write_tag(index == 0, key, value)?;
        }
        Ok(())
    }

    #[inline]
    fn write_static_tags(&mut self, tags: &'static [Tag]) -> Result<(), NoRoom> {
        match self.checked.set(tags) {
            Some(written) => self.w.bytes(written),
            None => self.write_new_tags(tags),
        }
    }

    #[cold]
    fn write_new_tags(&mut self, tags: &'static [Tag]) -> Result<(), NoRoom> {
        let (start, altered) = (self.w.position(), *self.altered);
        for (index, (key, value)) in tags.iter().enumerate() {
            self.write_tag(index == 0, key, value)?;
        }
        // An altered string is counted each time, so it is not remembered.
        if *self.altered == altered {
            self.checked.add_set(tags, &self.w.written()[start..]);
        }
        Ok(())
    }

    /// Writes a tag. A tag without a value is written as its key alone.
    fn write_tag(&mut self, first: bool, key: &str, value: &str) -> Result<(), NoRoom> {
        self.w.bytes(if first { b"|#" } else { b"," })?;
        self.word.write(&mut self.w, if key.is_empty() { "_" } else { key }, self.altered)?;
        if !value.is_empty() {
            self.w.byte(b':')?;
            self.value.write(&mut self.w, value, self.altered)?;
        }
        Ok(())
    }

    fn write_rate(&mut self, rate: u64) -> Result<(), NoRoom> {
        self.w.bytes(b"|@")?;
        self.rate.write(&mut self.w, rate)
    }

    #[inline]
    fn write_second(&mut self, time: u64) -> Result<(), NoRoom> {
        match self.per_second {
            Some(per_second) if self.timestamps => {
                self.w.bytes(b"|T")?;
                number::write_u64(&mut self.w, time / per_second)
            }
            _ => Ok(()),
        }
    }
}
