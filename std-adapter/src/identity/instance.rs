//! A number for a client that is the same after a restart.

#[cfg(target_os = "linux")]
use std::os::unix::net::UnixDatagram;

/// The number of a client among those of one program on one machine, reserved for as long as this lives.
///
/// A number is reserved by a name in the abstract namespace of Unix sockets: the kernel gives each name to one socket at a
/// time, and frees it when the process ends, in whatever way. Nothing is left behind, and nothing is ever sent there.
#[derive(Debug)]
pub(crate) struct InstanceNumber {
    number: u64,
    #[cfg(target_os = "linux")]
    _held: UnixDatagram,
}

/// The number of clients of one program that get a lasting number; further clients get a random one.
#[cfg(target_os = "linux")]
const MAX_INSTANCES: u64 = 256;

impl InstanceNumber {
    /// Reserves the lowest number that is free. Returns `None` where that is not possible, or where the machine or the
    /// program has no name: on Linux without `/etc/machine-id`, and on other systems.
    #[cfg(target_os = "linux")]
    pub(crate) fn take() -> Option<Self> {
        let machine = std::fs::read_to_string("/etc/machine-id").ok()?;
        let machine = machine.trim();
        // Zeros are what some images are made with; containers of one image share the file, but not the host's name.
        if machine.trim_matches('0').is_empty() {
            return None;
        }
        Self::of(&[machine, &super::host()?, &super::program()?])
    }

    /// Always `None`: other systems have nothing that could reserve a number.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn take() -> Option<Self> {
        None
    }

    /// Reserves the lowest number that is free among those of that name.
    #[cfg(target_os = "linux")]
    fn of(name: &[&str]) -> Option<Self> {
        use std::io::ErrorKind::AddrInUse;
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;

        let program = hash(name.iter().flat_map(|part| part.bytes().chain([0])));
        for instance in 0..MAX_INSTANCES {
            let address =
                SocketAddr::from_abstract_name(format!("ringstat-{program:016x}-{instance}"))
                    .ok()?;
            match UnixDatagram::bind_addr(&address) {
                Ok(held) => {
                    let number =
                        hash(program.to_le_bytes().into_iter().chain(instance.to_le_bytes()));
                    return Some(Self { number, _held: held });
                }
                Err(e) if e.kind() == AddrInUse => {}
                Err(_) => return None,
            }
        }
        None
    }

    /// The client's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// FNV-1a, mixed once more: the same in every version of this crate.
#[cfg(target_os = "linux")]
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, step);
    let hash = (hash ^ hash >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ hash >> 32
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_held_by_one_at_a_time_and_is_the_same_afterwards() {
        let name = ["a machine", "a host", "a test of numbers"];
        let take = || InstanceNumber::of(&name).unwrap();
        let (first, second) = (take(), take());
        let (a, b) = (first.number(), second.number());
        assert_ne!(a, b);
        drop(first);
        assert_eq!(take().number(), a, "a restart is a restart");
        assert_ne!(InstanceNumber::of(&["a machine", "a host", "another"]).unwrap().number(), a);
    }

    #[test]
    fn when_all_are_held_there_is_none() {
        let name = ["a machine", "a host", "a test of many numbers"];
        let held: Vec<_> = (0..MAX_INSTANCES).map(|_| InstanceNumber::of(&name).unwrap()).collect();
        assert!(InstanceNumber::of(&name).is_none());
        let mut numbers: Vec<_> = held.iter().map(InstanceNumber::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), MAX_INSTANCES as usize);
    }
}
