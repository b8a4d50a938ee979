//! The receiving sockets: which socket gets which datagram, how much the kernel buffers, and how many datagrams it drops.

use std::io;
use std::net::{SocketAddr, UdpSocket};

#[cfg(any(target_os = "linux", target_os = "android"))]
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// The requested size of a socket's receive buffer: about 5800 datagrams of 1432 bytes.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Sockets at one address, one for each thread.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) sockets: Vec<UdpSocket>,
    /// Where they are.
    pub(crate) address: SocketAddr,
    /// The smallest receive buffer.
    pub(crate) receive_buffer: usize,
}

/// Opens UDP sockets at `address`, one for each of `threads`, with receive buffers as large as the system grants. On
/// Linux, the kernel puts each datagram into the socket that [`shard_of`](crate::intake::shard_of) names. If it refuses the
/// filter, it picks any socket; other systems get a single one.
pub(crate) fn open(address: SocketAddr, threads: usize) -> io::Result<Group> {
    let (first, mut receive_buffer) = buffered(address)?;
    // Bound alone, so that an address that another process has is refused; from here on there may be more of ours.
    first.bind(&address.into())?;
    let address = first.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = vec![first];
    if threads > 1 && steer::share(&sockets[0]) {
        for _ in 1..threads {
            let (socket, size) = buffered(address)?;
            if !steer::share(&socket) || socket.bind(&address.into()).is_err() {
                break;
            }
            receive_buffer = receive_buffer.min(size);
            sockets.push(socket);
        }
        // If it cannot, threads hand on what is not theirs.
        steer::attach(&sockets[0], sockets.len());
    }
    sockets.iter().try_for_each(|s| s.set_nonblocking(true))?;
    Ok(Group { sockets: sockets.into_iter().map(Into::into).collect(), address, receive_buffer })
}

/// A socket, and the size of its buffer.
fn buffered(address: SocketAddr) -> io::Result<(Socket, usize)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // Without privileges, the kernel grants what net.core.rmem_max allows; the size granted is read back.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let forced = setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_ok();
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let forced = false;
    if !forced {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
    let size = SockRef::from(&socket).recv_buffer_size()?;
    Ok((socket, size))
}

/// The kernel's choice among sockets.
#[cfg(target_os = "linux")]
mod steer {
    use nix::libc::{
        BPF_A, BPF_ABS, BPF_ALU, BPF_B, BPF_H, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD,
        BPF_MISC, BPF_MOD, BPF_MUL, BPF_RET, BPF_RSH, BPF_TAX, BPF_W, BPF_X, BPF_XOR, SKF_NET_OFF,
        sock_filter, sock_fprog,
    };
    use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
    use socket2::Socket;

    use crate::intake::MIX;

    /// Lets other sockets of this user have the same address.
    pub(super) fn share(socket: &Socket) -> bool {
        socket.set_reuse_port(true).is_ok()
    }

    /// Has the kernel compute [`shard_of`](crate::intake::shard_of) for all sockets of the group. Offsets are those of the
    /// payload; a datagram that is too short goes to the first socket.
    pub(super) fn attach(socket: &Socket, sockets: usize) -> bool {
        // Where the network's header begins.
        const NET: u32 = SKF_NET_OFF as u32;
        let step = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 0, k };
        // Skips `jt` steps if the comparison holds, and `jf` if it does not.
        let branch = |code: u32, k: u32, jt: u8, jf: u8| {
            let code = (BPF_JMP | code | BPF_K) as u16;
            sock_filter { code, jt, jf, k }
        };
        let mut program = [
            // Ringstat's own format begins with `RS` and a control character, and names its sender.
            step(BPF_LD | BPF_H | BPF_ABS, 0),
            branch(BPF_JEQ, u16::from_be_bytes(*b"RS").into(), 0, 7),
            step(BPF_LD | BPF_B | BPF_ABS, 2),
            branch(BPF_JGE, 0x20, 5, 0),
            step(BPF_LD | BPF_W | BPF_ABS, 4),
            step(BPF_MISC | BPF_TAX, 0),
            step(BPF_LD | BPF_W | BPF_ABS, 8),
            step(BPF_ALU | BPF_XOR | BPF_X, 0),
            step(BPF_JMP | BPF_JA, 14),
            // The sender of anything else is where it came from: an address of IPv4,
            step(BPF_LD | BPF_B | BPF_ABS, NET),
            branch(BPF_JGE, 0x60, 2, 0),
            step(BPF_LD | BPF_W | BPF_ABS, NET + 12),
            step(BPF_JMP | BPF_JA, 10),
            // or one of IPv6.
            step(BPF_LD | BPF_W | BPF_ABS, NET + 8),
            step(BPF_MISC | BPF_TAX, 0),
            step(BPF_LD | BPF_W | BPF_ABS, NET + 12),
            step(BPF_ALU | BPF_XOR | BPF_X, 0),
            step(BPF_MISC | BPF_TAX, 0),
            step(BPF_LD | BPF_W | BPF_ABS, NET + 16),
            step(BPF_ALU | BPF_XOR | BPF_X, 0),
            step(BPF_MISC | BPF_TAX, 0),
            step(BPF_LD | BPF_W | BPF_ABS, NET + 20),
            step(BPF_ALU | BPF_XOR | BPF_X, 0),
            // Whichever it is, it is mixed.
            step(BPF_MISC | BPF_TAX, 0),
            step(BPF_ALU | BPF_RSH | BPF_K, 16),
            step(BPF_ALU | BPF_XOR | BPF_X, 0),
            step(BPF_ALU | BPF_MUL | BPF_K, MIX),
            step(BPF_ALU | BPF_RSH | BPF_K, 16),
            step(BPF_ALU | BPF_MOD | BPF_K, sockets as u32),
            step(BPF_RET | BPF_A, 0),
        ];
        let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        setsockopt(socket, AttachReusePortCbpf, &program).is_ok()
    }
}

/// Elsewhere, one socket has all datagrams, and its thread hands them on.
#[cfg(not(target_os = "linux"))]
mod steer {
    use socket2::Socket;

    pub(super) fn share(_: &Socket) -> bool {
        false
    }

    pub(super) fn attach(_: &Socket, _: usize) -> bool {
        false
    }
}

/// The number of datagrams that the kernel dropped since the sockets at `address` were opened, because they were not read
/// in time. Segments sent together by a sender on this machine are dropped together and count as one. `None` if the
/// system does not provide the number.
pub(crate) fn drops(address: SocketAddr) -> Option<u64> {
    let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
    let text = std::fs::read_to_string(table).ok()?;
    let port = format!(":{:04X}", address.port());
    let ip = match address {
        // The kernel prints the address as a number in the machine's byte order.
        SocketAddr::V4(v4) => format!("{:08X}", u32::from_ne_bytes(v4.ip().octets())),
        SocketAddr::V6(_) => String::new(),
    };
    let rows = text.lines().skip(1).map(|l| l.split_whitespace().collect::<Vec<_>>());
    let mine = rows
        .filter(|r| r.get(1).is_some_and(|local| local.starts_with(&ip) && local.ends_with(&port)));
    Some(mine.filter_map(|r| r.last()?.parse::<u64>().ok()).sum())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::intake::shard_of;

    #[test]
    fn what_the_kernel_drops_is_seen() {
        let group = open("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        assert!(group.receive_buffer > 0);
        SockRef::from(&group.sockets[0]).set_recv_buffer_size(4096).unwrap();
        assert_eq!(drops(group.address), Some(0));
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        (0..100).for_each(|_| drop(sender.send_to(&[0; 1400], group.address)));
        assert!(drops(group.address).unwrap() > 50);
    }

    #[test]
    fn the_kernel_gives_each_sender_to_its_socket() {
        for threads in [2, 3, 4] {
            for address in ["127.0.0.1:0", "[::1]:0"] {
                let group = open(address.parse().unwrap(), threads).unwrap();
                assert_eq!(group.sockets.len(), threads);
                for n in 0..200u64 {
                    // From an address of its own each time.
                    let from = UdpSocket::bind((group.address.ip(), 0)).unwrap();
                    let mut datagram = *b"RS\x10\0                                    ";
                    let sender = n.wrapping_mul(0x0123_4567_89ab_cdef) << (n % 3 * 20);
                    datagram[4..12].copy_from_slice(&sender.to_le_bytes());
                    from.send_to(&datagram, group.address).unwrap();
                    let mut received = [0; 64];
                    let of_shard = &group.sockets[shard_of(&datagram, None, threads)];
                    assert_eq!(of_shard.recv(&mut received).ok(), Some(40), "{sender:x}");
                }
            }
        }
    }

    #[test]
    fn the_kernel_gives_lines_to_the_socket_of_their_address() {
        for threads in [2, 3, 4] {
            let group = open("127.0.0.1:0".parse().unwrap(), threads).unwrap();
            let six = open("[::1]:0".parse().unwrap(), threads).unwrap();
            let froms = (1..200u8).map(|n| (&group, format!("127.9.{n}.7:0")));
            for (group, from) in froms.chain([(&six, "[::1]:0".to_owned())]) {
                let from = UdpSocket::bind(&from).unwrap();
                let source = from.local_addr().unwrap().into();
                for line in [&b"RSS:1|g"[..], b"a:1|c", b"\xff\xff"] {
                    from.send_to(line, group.address).unwrap();
                    let of_shard = &group.sockets[shard_of(line, Some(&source), threads)];
                    let received = of_shard.recv(&mut [0; 64]);
                    assert_eq!(received.ok(), Some(line.len()), "from {source}");
                }
            }
        }
    }

    #[test]
    fn an_address_in_use_is_refused_although_ours_are_shared() {
        let group = open("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let again = open(group.address, 2);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
