//! A pseudo-terminal in the place of a serial line.

use std::fs::File;
use std::path::PathBuf;

use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;

/// A pseudo-terminal that passes bytes as they are.
#[derive(Debug)]
pub struct Terminal {
    /// The chip's end. Reading fails once the other end has gone away.
    pub chip: File,
    /// The computer's end, kept open so that the chip's stays usable whoever comes and goes there.
    pub computer: File,
    /// The name of the computer's end.
    pub port: PathBuf,
}

impl Terminal {
    /// A new one.
    ///
    /// # Panics
    /// When the machine has none.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is not made of nothing")]
    pub fn new() -> Self {
        let pair = openpty(None, None).expect("a pseudo-terminal");
        let mut mode = tcgetattr(&pair.slave).expect("its mode");
        cfmakeraw(&mut mode);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &mode).expect("its mode");
        let port = ttyname(&pair.slave).expect("its name");
        Self { chip: pair.master.into(), computer: pair.slave.into(), port }
    }
}
