//! The identity of an instrument made at run time.

/// A name with its tags, sorted.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) name: Box<str>,
    pub(super) tags: Box<[(Box<str>, Box<str>)]>,
}

impl Key {
    pub(super) fn new(name: &str, tags: &[(&str, &str)]) -> Self {
        let mut tags: Vec<_> = tags.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        tags.sort_unstable();
        Self { name: name.into(), tags: tags.into() }
    }

    /// Whether an instrument with this key can be sent.
    pub(super) fn is_valid(&self) -> bool {
        let fits = |s: &str| s.len() <= 255;
        let tags = self.tags.len() <= 255 && self.tags.iter().all(|(k, v)| fits(k) && fits(v));
        !self.name.is_empty() && fits(&self.name) && tags
    }
}
