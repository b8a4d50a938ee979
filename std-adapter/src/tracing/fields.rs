//! The values of chosen fields, as text on the stack.

use std::fmt::{self, Write};
use std::ops::Range;

use heapless::String;
use tracing_core::field::{Field, Visit};

/// The largest number of fields that can become tags.
pub(super) const FIELDS_MAX: usize = 8;

/// The room for all of their values, in bytes.
const TEXT_MAX: usize = 1024;

/// The values of the chosen fields in a span or an event.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    chosen: &'a [&'static str],
    text: String<TEXT_MAX>,
    /// Where the value of each chosen field is in the text.
    values: [Option<Range<usize>>; FIELDS_MAX],
    too_long: bool,
}

/// Values that are kept for an open span: one for each chosen field, or none.
pub(super) type Values = Box<[Option<Box<str>>]>;

impl<'a> Fields<'a> {
    pub(super) fn new(chosen: &'a [&'static str]) -> Self {
        Self { chosen, text: String::new(), values: Default::default(), too_long: false }
    }

    /// Whether none of the chosen fields has a value.
    pub(super) fn is_empty(&self) -> bool {
        !self.too_long && self.values.iter().all(Option::is_none)
    }

    /// Whether a value was left out for lack of room.
    pub(super) fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// The value of each chosen field.
    pub(super) fn values(&self) -> impl Iterator<Item = Option<&str>> {
        let of = |range: &Option<Range<usize>>| range.clone().map(|range| &self.text[range]);
        self.values[..self.chosen.len()].iter().map(of)
    }

    /// Iterates over the fields that have a value, with their values.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.chosen.iter().zip(self.values());
        named.filter_map(|(name, value)| Some((*name, value?)))
    }

    /// Adopts earlier values for the fields that have none.
    pub(super) fn fill_up(&mut self, known: &Values) {
        for (index, value) in known.iter().enumerate() {
            if let Some(value) = value.as_ref().filter(|_| self.values[index].is_none()) {
                self.set(index, |text| text.write_str(value));
            }
        }
    }

    fn set(&mut self, index: usize, write: impl FnOnce(&mut String<TEXT_MAX>) -> fmt::Result) {
        let start = self.text.len();
        match write(&mut self.text) {
            Ok(()) => self.values[index] = Some(start..self.text.len()),
            Err(fmt::Error) => {
                self.text.truncate(start);
                self.too_long = true;
            }
        }
    }

    fn visit(&mut self, field: &Field, write: impl FnOnce(&mut String<TEXT_MAX>) -> fmt::Result) {
        if let Some(index) = self.chosen.iter().position(|name| *name == field.name()) {
            self.set(index, write);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.visit(field, |text| text.write_str(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.visit(field, |text| write!(text, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.visit(field, |text| write!(text, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.visit(field, |text| write!(text, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.visit(field, |text| write!(text, "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.visit(field, |text| write!(text, "{value:?}"));
    }
}
