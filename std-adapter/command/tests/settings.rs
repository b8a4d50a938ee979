//! `ringstat settings` as a user runs it.

mod common;

use common::{run, stderr, stdout};
use ringstat_tests::process;

#[test]
fn what_is_printed_is_a_file_to_begin_with() {
    let printed = run(&["settings"], "");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &printed.stdout).unwrap();
    let path = file.path().to_str().unwrap();
    let again = run(&["--config", path, "settings"], "");
    assert_eq!((again.status.code(), again.stdout), (Some(0), printed.stdout.clone()));
    let text = stdout(&printed);
    assert!(text.contains("# Allowed: 64 to 65507. Default: 1472\npayload = 1472\n"), "{text}");
}

#[test]
fn a_wrong_one_is_named_with_its_file_or_variable() {
    let mut command = common::ringstat(&["settings"]);
    command.env("RINGSTAT_CLIENT__SHARDS", "0");
    let output = process::run(command, "");
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.contains("client.shards is 0 in RINGSTAT_CLIENT__SHARDS; allowed is 1 to 1024"),
        "{said}"
    );

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r.toml"), "[client]\nshards = 0\n").unwrap();
    let mut command = common::ringstat(&["--config", "r.toml", "settings"]);
    command.current_dir(folder.path());
    let output = process::run(command, "");
    let place = format!("{}/r.toml", folder.path().canonicalize().unwrap().display());
    assert!(stderr(&output).contains(&place), "{}", stderr(&output));
}

#[test]
fn variables_that_others_set_are_ignored_and_wrong_ones_refused() {
    let with = |name: &str, value: &str| {
        let mut command = common::ringstat(&["settings"]);
        command.env(name, value);
        process::run(command, "")
    };
    assert_eq!(with("RINGSTAT_PORT_8125_UDP", "udp://10.0.0.1:8125").status.code(), Some(0));
    let output = with("RINGSTAT_CLIENT_SHARDS", "4");
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.contains(
            "client_shards in RINGSTAT_CLIENT_SHARDS is not a setting; did you mean client.shards?"
        ),
        "{said}"
    );
}
