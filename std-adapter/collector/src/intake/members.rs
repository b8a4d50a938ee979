//! Distinguishes the members of sets by hashes with a secret key.

use std::hash::{BuildHasher, RandomState};

use siphasher::sip::SipHasher13;

/// The key for hashing the members of sets. It is secret, so that nobody can choose members that collide, and saved
/// with the sets, so that members are recognized after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MemberKey(u64, u64);

impl MemberKey {
    /// Creates a random key.
    pub(crate) fn random() -> Self {
        Self(RandomState::new().hash_one(0), RandomState::new().hash_one(1))
    }

    /// Restores a saved key.
    pub(crate) const fn of((a, b): (u64, u64)) -> Self {
        Self(a, b)
    }

    /// Returns the key to save.
    pub(crate) const fn parts(self) -> (u64, u64) {
        (self.0, self.1)
    }

    pub(super) fn hash(&self, member: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.0, self.1).hash(member)
    }
}
