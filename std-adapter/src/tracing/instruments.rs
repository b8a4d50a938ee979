//! A map from a callsite and the values of its chosen fields to an instrument.

use std::hash::{BuildHasher, Hash, Hasher};

use boxcar::Vec as AppendOnly;
use foldhash::fast::RandomState;
use tracing_core::Metadata;

use super::fields::{Fields, Values};
use crate::client::Client;
use crate::process::PerProcess;
use crate::registry::{OwnedCounter, OwnedHistogram, Table};

/// An instrument that a client makes at run time.
pub(super) trait Make: Sized {
    fn make(client: &Client, name: &str, tags: &[(&str, &str)]) -> Self;
}

impl Make for OwnedCounter {
    fn make(client: &Client, name: &str, tags: &[(&str, &str)]) -> Self {
        client.counter(name, tags)
    }
}

impl Make for OwnedHistogram {
    fn make(client: &Client, name: &str, tags: &[(&str, &str)]) -> Self {
        client.histogram(name, tags)
    }
}

/// The instruments under one name, numbered so that an open span can refer to its own.
#[derive(Debug)]
pub(super) struct Instruments<I> {
    name: &'static str,
    hasher: RandomState,
    numbers: Table<Key, usize>,
    instruments: AppendOnly<Numbered<I>>,
    /// The number of the instrument for whatever has no place in the table.
    overflow: PerProcess<usize>,
}

/// What distinguishes two instruments.
#[derive(Clone, Debug)]
struct Key {
    metadata: &'static Metadata<'static>,
    values: Values,
}

#[derive(Debug)]
struct Numbered<I> {
    instrument: I,
    /// `None` for the overflow instrument.
    key: Option<Key>,
}

impl Key {
    fn is(&self, metadata: &Metadata<'_>, fields: &Fields<'_>) -> bool {
        self.metadata.callsite() == metadata.callsite()
            && self.values.iter().map(Option::as_deref).eq(fields.values())
    }
}

impl<I: Make> Instruments<I> {
    pub(super) fn new(name: &'static str, limit: usize) -> Self {
        Self {
            name,
            hasher: RandomState::default(),
            numbers: Table::new(limit),
            instruments: AppendOnly::new(),
            overflow: PerProcess::new(),
        }
    }

    /// The number of the instrument for these values, which is made if necessary; its first tag names the level or the
    /// span. `None` in a child without a client.
    #[inline]
    pub(super) fn find(
        &self,
        client: &Client,
        metadata: &'static Metadata<'static>,
        fields: &Fields<'_>,
        first: (&str, &str),
    ) -> Option<usize> {
        let hash = self.hash(metadata, fields);
        match self.numbers.get(hash, |key| key.is(metadata, fields)) {
            Some(number) if !fields.is_too_long() => Some(*number),
            _ => self.make(client, hash, metadata, fields, first),
        }
    }

    #[cold]
    fn make(
        &self,
        client: &Client,
        hash: u64,
        metadata: &'static Metadata<'static>,
        fields: &Fields<'_>,
        first: (&str, &str),
    ) -> Option<usize> {
        let shared = client.shared()?;
        let make = || {
            let own = [first, ("target", metadata.target())];
            let tags: Vec<_> = own.into_iter().chain(fields.tags()).collect();
            let instrument = I::make(client, self.name, &tags);
            let values = fields.values().map(|value| value.map(Into::into)).collect();
            let key = Key { metadata, values };
            let number = self.instruments.push(Numbered { instrument, key: Some(key.clone()) });
            (key, number)
        };
        if !fields.is_too_long()
            && let Some(number) =
                self.numbers.get_or_add(hash, |key| key.is(metadata, fields), make)
        {
            return Some(*number);
        }
        if let Some(overflow) = self.overflow.get() {
            shared.registry.refuse();
            return Some(*overflow);
        }
        // For an empty name the registry returns the overflow series, and counts the request.
        let overflow = || {
            let instrument = I::make(client, "", &[]);
            self.instruments.push(Numbered { instrument, key: None })
        };
        Some(*self.overflow.get_or(overflow))
    }

    /// The instrument with a number that [`find`](Self::find) returned.
    #[inline]
    pub(super) fn handle(&self, number: usize) -> &I {
        &self.instruments[number].instrument
    }

    /// The callsite and the values of a number; `None` for the overflow instrument.
    pub(super) fn key(&self, number: usize) -> Option<(&'static Metadata<'static>, &Values)> {
        let key = self.instruments[number].key.as_ref()?;
        Some((key.metadata, &key.values))
    }

    fn hash(&self, metadata: &Metadata<'_>, fields: &Fields<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        metadata.callsite().hash(&mut hasher);
        fields.values().for_each(|value| value.hash(&mut hasher));
        hasher.finish()
    }
}
