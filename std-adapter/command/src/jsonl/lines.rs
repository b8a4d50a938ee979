//! Reads text line by line, with line numbers, and without relying on lines to end.

use std::io::{self, BufRead, Read};

/// The length above which lines are refused, in bytes. The longest datagram takes 131 kB in hexadecimal.
const LIMIT: usize = 1 << 20;

/// A line as it was found.
pub(crate) enum Found<'a> {
    /// Without the newline and surrounding blanks.
    Line(&'a str),
    /// The line has more than a megabyte.
    TooLong,
    /// The line is not UTF-8.
    NotUtf8,
}

/// The lines of a file, numbered from 1; blank lines and those that begin with `#` are left out.
pub(crate) struct Lines<R> {
    from: R,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, number: 0, buffer: Vec::new() }
    }

    /// The next line and its number, or `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Found<'_>)>> {
        loop {
            self.buffer.clear();
            let length =
                self.from.by_ref().take(LIMIT as u64).read_until(b'\n', &mut self.buffer)?;
            if length == 0 {
                return Ok(None);
            }
            self.number += 1;
            if length == LIMIT && self.buffer.last() != Some(&b'\n') {
                self.from.skip_until(b'\n')?;
                return Ok(Some((self.number, Found::TooLong)));
            }
            if !matches!(self.buffer.trim_ascii(), [] | [b'#', ..]) {
                break;
            }
        }
        let found =
            std::str::from_utf8(self.buffer.trim_ascii()).map_or(Found::NotUtf8, Found::Line);
        Ok(Some((self.number, found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers_whatever_is_between() {
        let mut text = b"first\n\n# remark\r\n  fourth \xC3\xA9\r\n\xFF\n".to_vec();
        text.resize(text.len() + LIMIT + 5, b'x');
        text.extend(b"\nlast");
        let mut lines = Lines::new(text.as_slice());
        let mut seen = Vec::new();
        while let Some((number, found)) = lines.next().unwrap() {
            seen.push(match found {
                Found::Line(line) => format!("{number} {line}"),
                Found::TooLong => format!("{number} too long"),
                Found::NotUtf8 => format!("{number} not text"),
            });
        }
        assert_eq!(seen, ["1 first", "4 fourth é", "5 not text", "6 too long", "7 last"]);
    }
}
