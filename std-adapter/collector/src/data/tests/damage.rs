//! Files that are not as they were written: refused with a sentence, or mended, and never a panic.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ringstat_core::record::Kind;

use super::super::FORMAT;
use super::super::directory::{CRITICAL, STATE};
use super::super::file::META;
use super::wire::{Says, datagram};
use super::*;

/// A directory with something of everything, and what is in it.
fn filled() -> (TempDir, Value) {
    let dir = directory();
    let mut opened = open(dir.path(), 1).unwrap();
    for sender in 0..20 {
        let says: Vec<_> = (0..30).map(|n| Says::Event(Kind::Timing, n, n.into())).collect();
        let set = Says::Event(Kind::Set, 1, 5);
        let all = [&says[..], &[Says::State(50), set]].concat();
        opened.collectors[0].receive(&datagram(sender, (1, 0), None, &all), 5);
    }
    cut(&mut opened, 7);
    let says = [Says::Critical(0), Says::Critical(1)];
    opened.collectors[0].receive(&datagram(3, (1, 1), Some(0), &says), 9);
    keep_critical(&mut opened);
    drop(opened);
    let (_, report) = crate::data::show_data(dir.path(), usize::MAX).unwrap();
    (dir, serde_json::to_value(report.series).unwrap())
}

fn copy(from: &Path) -> TempDir {
    let to = directory();
    for name in [STATE, CRITICAL] {
        fs::copy(from.join(name), to.path().join(name)).unwrap();
    }
    to
}

/// Whether it opens, and with what.
fn outcome(dir: &Path, recover: bool) -> Result<Value, DataError> {
    let config = DataConfig { recover, ..DataConfig::new(dir) };
    let opened = open_on(&Disk::default(), &config, Limits::default(), None, 1)?;
    let report = Report::of(&opened.collectors[..], &Io::default(), opened.now_ms, usize::MAX);
    Ok(serde_json::to_value(report.series).unwrap())
}

#[test]
fn damaged_files_are_refused_or_mended() {
    let (good, known) = filled();
    let mut refused = 0;
    for name in [STATE, CRITICAL] {
        let bytes = fs::read(good.path().join(name)).unwrap();
        // All of the head, and places all over.
        let head = (0..320).step_by(3);
        let rest = (320..bytes.len()).step_by(bytes.len() / 80);
        for at in head.chain(rest) {
            let dir = copy(good.path());
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(dir.path().join(name), bad).unwrap();
            let what = || format!("bit {} of byte {at} of {name}", at % 8);
            let tried = catch_unwind(AssertUnwindSafe(|| outcome(dir.path(), false)));
            match tried.unwrap_or_else(|_| panic!("a panic: {}", what())) {
                Ok(read) => assert_eq!(read, known, "{}", what()),
                Err(e) => {
                    assert!(
                        e.is_damage() || matches!(e, DataError::Newer { .. }),
                        "{e}: {}",
                        what()
                    );
                    assert!(e.to_string().contains(name), "{e}");
                    refused += 1;
                    let mended = catch_unwind(AssertUnwindSafe(|| outcome(dir.path(), true)));
                    let mended = mended.unwrap_or_else(|_| panic!("a panic: {}", what()));
                    assert!(mended.is_ok() || matches!(e, DataError::Newer { .. }));
                    if e.is_damage() {
                        let aside = fs::read_dir(dir.path()).unwrap();
                        let aside = aside.map(|e| e.unwrap().file_name().into_string().unwrap());
                        assert!(aside.into_iter().any(|n| n.contains(".damaged-")), "it is kept");
                    }
                }
            }
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn files_that_are_cut_off_empty_or_missing_are_refused_or_mended() {
    let (good, _) = filled();
    for name in [STATE, CRITICAL] {
        let length = fs::metadata(good.path().join(name)).unwrap().len();
        for left in
            [None, Some(0), Some(1), Some(100), Some(4096), Some(length / 2), Some(length - 1)]
        {
            let dir = copy(good.path());
            let path = dir.path().join(name);
            match left {
                Some(left) => {
                    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(left).unwrap();
                }
                None => fs::remove_file(&path).unwrap(),
            }
            let e = outcome(dir.path(), false).unwrap_err();
            assert!(e.is_damage() && e.to_string().contains(name), "{left:?}: {e}");
            let mended = outcome(dir.path(), true).unwrap();
            let has = |name: &str| mended.as_array().unwrap().iter().any(|s| s["name"] == name);
            // What is in the other file is there.
            assert_eq!((has("total"), has("critical")), (name == CRITICAL, name == STATE));
            assert!(outcome(dir.path(), false).is_ok(), "mended for good");
        }
    }
}

#[test]
fn files_of_two_directories_are_not_mixed() {
    let ((a, _), (b, _)) = (filled(), filled());
    fs::copy(b.path().join(CRITICAL), a.path().join(CRITICAL)).unwrap();
    let e = outcome(a.path(), false).unwrap_err();
    assert!(e.is_damage(), "{e}");
}

#[test]
fn what_another_version_wrote_is_refused() {
    let (dir, _) = filled();
    for (name, format) in [(CRITICAL, FORMAT + 1), (STATE, FORMAT + 1), (STATE, FORMAT - 1)] {
        let db = redb::Database::open(dir.path().join(name)).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(META).unwrap().insert("format", &format.to_le_bytes()[..]).unwrap();
        txn.commit().unwrap();
        drop(db);
        for recover in [false, true] {
            let e = outcome(dir.path(), recover).unwrap_err();
            match e {
                DataError::Newer { format: of, .. } => {
                    assert_eq!((of, of > FORMAT), (format, true))
                }
                DataError::Older { format: of, .. } => {
                    assert_eq!((of, of < FORMAT), (format, true))
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_directory_belongs_to_one_at_a_time() {
    let dir = directory();
    let first = open(dir.path(), 1).unwrap();
    assert!(matches!(open(dir.path(), 1), Err(DataError::InUse(_))));
    assert!(matches!(crate::data::check_data(dir.path()), Err(DataError::InUse(_))));
    drop(first);
    assert!(open(dir.path(), 1).is_ok());
}

#[test]
fn a_directory_that_cannot_be_written_or_is_none_is_refused() {
    let dir = directory();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(open(&file, 1), Err(DataError::Io(..))));
    assert!(matches!(open(Path::new("/proc/no"), 1), Err(DataError::Io(..))));
    assert!(matches!(crate::data::check_data(&dir.path().join("none")), Err(DataError::Empty(_))));
    assert!(matches!(crate::data::check_data(dir.path()), Err(DataError::Empty(_))));
}

/// Rows that the store takes for sound, with anything in them.
#[test]
fn rows_that_cannot_be_read_are_refused_or_left_out() {
    type Rows = redb::TableDefinition<'static, (u32, u64), &'static [u8]>;
    let (good, _) = filled();
    for table in ["shards", "senders", "series", "values"] {
        for seed in 0..crate::data::tests::ROUNDS {
            let dir = copy(good.path());
            let db = redb::Database::open(dir.path().join(STATE)).unwrap();
            let txn = db.begin_write().unwrap();
            {
                let mut rows = txn.open_table(Rows::new(table)).unwrap();
                let (key, mut row) = {
                    use redb::ReadableTable;
                    let all: Vec<_> = rows.iter().unwrap().map(Result::unwrap).collect();
                    let (key, row) = &all[usize::from(seed) % all.len()];
                    (key.value(), row.value().to_vec())
                };
                let at = usize::from(seed) * 7 % row.len();
                row[at] = row[at].wrapping_add(seed | 1);
                if seed % 4 == 0 {
                    row.truncate(at);
                }
                rows.insert(key, &*row).unwrap();
            }
            txn.commit().unwrap();
            drop(db);
            if let Err(e) = outcome(dir.path(), false) {
                assert!(e.is_damage(), "{e}");
                assert!(outcome(dir.path(), true).is_ok());
            }
        }
    }
}
