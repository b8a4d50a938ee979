//! Communication with the machine that runs the emulator, by semihosting: arguments, lines of text, and the exit
//! status.

use core::fmt;
use core::mem::MaybeUninit;
use core::panic::PanicInfo;

use semihosting::io::{self, Write as _};
use semihosting::process;
use semihosting::sys::arm_compat::sys_get_cmdline_uninit;

/// The words after the program's name on the emulator's command line, each of the form `key=value`.
#[derive(Debug)]
pub struct Args {
    line: [u8; 512],
    length: usize,
}

impl Args {
    /// Reads the command line.
    #[must_use]
    pub fn read() -> Self {
        let mut args = Self { line: [0; 512], length: 0 };
        let mut read = [MaybeUninit::uninit(); 512];
        if let Ok(words) = sys_get_cmdline_uninit(&mut read)
            && let Some(line) = args.line.get_mut(..words.len())
        {
            line.copy_from_slice(words);
            args.length = words.len();
        }
        args
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let line = core::str::from_utf8(self.line.get(..self.length)?).ok()?;
        let mut words = line.trim_end_matches('\0').split_ascii_whitespace();
        words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    /// The parsed value of a key, or `default` if the key is missing. A value that cannot be parsed ends the program.
    pub fn parse<T: core::str::FromStr>(&self, key: &str, default: T) -> T {
        match self.get(key).map(str::parse) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                say(format_args!("cannot read the value of {key}"));
                exit(false)
            }
        }
    }
}

/// Writes a line to the emulator's standard output.
pub fn say(line: fmt::Arguments<'_>) {
    if let Ok(mut out) = io::stdout() {
        // If nobody reads the output, there is nobody to report the error to.
        let _ = fmt::Write::write_fmt(
            &mut Lines { out: &mut out, buf: [0; 256], used: 0 },
            format_args!("{line}\n"),
        );
    }
}

/// Collects output, because each write stops the machine.
struct Lines<'a> {
    out: &'a mut io::Stdout,
    buf: [u8; 256],
    used: usize,
}

impl fmt::Write for Lines<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for &byte in s.as_bytes() {
            if self.used == self.buf.len() {
                self.flush()?;
            }
            if let Some(room) = self.buf.get_mut(self.used) {
                *room = byte;
                self.used += 1;
            }
        }
        Ok(())
    }
}

impl Lines<'_> {
    fn flush(&mut self) -> fmt::Result {
        let used = core::mem::take(&mut self.used);
        self.out.write_all(self.buf.get(..used).unwrap_or(&[])).map_err(|_| fmt::Error)
    }
}

impl Drop for Lines<'_> {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// Ends the emulator with status 0 if all is `well`, otherwise with 1.
pub fn exit(well: bool) -> ! {
    process::exit(i32::from(!well))
}

/// Prints what is wrong and ends the emulator.
pub fn fail(what: &str) -> ! {
    say(format_args!("failed: {what}"));
    exit(false)
}

/// The body of a `#[panic_handler]`.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    say(format_args!("{info}"));
    exit(false)
}
