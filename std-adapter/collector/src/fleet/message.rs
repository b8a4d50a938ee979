//! A message of the log: datagrams of one shard, whole, each with where it came from.
//!
//! | bytes | field |
//! |---|---|
//! | 0–3 | `RSL`, and the version, 1 |
//! | then, for each datagram: | |
//! | 2 | its length, low byte first |
//! | 1 | the length of its source's address: 0 if there is none, 4, or 16 |
//! | so many | the address, and if there is one, the port in two bytes, low byte first |
//! | so many | the datagram |
//!
//! A message without datagrams only says what time it is: the log gives each message a time, and a shard's clock is that
//! of its latest message.

use std::net::{IpAddr, SocketAddr};

/// The beginning of each message.
const HEAD: &[u8; 4] = b"RSL\x01";

/// A message with no datagrams.
pub(crate) const TICK: &[u8] = HEAD;

/// A message that is being filled.
#[derive(Default, Debug)]
pub(crate) struct MessageBuilder {
    bytes: Vec<u8>,
    datagrams: u64,
}

impl MessageBuilder {
    /// Adds a datagram, which must not be longer than UDP allows.
    pub(crate) fn add(&mut self, datagram: &[u8], from: SocketAddr) {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(HEAD);
        }
        self.bytes.extend_from_slice(&(datagram.len() as u16).to_le_bytes());
        match from.ip().to_canonical() {
            IpAddr::V4(ip) => {
                self.bytes.push(4);
                self.bytes.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                self.bytes.push(16);
                self.bytes.extend_from_slice(&ip.octets());
            }
        }
        self.bytes.extend_from_slice(&from.port().to_le_bytes());
        self.bytes.extend_from_slice(datagram);
        self.datagrams += 1;
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The number of datagrams.
    pub(crate) fn datagrams(&self) -> u64 {
        self.datagrams
    }

    /// Takes the message, and leaves an empty one.
    pub(crate) fn take(&mut self) -> (Vec<u8>, u64) {
        let room = self.bytes.capacity();
        let bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(room));
        (bytes, std::mem::take(&mut self.datagrams))
    }
}

/// The message is not one of this version, or ends early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unreadable;

/// The datagrams of a message, in order. After one that cannot be read there are no more.
pub(crate) fn datagrams(
    message: &[u8],
) -> impl Iterator<Item = Result<(&[u8], Option<SocketAddr>), Unreadable>> {
    let mut rest = message.strip_prefix(HEAD);
    let mut begun = false;
    std::iter::from_fn(move || {
        let Some(bytes) = rest else {
            // Told once.
            return (!std::mem::replace(&mut begun, true)).then_some(Err(Unreadable));
        };
        if bytes.is_empty() {
            return None;
        }
        let read = next(bytes);
        rest = read.map(|(_, rest)| rest);
        begun = read.is_none();
        Some(read.map(|(datagram, _)| datagram).ok_or(Unreadable))
    })
}

type Datagram<'a> = (&'a [u8], Option<SocketAddr>);

fn next(bytes: &[u8]) -> Option<(Datagram<'_>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (kind, rest) = rest.split_first()?;
    let (ip, rest): (Option<IpAddr>, _) = match kind {
        0 => (None, rest),
        4 => rest.split_first_chunk::<4>().map(|(ip, rest)| (Some((*ip).into()), rest))?,
        16 => rest.split_first_chunk::<16>().map(|(ip, rest)| (Some((*ip).into()), rest))?,
        _ => return None,
    };
    let (from, rest) = match ip {
        None => (None, rest),
        Some(ip) => {
            let (port, rest) = rest.split_first_chunk()?;
            (Some(SocketAddr::new(ip, u16::from_le_bytes(*port))), rest)
        }
    };
    let (datagram, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some(((datagram, from), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn datagrams_come_out_as_they_went_in() {
        let sources = ["1.2.3.4:5", "[2001:db8::1]:65535"].map(|s| s.parse().unwrap());
        let mut builder = MessageBuilder::default();
        builder.add(b"", sources[0]);
        builder.add(&[7; 65_507], sources[1]);
        builder.add(b"x", "[::ffff:1.2.3.4]:5".parse().unwrap());
        let (message, count) = builder.take();
        assert_eq!((count, builder.len(), builder.datagrams()), (3, 0, 0));
        let read: Vec<_> = datagrams(&message).map(Result::unwrap).collect();
        let expected: [Datagram<'_>; 3] =
            [(b"", Some(sources[0])), (&[7; 65_507], Some(sources[1])), (b"x", Some(sources[0]))];
        assert_eq!(read, expected);
        assert_eq!(datagrams(TICK).count(), 0);
    }

    #[test]
    fn what_cannot_be_read_is_told_once_and_ends_it() {
        let mut builder = MessageBuilder::default();
        builder.add(b"whole", "1.2.3.4:5".parse().unwrap());
        let (message, _) = builder.take();
        for end in TICK.len() + 1..message.len() {
            let read: Vec<_> = datagrams(&message[..end]).collect();
            assert_eq!(read, [Err(Unreadable)], "{end}");
        }
        assert_eq!(datagrams(b"RSL\x02").collect::<Vec<_>>(), [Err(Unreadable)]);
        assert_eq!(datagrams(b"").collect::<Vec<_>>(), [Err(Unreadable)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0..20u8, 0..200)) {
            let message = [&HEAD[..], &bytes].concat();
            let read: Vec<_> = datagrams(&message).collect();
            prop_assert!(read.iter().rev().skip(1).all(Result::is_ok));
        }
    }
}
