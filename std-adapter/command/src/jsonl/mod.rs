//! Records as lines of JSON: what `decode` prints, and what `encode` and `send` read.
//!
//! ```text
//!  a file ─► lines ─► Line ─► Event   (kept names)  ─► records, one after the other
//!                         └─► State   (an instrument's)
//! ```
//!
//! [`lines`] cuts a file into lines, [`line`] is the form of one, [`value`] its numbers and texts, [`state`] an
//! instrument's state. [`names`] keeps strings for as long as the command runs, and [`records`] puts all of it together.

pub(crate) mod line;
pub(crate) mod lines;
pub(crate) mod names;
pub(crate) mod records;
pub(crate) mod state;
pub(crate) mod value;
