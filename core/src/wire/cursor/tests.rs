use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn varints_are_postcards(v in any::<u64>(), shift in 0u32..64) {
        let v = v >> shift;
        let (mut ours, mut theirs) = ([0; 10], [0; 10]);
        let mut w = Writer::new(&mut ours);
        w.varint(v).unwrap();
        let theirs = postcard::to_slice(&v, &mut theirs).unwrap();
        prop_assert_eq!(w.written(), &*theirs);
        prop_assert_eq!(Reader::new(theirs).varint(), Ok(v));
    }

    #[test]
    fn a_record_in_one_piece_is_the_same_as_in_many(
        first in any::<u8>(),
        name in 0u16..1 << 14,
        set in proptest::option::of(0u16..1 << 14),
        (delta, number) in (any::<u32>(), proptest::option::of(any::<u32>())),
        shifts in (4u32..32, 4u32..32),
        room in 0usize..20,
    ) {
        let (delta, number) = (delta >> shifts.0, number.map(|n| n >> shifts.1));
        let (mut pieces, mut whole) = ([0; 20], [0; 20]);
        let mut w = Writer::new(&mut pieces);
        w.byte(first).unwrap();
        w.reference(name).unwrap();
        set.map_or(Ok(()), |set| w.reference(set)).unwrap();
        w.varint(delta.into()).unwrap();
        number.map_or(Ok(()), |n| w.varint(n.into())).unwrap();
        let mut one = Writer::new(&mut whole[..room]);
        if one.record(first, (name, set), (delta, number)) {
            prop_assert_eq!(one.written(), w.written());
        } else {
            prop_assert_eq!(one.position(), 0);
            prop_assert!(room < 16);
        }
    }

    #[test]
    fn two_at_once_are_the_same_as_one_by_one(bytes in proptest::collection::vec(any::<u8>(), 0..12), both in any::<bool>()) {
        let (mut at_once, mut one_by_one) = (Reader::new(&bytes), Reader::new(&bytes));
        let Some((first, second)) = at_once.pair(both) else {
            prop_assert_eq!(at_once.at, 0);
            let mut is_small = || {
                let before = one_by_one.at;
                one_by_one.varint().is_ok() && one_by_one.at - before <= 4
            };
            prop_assert!(bytes.len() < 8 || !is_small() || (both && !is_small()));
            return Ok(());
        };
        prop_assert_eq!(one_by_one.varint(), Ok(first.into()));
        prop_assert_eq!(if both { one_by_one.varint() } else { Ok(0) }, Ok(second.into()));
        prop_assert_eq!(at_once.at, one_by_one.at);
    }

    #[test]
    fn any_bytes_read_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
        let ours = Reader::new(&bytes).varint().ok();
        let theirs = postcard::from_bytes::<u64>(&bytes).ok();
        prop_assert_eq!(ours, theirs);
    }
}

#[test]
fn the_writer_stops_at_the_end() {
    let mut buf = [0; 2];
    let mut w = Writer::new(&mut buf);
    assert_eq!(w.bytes(&[1, 2, 3]), Err(NoRoom));
    assert_eq!(w.varint(300), Ok(()));
    assert_eq!(w.byte(0), Err(NoRoom));
    assert_eq!(w.remaining(), 0);
}
