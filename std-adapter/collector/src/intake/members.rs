//! How members of sets are told apart: by hashes with a secret key.

use std::hash::{BuildHasher, RandomState};

use siphasher::sip::SipHasher13;

/// What members of sets are hashed with. Secret, so that nobody can choose members that look alike; and kept with the sets,
/// so that they are known again after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MemberKey(u64, u64);

impl MemberKey {
    /// One that nobody knows.
    pub(crate) fn random() -> Self {
        Self(RandomState::new().hash_one(0), RandomState::new().hash_one(1))
    }

    /// One that was kept.
    pub(crate) const fn of((a, b): (u64, u64)) -> Self {
        Self(a, b)
    }

    /// To be kept.
    pub(crate) const fn parts(self) -> (u64, u64) {
        (self.0, self.1)
    }

    pub(super) fn hash(&self, member: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.0, self.1).hash(member)
    }
}
