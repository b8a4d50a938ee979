//! Strings that are read at run time and made `'static`.
//!
//! Events name static strings and static tag sets, so that recording copies nothing. What the command reads from a file
//! is therefore kept until it exits: each distinct string and tag set once, and all together within a limit. This suits
//! a command that runs once; a service names its metrics at compile time or interns them.

use std::collections::HashSet;

use ringstat_core::record::Tag;

/// The largest amount kept, in bytes: enough for about a million names and tag sets.
const LIMIT: usize = 256 << 20;

/// There is no room for another string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// The strings and tag sets seen so far.
pub(crate) struct Names {
    strings: HashSet<&'static str>,
    sets: HashSet<&'static [Tag]>,
    room: usize,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self::with_room(LIMIT)
    }

    fn with_room(room: usize) -> Self {
        Self { strings: HashSet::new(), sets: HashSet::new(), room }
    }

    /// A static copy of `text`: the same address each time.
    pub(crate) fn string(&mut self, text: &str) -> Result<&'static str, Full> {
        if let Some(kept) = self.strings.get(text) {
            return Ok(kept);
        }
        self.take(text.len() + size_of::<&str>())?;
        let kept = Box::leak(Box::<str>::from(text));
        self.strings.insert(kept);
        Ok(kept)
    }

    /// A static copy of a list of tags: the same address each time.
    pub(crate) fn tags<'a>(
        &mut self,
        tags: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<&'static [Tag], Full> {
        let tags: Vec<Tag> = tags
            .into_iter()
            .map(|(key, value)| Ok((self.string(key)?, self.string(value)?)))
            .collect::<Result<_, _>>()?;
        if let Some(kept) = self.sets.get(tags.as_slice()) {
            return Ok(kept);
        }
        self.take(size_of_val(tags.as_slice()) + size_of::<&[Tag]>())?;
        let kept = Box::leak(tags.into_boxed_slice());
        self.sets.insert(kept);
        Ok(kept)
    }

    fn take(&mut self, bytes: usize) -> Result<(), Full> {
        self.room = self.room.checked_sub(bytes).ok_or(Full)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_and_sets_are_kept_once() {
        let mut names = Names::new();
        let first = names.string("http.requests").unwrap();
        let second = names.string(&String::from("http.requests")).unwrap();
        assert!(std::ptr::eq(first, second));
        let set = |names: &mut Names| names.tags([("route", "/a"), ("code", "200")]).unwrap();
        assert!(std::ptr::eq(set(&mut names), set(&mut names)));
        assert_ne!(set(&mut names), names.tags([("code", "200"), ("route", "/a")]).unwrap());
    }

    #[test]
    fn room_is_bounded_and_what_is_kept_stays_usable() {
        let mut names = Names::with_room(100);
        let kept = names.string("kept").unwrap();
        assert_eq!(names.string(&"n".repeat(100)), Err(Full));
        assert_eq!(names.string("kept"), Ok(kept));
    }
}
