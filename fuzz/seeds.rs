//! Every target holds for its seeds, and there is nothing that isn't run: each
//! target has seeds, a binary, and an entry in the manifest.

use mailkeep_fuzz::{Run, TARGETS};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A seed cut short is what a fuzzer tries first; a long one is cut this often.
const CUTS: usize = 400;

/// Bytes of memory for all targets together: some ten times what they take.
const MEMORY_BYTES_MAX: u64 = 1 << 30;

/// An allocation that the bytes talk a target into ends the test.
fn limit_memory() {
    let limit = Rlimit {
        current: Some(MEMORY_BYTES_MAX),
        maximum: None,
    };
    setrlimit(Resource::Data, limit).expect("a limit may be lowered");
}

fn here(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(here(folder)).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
        .collect()
}

fn over_seeds(target: &str, run: Run) {
    let folder = here("seeds").join(target);
    let mut seeds = 0;
    for seed in std::fs::read_dir(folder).expect("a folder of seeds") {
        let seed = std::fs::read(seed.expect("a seed").path()).expect("a readable seed");
        run(&seed);
        let step = seed.len() / CUTS + 1;
        (0..seed.len())
            .step_by(step)
            .for_each(|end| run(&seed[..end]));
        seeds += 1;
    }
    assert!(seeds > 0, "no seeds for {target}");
}

#[test]
fn every_target_holds_for_its_seeds_and_for_each_cut_short() {
    limit_memory();
    for (target, run) in TARGETS {
        over_seeds(target, *run);
    }
}

#[test]
fn every_target_has_seeds_a_binary_and_an_entry() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("targets"), listed);
    assert_eq!(names("seeds"), listed);
    let manifest = std::fs::read_to_string(here("Cargo.toml")).expect("the manifest");
    for name in listed {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
