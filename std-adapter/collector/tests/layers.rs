//! Who may know whom. `lib.rs` promises it, so a test keeps it.

use std::collections::BTreeSet;
use std::path::Path;

/// The rooms in the order of the flow. Each imports only from those before it.
const ROOMS: [&str; 11] = [
    "limits",
    "memory",
    "series",
    "exposition",
    "store",
    "intake",
    "report",
    "metrics",
    "shared",
    "http",
    "server",
];

fn order(room: &str) -> usize {
    ROOMS.iter().position(|r| *r == room).unwrap_or_else(|| panic!("{room} is no room"))
}

/// The code of all files, with the rooms that they stand in.
fn sources(dir: &Path, room: Option<&str>, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let of = room.unwrap_or(&name);
        if path.is_dir() {
            sources(&path, Some(of), found);
        } else if path.extension().is_some_and(|e| e == "rs") && of != "lib" {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
            let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
            found.push((of.to_owned(), lines.collect::<Vec<_>>().join("\n")));
        }
    }
}

#[test]
fn a_room_imports_only_from_the_rooms_before_it() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), None, &mut found);
    assert!(found.len() > 30, "{} files", found.len());
    let rooms: BTreeSet<_> = found.iter().map(|(room, _)| order(room)).collect();
    assert_eq!(rooms.len(), ROOMS.len(), "each room is there");
    for (room, code) in &found {
        for rest in code.split("crate::").skip(1) {
            let import = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(order(import) <= order(room), "{room} imports {import}");
        }
    }
}
