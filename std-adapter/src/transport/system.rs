//! What differs between the UDP sockets of the systems: segmentation, and errors that only have a number.

use std::io;
use std::net::UdpSocket;

use ringstat_core::send::SendError;

/// Classifies an error for which [`io::ErrorKind`] has no name. A full buffer is backpressure, not a failure.
#[cfg(unix)]
pub(super) fn unnamed(error: &io::Error) -> Option<SendError> {
    use nix::libc;
    match error.raw_os_error()? {
        libc::ENOBUFS => Some(SendError::WouldBlock),
        libc::EMSGSIZE => Some(SendError::TooLarge),
        _ => None,
    }
}

/// Does the same for Windows Sockets.
#[cfg(windows)]
pub(super) fn unnamed(error: &io::Error) -> Option<SendError> {
    const WSAEMSGSIZE: i32 = 10_040;
    const WSAENOBUFS: i32 = 10_055;
    match error.raw_os_error()? {
        WSAENOBUFS => Some(SendError::WouldBlock),
        WSAEMSGSIZE => Some(SendError::TooLarge),
        _ => None,
    }
}

#[cfg(not(any(unix, windows)))]
pub(super) fn unnamed(_: &io::Error) -> Option<SendError> {
    None
}

/// Enables the kernel's segmentation (UDP_SEGMENT, Linux 4.18), and returns whether it is available. A size of 0
/// disables it.
#[cfg(target_os = "linux")]
pub(super) fn segmentation(socket: &UdpSocket, payload: usize) -> bool {
    use nix::sys::socket::setsockopt;
    use nix::sys::socket::sockopt::UdpGsoSegment;
    i32::try_from(payload).is_ok_and(|size| setsockopt(socket, UdpGsoSegment, &size).is_ok())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn segmentation(_: &UdpSocket, _: usize) -> bool {
    false
}
