//! What names mean, as the program describes them: sent among the instruments.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringstat_core::instrument::{Instrument, Mark, Meaning, State, Unit};
use ringstat_core::record::{STRING_LIMIT, Tag};

use crate::identity::short;

/// How often a name can be described otherwise than before.
const CHANGES: usize = 16;

/// What one name means. What was said before is kept, because the worker may be reading it.
#[derive(Debug)]
pub(crate) struct Described {
    name: Box<str>,
    said: boxcar::Vec<Meaning<String>>,
    mark: Mark,
}

impl Described {
    fn new(name: &str) -> Self {
        Self { name: name.into(), said: boxcar::Vec::new(), mark: Mark::new() }
    }

    /// What was said last. Nothing is, before it is in the list.
    fn latest(&self) -> Option<&Meaning<String>> {
        self.said.get(self.said.count().checked_sub(1)?)
    }

    fn say(&self, meaning: Meaning<String>) {
        if self.said.count() < CHANGES && self.latest() != Some(&meaning) {
            self.said.push(meaning);
        }
    }
}

impl Instrument for Described {
    fn name(&self) -> &str {
        &self.name
    }
    fn tag(&self, _: usize) -> Option<(&str, &str)> {
        None
    }
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        None
    }
    fn state(&self) -> State<'_> {
        const NOTHING: &Meaning = &Meaning { unit: Unit::None, text: "" };
        match self.latest() {
            Some(meaning) => State::Description(meaning),
            None => State::Description(NOTHING),
        }
    }
    fn version(&self) -> u32 {
        self.said.count() as u32
    }
    fn mark(&self) -> &Mark {
        &self.mark
    }
}

/// All descriptions, up to a limited number of names.
#[derive(Debug)]
pub(crate) struct Descriptions {
    by_name: Mutex<HashMap<Box<str>, Arc<Described>>>,
    limit: usize,
}

impl Descriptions {
    pub(super) fn new(limit: usize) -> Self {
        Self { by_name: Mutex::new(HashMap::new()), limit }
    }

    /// Describes a name, instead of what was said of it before. Returns what is to be sent from now on, if the name is new.
    /// Beyond the limit, further names have no description, and neither have names that can never be sent.
    pub(super) fn say(&self, name: &str, unit: Unit, text: &str) -> Option<Arc<Described>> {
        let mut by_name = self.lock();
        let is_new = !by_name.contains_key(name);
        if is_new && (by_name.len() >= self.limit || !(1..=STRING_LIMIT).contains(&name.len())) {
            return None;
        }
        let new = || Arc::new(Described::new(name));
        let described = by_name.entry(name.into()).or_insert_with(new);
        described.say(Meaning { unit, text: short(text.to_owned()) });
        is_new.then(|| described.clone())
    }

    /// Takes over what was described in the process that this one was forked from, unless something was being described
    /// there at that very moment. Returns what is to be sent.
    pub(super) fn take_over(&mut self, parent: &Self) -> Vec<Arc<Described>> {
        let Ok(by_name) = parent.by_name.try_lock() else { return Vec::new() };
        self.by_name = Mutex::new(by_name.clone());
        by_name.values().cloned().collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Meaning<String>> {
        self.lock().get(name)?.latest().cloned()
    }

    /// A panic elsewhere leaves nothing half done here, so a poisoned lock is fine.
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Described>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_sent_and_there_is_an_end_to_names_and_changes() {
        let all = Descriptions::new(2);
        let a = all.say("a", Unit::None, "first").unwrap();
        let before = a.version();
        assert!(all.say("a", Unit::None, "first").is_none());
        assert_eq!(a.version(), before, "nothing new was said");
        assert!(all.say("a", Unit::Bytes, "second").is_none());
        assert_ne!(a.version(), before);
        let second = Meaning { unit: Unit::Bytes, text: "second".to_owned() };
        assert_eq!(all.get("a"), Some(second));
        assert!(all.say("", Unit::None, "x").is_none() && all.get("").is_none());
        assert!(all.say("b", Unit::None, &"\u{e9}".repeat(200)).is_some());
        assert_eq!(all.get("b").unwrap().text.len(), 254, "cut between characters");
        assert!(all.say("c", Unit::None, "x").is_none() && all.get("c").is_none());
        for n in 0..100 {
            all.say("a", Unit::None, &n.to_string());
        }
        assert_eq!(a.version(), CHANGES as u32);
    }
}
