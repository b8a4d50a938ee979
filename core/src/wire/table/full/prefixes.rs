//! The strings that a sender has met, in a tree that knows the common prefix of any two of them.
//!
//! It is a crit-bit tree: each inner node stands for the first bit in which the strings below it differ. Nodes for bits
//! of the same byte make one fork, and forks are what matters here: a fork is stamped once a string below it has been
//! defined in the present datagram, so on the way up from a string, the first stamped fork names the earlier string
//! that shares most with it. Stamping ends at that fork as well: a datagram visits each fork once, however many strings
//! it defines, and compares no bytes. The tree outlives the datagram, because a program records the same names again
//! and again.

use crate::wire::sixbit;

/// "No node", "no leaf", "no parent".
pub(super) const NONE: u16 = u16::MAX;
/// Marks a child that is a leaf.
const LEAF: u16 = 0x8000;

/// The index of a string in the present datagram, if `generation` is that of the datagram.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) generation: u16,
    pub(super) index: u16,
}

impl Stamp {
    /// No datagram has this generation.
    pub(super) const NEVER: Self = Self { generation: 0, index: 0 };
}

#[derive(Clone, Copy)]
struct Leaf {
    at: u16,
    length: u8,
    /// Whether the string can be packed.
    fits: bool,
    parent: u16,
    fork: u16,
    stamp: Stamp,
}

const UNBORN: Leaf =
    Leaf { at: 0, length: 0, fits: false, parent: NONE, fork: NONE, stamp: Stamp::NEVER };

#[derive(Clone, Copy)]
struct Node {
    /// Sixteen times the byte, plus the distance of the bit from the top: a deeper node has a larger number.
    depth: u16,
    parent: u16,
    children: [u16; 2],
    fork: u16,
}

/// Where strings diverge: all nodes of one byte.
#[derive(Clone, Copy)]
struct Fork {
    /// How many bytes the strings below the fork have in common.
    shared: u16,
    above: u16,
    /// The first string below the fork that the datagram defines.
    stamp: Stamp,
}

/// A tree of at most `N` strings with at most `ARENA` bytes.
pub(super) struct Prefixes<const N: usize, const ARENA: usize> {
    leaves: [Leaf; N],
    /// The inner nodes. Each leaf brings the node with the same number, except the first leaf, which brings none.
    nodes: [Node; N],
    forks: [Fork; N],
    count: u16,
    forked: u16,
    used: u16,
    root: u16,
    arena: [u8; ARENA],
}

impl<const N: usize, const ARENA: usize> Prefixes<N, ARENA> {
    pub(super) const fn new() -> Self {
        const { assert!(N < LEAF as usize && ARENA <= u16::MAX as usize) };
        let node = Node { depth: 0, parent: NONE, children: [NONE; 2], fork: NONE };
        let fork = Fork { shared: 0, above: NONE, stamp: Stamp::NEVER };
        Self {
            leaves: [UNBORN; N],
            nodes: [node; N],
            forks: [fork; N],
            count: 0,
            forked: 0,
            used: 0,
            root: NONE,
            arena: [0; ARENA],
        }
    }

    /// Forgets all strings.
    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.forked = 0;
        self.used = 0;
        self.root = NONE;
    }

    /// The bytes of a string.
    #[inline]
    pub(super) fn text(&self, leaf: u16) -> &[u8] {
        self.tail(leaf).map_or(&[], |(tail, length)| &tail[..length])
    }

    /// A string's bytes with whatever follows them in the arena, and how many of them are its own.
    #[inline]
    pub(super) fn tail(&self, leaf: u16) -> Option<(&[u8], usize)> {
        let leaf = self.leaves.get(usize::from(leaf))?;
        let tail = self.arena.get(usize::from(leaf.at)..)?;
        (tail.len() >= usize::from(leaf.length)).then_some((tail, usize::from(leaf.length)))
    }

    /// Whether a string can be packed.
    #[inline]
    pub(super) fn fits(&self, leaf: u16) -> Option<bool> {
        self.leaves.get(usize::from(leaf)).map(|leaf| leaf.fits)
    }

    /// The index of a string in the datagram of this generation, if it is defined there.
    #[inline]
    pub(super) fn index(&self, leaf: u16, generation: u16) -> Option<u16> {
        let stamp = self.leaves.get(usize::from(leaf))?.stamp;
        (stamp.generation == generation).then_some(stamp.index)
    }

    /// Notes that the present datagram defines a string. Returns the earlier string that shares most with it, the first
    /// one if there are several, and how many bytes they share, cut at a character boundary.
    #[inline]
    pub(super) fn define(&mut self, leaf: u16, stamp: Stamp) -> (u16, usize) {
        let Some(leaf) = self.leaves.get_mut(usize::from(leaf)) else { return (0, 0) };
        leaf.stamp = stamp;
        let at = usize::from(leaf.at);
        let mut up = leaf.fork;
        while let Some(fork) = self.forks.get_mut(usize::from(up)) {
            if fork.stamp.generation == stamp.generation {
                let (index, shared) = (fork.stamp.index, usize::from(fork.shared));
                // A continuation byte does not begin a character.
                return match self.arena.get(at + shared) {
                    Some(byte) if byte & 0xC0 == 0x80 => self.cut(up, at, shared),
                    _ => (index, shared),
                };
            }
            fork.stamp = stamp;
            up = fork.above;
        }
        (0, 0)
    }

    /// The fork, from `up` on, at which the string at `at` diverges from others at the end of a character.
    #[cold]
    fn cut(&self, up: u16, at: usize, mut shared: usize) -> (u16, usize) {
        let within = |shared: usize| self.arena.get(at + shared).is_some_and(|b| b & 0xC0 == 0x80);
        while shared > 0 && within(shared) {
            shared -= 1;
        }
        // Forks higher up may also come before the cut, with strings that were defined earlier.
        let mut fork = self.forks[usize::from(up)];
        while let Some(above) = self.forks.get(usize::from(fork.above))
            && usize::from(above.shared) >= shared
        {
            fork = *above;
        }
        (fork.stamp.index, shared)
    }

    /// The leaf of a string, which is added if it is new. `None` if there is no room.
    pub(super) fn learn(&mut self, text: &[u8]) -> Option<u16> {
        let length = u8::try_from(text.len()).ok()?;
        let (found, shared) = self.nearest(text);
        if found != NONE && shared == text.len() && self.text(found).len() == shared {
            return Some(found);
        }
        let new = self.count;
        let slot = usize::from(new);
        let at = usize::from(self.used);
        let room = self.arena.get_mut(at..at + text.len())?;
        let leaf = self.leaves.get_mut(slot)?;
        room.copy_from_slice(text);
        *leaf = Leaf { at: at as u16, length, fits: sixbit::fits(text), ..UNBORN };
        self.count += 1;
        self.used += text.len() as u16;
        if found == NONE {
            self.root = new | LEAF;
        } else {
            self.insert(new, found, text, shared);
        }
        Some(new)
    }

    /// Inserts the node of `new` where it diverges from `found`, with which it shares `shared` bytes.
    fn insert(&mut self, new: u16, found: u16, text: &[u8], shared: usize) {
        let (ours, theirs) = (symbol(text, shared), symbol(self.text(found), shared));
        let from_top = (ours ^ theirs).leading_zeros() as u16;
        let depth = (shared as u16) << 4 | from_top;
        let mut below = found | LEAF;
        let mut parent = self.leaves[usize::from(found)].parent;
        while let Some(node) = self.nodes.get(usize::from(parent))
            && node.depth > depth
        {
            (below, parent) = (parent, node.parent);
        }
        let fork = self.fork(shared as u16, below, parent);
        let side = side(ours, depth);
        let mut children = [below; 2];
        children[side] = new | LEAF;
        self.nodes[usize::from(new)] = Node { depth, parent, children, fork };
        self.leaves[usize::from(new)].parent = new;
        self.leaves[usize::from(new)].fork = fork;
        self.adopt(below, new);
        match self.nodes.get_mut(usize::from(parent)) {
            Some(node) => node.children[usize::from(node.children[1] == below)] = new,
            None => self.root = new,
        }
    }

    /// The fork at a byte, between `below` and `parent`: the one that either of them has, or a new one.
    fn fork(&mut self, shared: u16, below: u16, parent: u16) -> u16 {
        let of_node =
            |nodes: &[Node; N], node: u16| nodes.get(usize::from(node)).map_or(NONE, |n| n.fork);
        let above = of_node(&self.nodes, parent);
        let at_byte =
            |fork: u16| self.forks.get(usize::from(fork)).is_some_and(|f| f.shared == shared);
        if at_byte(above) {
            return above;
        }
        let new = self.forked;
        let under = of_node(&self.nodes, below);
        let stamp = if below & LEAF != 0 {
            let leaf = &mut self.leaves[usize::from(below & !LEAF)];
            leaf.fork = new;
            leaf.stamp
        } else if at_byte(under) {
            return under;
        } else {
            let fork = &mut self.forks[usize::from(under)];
            fork.above = new;
            fork.stamp
        };
        self.forks[usize::from(new)] = Fork { shared, above, stamp };
        self.forked += 1;
        new
    }

    fn adopt(&mut self, child: u16, parent: u16) {
        if child & LEAF != 0 {
            self.leaves[usize::from(child & !LEAF)].parent = parent;
        } else {
            self.nodes[usize::from(child)].parent = parent;
        }
    }

    /// The string that shares most with `text`, and how many bytes they share. [`NONE`] if the tree is empty.
    fn nearest(&self, text: &[u8]) -> (u16, usize) {
        let mut at = self.root;
        if at == NONE {
            return (NONE, 0);
        }
        while at & LEAF == 0 {
            let node = &self.nodes[usize::from(at)];
            at = node.children[side(symbol(text, usize::from(node.depth >> 4)), node.depth)];
        }
        let leaf = at & !LEAF;
        (leaf, common_prefix(self.text(leaf), text))
    }
}

/// The byte at a position, distinguishable from the end of the string.
#[inline]
fn symbol(text: &[u8], at: usize) -> u16 {
    text.get(at).map_or(0, |b| u16::from(*b) + 1)
}

/// The child to which a symbol belongs.
#[inline]
fn side(symbol: u16, depth: u16) -> usize {
    usize::from(symbol >> (15 - (depth & 15)) & 1)
}

/// How many bytes two strings have in common at their beginning.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        /// Compared with the straightforward way: with every earlier string in turn.
        #[test]
        fn the_longest_shared_prefix_is_found(
            words in proptest::collection::vec("[ab.é\\x00]{0,6}", 1..40),
            uses in proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>()), 0..60),
        ) {
            let mut tree: Prefixes<64, 1024> = Prefixes::new();
            let mut earlier: Vec<&String> = Vec::new();
            let mut generation = 1;
            for (index, next) in &uses {
                if *next {
                    generation += 1;
                    earlier.clear();
                }
                let word = index.get(&words);
                let leaf = tree.learn(word.as_bytes()).unwrap();
                prop_assert_eq!(tree.text(leaf), word.as_bytes());
                if let Some(known) = tree.index(leaf, generation) {
                    prop_assert_eq!(earlier[usize::from(known)], word);
                    continue;
                }
                prop_assert!(!earlier.contains(&word));
                let most = earlier.iter().map(|e| common_prefix(e.as_bytes(), word.as_bytes())).max();
                let mut most = most.unwrap_or(0);
                while !word.is_char_boundary(most) {
                    most -= 1;
                }
                let stamp = Stamp { generation, index: earlier.len() as u16 };
                let (like, shared) = tree.define(leaf, stamp);
                prop_assert_eq!(shared, most);
                if shared > 0 {
                    let first = earlier.iter().position(|e| e.starts_with(&word[..shared]));
                    prop_assert_eq!(first, Some(usize::from(like)));
                }
                earlier.push(word);
            }
        }
    }

    #[test]
    fn what_has_no_room_is_not_learnt() {
        let mut tree: Prefixes<3, 8> = Prefixes::new();
        assert_eq!(tree.learn(b"abc"), Some(0));
        assert_eq!(tree.learn(b"abcdef"), None, "the arena is full");
        assert_eq!(tree.learn(b"abc"), Some(0));
        assert_eq!((tree.learn(b"b"), tree.learn(b"c")), (Some(1), Some(2)));
        assert_eq!(tree.learn(b"d"), None, "there are three");
        tree.clear();
        assert_eq!(tree.learn(b"abcdefgh"), Some(0));
        let mut none: Prefixes<4, 0> = Prefixes::new();
        assert_eq!(none.learn(b"a"), None);
    }
}
