//! Where the set's programs are. They are built here, once for each test program,
//! so that no test runs against yesterday's.

use crate::directory::Directory;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The directory that holds every program of the set.
///
/// With `MAILKEEP_BINARIES` set it is that, and nothing is built: for tests that
/// run as a user who may not write the build directory.
///
/// # Panics
/// If the programs can't be built.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| match std::env::var_os("MAILKEEP_BINARIES") {
        Some(directory) => directory.into(),
        None => build(),
    })
}

/// One program.
///
/// # Panics
/// If it is not there.
pub fn program(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(
        path.exists(),
        "there is no {name} in {}",
        directory().display()
    );
    path
}

/// A directory with every program of the set, of which one is another: the supervisor
/// takes what lies beside its own program.
///
/// # Panics
/// If it can't be made.
#[must_use]
pub fn with_stand_in(name: &str, stand_in: &str) -> Directory {
    let programs = Directory::new();
    for entry in std::fs::read_dir(directory()).expect("it was built") {
        let entry = entry.expect("nobody removes it");
        let called = entry.file_name();
        let is_ours = called.to_string_lossy().starts_with("mailkeep");
        if is_ours && entry.path().extension().is_none() && called != name {
            put(&entry.path(), &programs.path().join(called));
        }
    }
    put(&program(stand_in), &programs.path().join(name));
    programs
}

/// A name more for a file; on another file system a copy. (The supervisor asks where
/// its own program lies, and would be led away by a symbolic link.)
fn put(file: &Path, to: &Path) {
    let put = std::fs::hard_link(file, to).or_else(|_| std::fs::copy(file, to).map(drop));
    put.unwrap_or_else(|error| panic!("{}: {error}", to.display()));
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace");
    let built = Command::new(cargo)
        .args(["build", "--workspace", "--bins", "--quiet"])
        .current_dir(workspace)
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the programs of the set do not build");
    // This test program is <target>/<triple>/<profile>/deps/<name>.
    let this = std::env::current_exe().expect("a program knows where it is");
    this.parent()
        .and_then(Path::parent)
        .expect("tests lie in deps/")
        .to_owned()
}
