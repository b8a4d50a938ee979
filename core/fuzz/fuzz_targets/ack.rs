//! Any bytes are parsed as an acknowledgement or refused, and an acknowledgement that is parsed says the same when it
//! is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringstat_core::wire::ack::{Ack, MODE};

fn read(bytes: &[u8]) {
    let Ok(ack) = Ack::parse(bytes) else { return };
    let mut buf = [0; Ack::MAX_LEN];
    let length = ack.emit(&mut buf).expect("what was read can be written");
    let again = Ack::parse(&buf[..length]).expect("and read again");
    for id in (0..1100).map(|i| ack.base.wrapping_add(i)) {
        assert_eq!(ack.settles(id), again.settles(id));
    }
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let mut sealed = vec![b'R', b'S', 0x10 | MODE, 0];
    sealed.extend_from_slice(bytes.get(4..).unwrap_or(bytes));
    let sum = crc32fast::hash(&sealed).to_le_bytes();
    sealed.extend_from_slice(&sum);
    read(&sealed);
});
