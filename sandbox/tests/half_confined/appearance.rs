//! How a process's confinement looks from outside, as far as the kernel shows it.
//!
//! Landlock is not in it: the kernel shows nobody's domain.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Lines of /proc/PID/status that tell of confinement.
const LINES: [&str; 14] = [
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "Threads",
    "SigBlk",
    "SigIgn",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp_filters",
];

/// Limits that a profile sets.
const LIMITS: [&str; 3] = ["Max core file size", "Max open files", "Max data size"];

/// What /proc shows, name by name.
pub type Appearance = BTreeMap<String, String>;

/// How the process with this number looks now; `None` if it has ended.
pub fn of(pid: &str) -> Option<Appearance> {
    fs::metadata(format!("/proc/{pid}")).ok()?;
    let at = format!("/proc/{pid}");
    let mut seen = Appearance::new();
    let status = text(&at, "status");
    for name in LINES {
        let value = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        note(
            &mut seen,
            name,
            value.expect("the kernel has this line").trim(),
        );
    }
    let limits = text(&at, "limits");
    for name in LIMITS {
        let value = limits.lines().find_map(|line| line.strip_prefix(name));
        note(
            &mut seen,
            name,
            value.expect("the kernel has this limit").trim(),
        );
    }
    for map in ["uid_map", "gid_map"] {
        note(&mut seen, map, &text(&at, map));
    }
    for name in ["ipc", "net", "user"] {
        let own = fs::read_link(format!("/proc/self/ns/{name}")).ok();
        let apart = fs::read_link(format!("{at}/ns/{name}"))
            .ok()
            .map(|its| Some(its) != own);
        note(&mut seen, name, &format!("apart: {apart:?}"));
    }
    for name in ["root", "cwd"] {
        note(&mut seen, name, &last_name(&format!("{at}/{name}")));
    }
    let dumpable = owner(&at) == effective(&seen);
    note(&mut seen, "dumpable", &dumpable.to_string());
    note(&mut seen, "session", &(session(&at) == pid).to_string());
    note(&mut seen, "descriptors", &descriptors(&at));
    Some(seen)
}

fn note(seen: &mut Appearance, name: &str, value: &str) {
    seen.insert(name.to_owned(), value.to_owned());
}

fn text(at: &str, name: &str) -> String {
    fs::read_to_string(format!("{at}/{name}")).expect("the process lives")
}

/// Of where a link leads, the last name: those above it are each stage's own.
fn last_name(link: &str) -> String {
    let path = fs::read_link(link).unwrap_or_default();
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// What is not dumpable belongs to root here.
fn owner(at: &str) -> String {
    fs::metadata(at)
        .expect("the process lives")
        .uid()
        .to_string()
}

fn effective(seen: &Appearance) -> String {
    seen["Uid"]
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned()
}

/// The fourth field behind the name, which is in brackets (proc(5)).
fn session(at: &str) -> String {
    let stat = text(at, "stat");
    let behind = stat.rsplit(')').next().unwrap_or_default();
    behind
        .split_whitespace()
        .nth(3)
        .unwrap_or_default()
        .to_owned()
}

/// Number and kind of each. An ordinary user may not look: then it is nothing.
fn descriptors(at: &str) -> String {
    let Ok(entries) = fs::read_dir(format!("{at}/fd")) else {
        return String::new();
    };
    let shown = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let target = fs::read_link(&path).ok()?.to_string_lossy().into_owned();
        let kind = target.split(":[").next()?.to_owned();
        Some((number, kind))
    });
    let mut shown: Vec<(u32, String)> = shown.collect();
    shown.sort();
    format!("{shown:?}")
}
