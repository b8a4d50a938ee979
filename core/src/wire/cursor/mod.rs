//! Reading and writing at a position in a buffer: serde types as postcard encodes them, and the same primitives by hand
//! where records are read and written, some of them several at once.

mod reader;
#[cfg(test)]
mod tests;
mod varint;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::{NoRoom, Writer};
