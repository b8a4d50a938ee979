//! Reading and writing at a position in a buffer: what postcard makes of serde's types, and its primitives by hand where
//! records are written and read, a few of them in one piece.

mod reader;
mod sevens;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::{NoRoom, Writer};
