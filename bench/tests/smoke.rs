//! The whole table, as small as it can be and with Mailkeep alone: so that it still goes
//! on the day when somebody needs its figures. How fast it went means nothing.

use harness::binaries;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn every_row_of_the_table_can_still_be_measured() {
    let json = std::env::temp_dir().join(format!("bench-smoke-{}.json", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["table", "--quick", "--alone", "--reps", "1", "--json"])
        .arg(&json)
        .env("MAILKEEP_BINARIES", binaries::directory())
        .output()
        .expect("the program starts");
    let said = harness::set::text(&output);
    assert!(output.status.success(), "{said}");
    let text = std::fs::read_to_string(&json).expect("it was written");
    let _ = std::fs::remove_file(&json);
    let table: Value = serde_json::from_str(&text).expect("JSON");
    let rows = table["rows"].as_array().expect("rows");
    assert!(rows.len() > 40, "{said}");
    let failed: BTreeSet<&str> = rows.iter().filter_map(failed).collect();
    let may_fail = without_power();
    assert!(failed.is_subset(&may_fail), "{failed:?}\n{said}");
}

/// What it says of each layer is a figure, whatever that is worth on this machine.
#[test]
fn every_layer_can_still_be_priced() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["layers", "--turns", "1"])
        .env("MAILKEEP_BINARIES", binaries::directory())
        .output()
        .expect("the program starts");
    let said = harness::set::text(&output);
    assert!(output.status.success(), "{said}");
    let rows = said.lines().filter(|line| line.starts_with("| "));
    let figures = |row: &str| row.split(" | ").skip(1).count();
    assert!(rows.clone().all(|row| figures(row) == 4), "{said}");
    assert_eq!(rows.count(), 5 + 1 + 4 + 1, "{said}");
}

/// The workload of a row that gave no figure, though Mailkeep offers what it measures.
fn failed(row: &Value) -> Option<&str> {
    let why = row["mailkeep"]["failed"].as_str()?;
    let is_lacking = why.ends_with("not there yet");
    (!is_lacking).then(|| row["workload"].as_str().expect("a name"))
}

/// What only root can measure.
fn without_power() -> BTreeSet<&'static str> {
    match rustix::process::geteuid().is_root() {
        true => BTreeSet::new(),
        false => ["syncs", "memory"].into(),
    }
}
