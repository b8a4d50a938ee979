//! Records as lines of JSON, which `decode` prints, and `encode` and `send` read.
//!
//! ```text
//!  a file ─► lines ─► Line ─► Event   (kept names)  ─► records, one after the other
//!                         └─► State   (an instrument's)
//! ```
//!
//! [`lines`] splits a file into lines, and [`line`](mod@line) is the form of one, with its [`tags`], its numbers and
//! texts in [`value`], the state of an instrument in [`state`], and the header of a datagram in [`envelope`]. [`names`]
//! keeps strings for as long as the command runs, [`beside`] what an event's slot has no room for, [`records`] puts
//! everything together, and [`refusal`] says what is wrong with a line.

pub(crate) mod beside;
pub(crate) mod envelope;
pub(crate) mod line;
pub(crate) mod lines;
pub(crate) mod names;
pub(crate) mod records;
pub(crate) mod refusal;
pub(crate) mod state;
pub(crate) mod tags;
pub(crate) mod value;
