//! Series that are asked for by text alone, as lines of StatsD do.

use super::series::Key;
use super::{Cache, Series, Store, Wanted};
use crate::memory::Room;
use crate::series::Class;

/// A series that was found, and can be found again without looking for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) place: u32,
    /// The number of the series among all that were made, as others may have its place after it.
    pub(crate) born: u32,
    /// Whether it is the series that was asked for, and not one that takes what is beyond a limit.
    pub(crate) is_own: bool,
}

impl Store {
    /// As [`series`](Self::series), for names and tags that have no numbers in a datagram.
    pub(crate) fn series_of_text(
        &mut self,
        cache: &mut Cache,
        room: &mut Room<'_>,
        wanted: Wanted<'_, [(&str, &str)]>,
    ) -> Option<Found> {
        let made = self.made;
        let (place, is_own) = match self.find_text(&wanted) {
            Some(place) => (place, true),
            None => {
                let place = self.admit(cache, room, wanted)?;
                // If none was made, or one for what is beyond a limit, it is not the one that was asked for.
                (place, self.made > made && self.find_text(&wanted) == Some(place))
            }
        };
        let born = self.at(place)?.born;
        Some(Found { place, born, is_own })
    }

    fn find_text(&self, wanted: &Wanted<'_, [(&str, &str)]>) -> Option<u32> {
        let Wanted { sender, name: (_, name), tags, class, unit, .. } = *wanted;
        let mut text = String::new();
        let members = tags.iter().map(|tag| self.tag_sets.find_tag(*tag, &mut text));
        let mut members: Vec<u32> = members.collect::<Option<_>>()?;
        members.sort_unstable();
        let (name, tags) = (self.names.find(name)?, self.tag_sets.find(&members)?);
        self.find(Key { sender, name, tags, class, unit })
    }

    /// Where a value of a series that was found is stored: there, or in what adds up that series and others, and whether
    /// it is the latter. Both are about to change.
    #[inline]
    pub(crate) fn storing(&mut self, found: Found, now_ms: u64) -> Option<(&mut Series, bool)> {
        let series = self.again(found)?;
        series.seen_ms = now_ms;
        let group = series.group().filter(|_| series.class != Class::Gauge);
        let Some(place) = group else { return Some((self.at(found.place)?, false)) };
        if !self.changes.knows(place) {
            self.before_change(place);
        }
        let group = self.at(place)?;
        group.seen_ms = now_ms;
        Some((group, true))
    }

    /// Whether a series that was found is still there.
    #[inline]
    pub(crate) fn is_still(&self, found: Found) -> bool {
        let series = self.series.get(found.place as usize).and_then(Option::as_ref);
        series.is_some_and(|series| series.born == found.born)
    }

    /// A series that was found, which is about to change.
    #[inline]
    pub(crate) fn again(&mut self, found: Found) -> Option<&mut Series> {
        if !self.changes.knows(found.place) {
            self.before_change(found.place);
        }
        self.at(found.place).filter(|series| series.born == found.born)
    }
}
