//! What the file must agree with on this machine: ids that belong to others,
//! files that it names, layers that the kernel lacks. For `check` alone, for a
//! confined `config` sees nothing of the machine.

use crate::key::Notes;
use crate::mistake::{Objection, quote};
use crate::rules;
use crate::settings::Settings;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use sandbox::{Layer, Need, Waivers};
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes of a PEM file that are looked at. A chain of ten certificates has
/// 20 KiB.
const PEM_BYTES_MAX: usize = 1 << 20;

/// Some ids, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// From and to.
    ids: RangeInclusive<u64>,
    /// Who has them, and which file says so.
    whose: String,
}

/// What there is to agree with.
#[derive(Debug)]
pub struct Machine {
    /// Ids that belong to others.
    pub claims: Vec<Claim>,
    /// Layers that the kernel lacks.
    pub lacks: Waivers,
    /// What it lacks without which nothing runs.
    pub needs: Vec<Need>,
}

impl Machine {
    /// What this machine is like. Forks, so it comes before any confinement.
    pub fn look() -> Self {
        let text = |path: &str| {
            std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let mut claims = users(&text("/etc/passwd").unwrap_or_default());
        for path in ["/etc/subuid", "/etc/subgid"] {
            claims.extend(subordinates(path, &text(path).unwrap_or_default()));
        }
        // Whether there are ids to separate shows at the start, which may be
        // another user's than this check's.
        let lacks = sandbox::kernel_lacks().without(Layer::SeparateUids);
        let needs = sandbox::machine_lacks();
        Self {
            claims,
            lacks,
            needs,
        }
    }

    /// Notes where the settings don't agree with the machine.
    pub fn hold(&self, settings: &Settings, notes: &mut Notes) {
        self.ids_are_free(settings, notes);
        if let Some(objection) = self.unconfined(settings) {
            notes.mistakes.note(notes.place("confinement"), objection);
        }
        files_are_there(settings, notes);
        directories_have_parents(settings, notes);
    }

    /// What the machine lacks to confine the set as the settings demand: nothing in the
    /// file needs to be wrong.
    pub fn unconfined(&self, settings: &Settings) -> Option<Objection> {
        self.without_needs()
            .or_else(|| self.without_layers(settings))
    }

    fn without_needs(&self) -> Option<Objection> {
        let told = |tell: fn(&Need) -> String| {
            let all: Vec<String> = self.needs.iter().map(tell).collect();
            all.join("; ")
        };
        let lacks = told(|need| need.text().to_owned());
        let remedies = told(|need| need.remedy().to_owned());
        (!self.needs.is_empty()).then(|| {
            Objection::new(
                format!("this machine lacks what nothing runs without: {lacks}"),
                format!("nothing in this file can help; it takes {remedies}"),
            )
        })
    }

    fn without_layers(&self, settings: &Settings) -> Option<Objection> {
        let waived = Waivers::from_bits(settings.supervision.waivers).unwrap_or(Waivers::NONE);
        let missing = self.lacks.minus(waived);
        let all: Waivers = missing.layers().chain(waived.layers()).collect();
        let told: Vec<String> = missing
            .layers()
            .map(|layer| format!("{}, which needs {}", layer.name(), layer.needs()))
            .collect();
        (!missing.is_empty()).then(|| {
            Objection::new(
                format!("this kernel lacks {}", told.join("; ")),
                format!("to do without, write below [confinement]: {all}"),
            )
        })
    }

    fn ids_are_free(&self, settings: &Settings, notes: &mut Notes) {
        let Some(ranges) = rules::ranges(settings) else {
            return;
        };
        let taken = [
            ("ids.processes", ranges.processes()),
            ("ids.accounts", ranges.accounts()),
        ];
        for (path, (first, last)) in taken {
            let ours = u64::from(first)..=u64::from(last);
            let meets =
                |claim: &&Claim| claim.ids.start() <= ours.end() && ours.start() <= claim.ids.end();
            if let Some(claim) = self.claims.iter().find(meets) {
                let reason = format!("the ids {first} to {last} meet those of {}", claim.whose);
                notes.object(path, Objection::new(reason, "choose other ranges in [ids]"));
            }
        }
    }
}

/// user = name ":" password ":" uid ":" …   (passwd(5))
fn users(text: &str) -> Vec<Claim> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next()?, fields.nth(1)?.parse().ok()?);
        Some(Claim {
            ids: uid..=uid,
            whose: format!("{} in /etc/passwd", quote(name)),
        })
    };
    text.lines().filter_map(user).collect()
}

/// subordinate = owner ":" first ":" count   (subuid(5))
fn subordinates(path: &str, text: &str) -> Vec<Claim> {
    let line = |line: &str| {
        let mut fields = line.trim().splitn(3, ':');
        let owner = fields.next()?;
        let first: u64 = fields.next()?.parse().ok()?;
        let count: u64 = fields.next()?.parse().ok()?;
        let last = first.checked_add(count.checked_sub(1)?)?;
        Some(Claim {
            ids: first..=last,
            whose: format!("{} in {path}", quote(owner)),
        })
    };
    text.lines().filter_map(line).collect()
}

fn files_are_there(settings: &Settings, notes: &mut Notes) {
    let files = [
        (
            "tls.certificates",
            &settings.certificates,
            "-----BEGIN CERTIFICATE-----",
        ),
        ("tls.key", &settings.key, "PRIVATE KEY-----"),
    ];
    for (key, path, mark) in files {
        let Some(path) = path else { continue };
        let path = Path::new(std::ffi::OsStr::from_bytes(path.as_slice()));
        if let Err(objection) = pem(path, mark) {
            notes.object(key, objection);
        } else if key == "tls.key" && is_open_to_others(path) {
            let reason = "every user of this machine can read the key";
            let suggestion = format!("chmod o= {}", path.display());
            notes.object(key, Objection::new(reason, suggestion));
        }
    }
}

/// Whether a file can be opened, and holds what it should.
fn pem(path: &Path, mark: &str) -> Result<(), Objection> {
    let unreadable = |why: String| {
        Objection::new(
            format!(
                "{} can't be read: {why}",
                quote(&path.display().to_string())
            ),
            "name an existing PEM file that root, or whoever starts the set, can read",
        )
    };
    // Not blocking, for the path may be a FIFO.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty())
        .map_err(|errno| unreadable(errno.to_string()))?;
    let stat = rustix::fs::fstat(&file).map_err(|errno| unreadable(errno.to_string()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(unreadable("it is no regular file".to_owned()));
    }
    let mut bytes = vec![0; PEM_BYTES_MAX];
    let length =
        rustix::io::read(&file, &mut bytes[..]).map_err(|errno| unreadable(errno.to_string()))?;
    let found = String::from_utf8_lossy(&bytes[..length]).contains(mark);
    zeroize::Zeroize::zeroize(&mut bytes);
    if found {
        Ok(())
    } else {
        Err(unreadable(format!("it has no line with \"{mark}\"")))
    }
}

fn is_open_to_others(path: &Path) -> bool {
    rustix::fs::stat(path).is_ok_and(|stat| stat.st_mode & 0o004 != 0)
}

/// The supervisor makes the last directory of a path, not those above it.
fn directories_have_parents(settings: &Settings, notes: &mut Notes) {
    let places = [
        ("store.directory", settings.supervision.state.as_slice()),
        (
            "admin.socket",
            above(settings.supervision.control_socket.as_slice()),
        ),
    ];
    for (key, path) in places {
        let parent = above(path);
        let there = rustix::fs::stat(parent)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        if !there {
            let parent = String::from_utf8_lossy(parent).into_owned();
            let reason = format!("there is no directory {}", quote(&parent));
            notes.object(
                key,
                Objection::new(reason, "make it, or choose another place"),
            );
        }
    }
}

/// The path of the directory that a path's last name is in.
fn above(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    if end == 0 { b"/" } else { &path[..end] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    fn machine(claims: Vec<Claim>) -> Machine {
        Machine {
            claims,
            lacks: Waivers::NONE,
            needs: Vec::new(),
        }
    }

    fn reasons(machine: &Machine, text: &str) -> Vec<String> {
        let (settings, mut notes) = plan::read(text).unwrap();
        let before = notes.mistakes.count();
        machine.hold(&settings, &mut notes);
        let all = notes.mistakes.in_order();
        let told = all
            .iter()
            .map(|mistake| mistake.objection.reason.clone())
            .collect::<Vec<_>>();
        assert_eq!(told.len(), notes.mistakes.count());
        assert!(before <= told.len());
        told
    }

    /// A file whose directories exist everywhere, and that has nothing else wrong.
    const PLAIN: &str = "accounts.domains = ['example.org']\nstore.directory = '/tmp/x'\n\
        admin.socket = '/tmp/x/c'\nlisten = [{ protocol = 'imap', address = '127.0.0.1:1', tls = 'never' }]\n";

    #[test]
    fn ids_of_users_and_subordinate_ids_are_not_ours() {
        assert_eq!(reasons(&machine(Vec::new()), PLAIN), Vec::<String>::new());
        let claims = users("root:x:0:0::/root:/bin/sh\nbroken\nalice:x:1900000005:1::/:/bin/sh\n");
        let told = reasons(&machine(claims), PLAIN);
        assert_eq!(
            told,
            ["the ids 1900000000 to 2099999999 meet those of \"alice\" in /etc/passwd"]
        );
        let claims = subordinates("/etc/subuid", "bob:1899990000:65536\nx:1:0\nbroken:\n");
        assert_eq!(claims.len(), 1);
        let told = reasons(&machine(claims), PLAIN);
        assert_eq!(told.len(), 2);
        assert!(told[0].ends_with("meet those of \"bob\" in /etc/subuid"));
    }

    #[test]
    fn lacking_layers_come_at_once_with_the_line_that_does_without_them() {
        let lacks = Waivers::NONE.with(Layer::LandlockScopes);
        let mut machine = machine(Vec::new());
        machine.lacks = lacks.with(Layer::LandlockIoctl);
        assert_eq!(
            reasons(&machine, PLAIN),
            ["this kernel lacks landlock-ioctl, which needs Linux 6.10; \
              landlock-scopes, which needs Linux 6.12"]
        );
        let (settings, _) = plan::read(PLAIN).unwrap();
        assert_eq!(
            machine.unconfined(&settings).unwrap().suggestion,
            "to do without, write below [confinement]: \
             without = [\"landlock-ioctl\", \"landlock-scopes\"]"
        );
        let waived =
            format!("{PLAIN}confinement.without = ['landlock-scopes', 'landlock-ioctl']\n");
        assert_eq!(reasons(&machine, &waived), Vec::<String>::new());
    }

    #[test]
    fn what_nothing_runs_without_can_not_be_waived() {
        let mut machine = machine(Vec::new());
        machine.needs = vec![Need::CloseRange];
        let waived = format!("{PLAIN}confinement.without = ['landlock']\n");
        for text in [PLAIN, &waived] {
            let told = reasons(&machine, text);
            assert_eq!(
                told,
                ["this machine lacks what nothing runs without: close_range(2)"]
            );
        }
    }

    #[test]
    fn missing_and_foreign_and_open_files_are_told() {
        use std::os::unix::fs::PermissionsExt;
        let directory =
            std::env::temp_dir().join(format!("mailkeep-config-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (certificates, key) = (directory.join("c.pem"), directory.join("k.pem"));
        let text = format!(
            "{PLAIN}tls.certificates = '{}'\ntls.key = '{}'\n",
            certificates.display(),
            key.display()
        );
        std::fs::write(&key, "-----BEGIN PRIVATE KEY-----").unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let told = reasons(&machine(Vec::new()), &text);
        assert!(
            told[0].contains("c.pem\" can't be read: No such file"),
            "{told:?}"
        );
        assert_eq!(told[1], "every user of this machine can read the key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&certificates, "-----BEGIN X-----").unwrap();
        let told = reasons(&machine(Vec::new()), &text);
        assert!(told[0].contains("has no line with"), "{told:?}");
        std::fs::write(&certificates, "-----BEGIN CERTIFICATE-----").unwrap();
        assert_eq!(reasons(&machine(Vec::new()), &text), Vec::<String>::new());
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_place_without_a_parent_is_told() {
        let text = PLAIN.replace("'/tmp/x'", "'/no/such/place'");
        assert_eq!(
            reasons(&machine(Vec::new()), &text),
            ["there is no directory \"/no/such\""]
        );
        assert_eq!(above(b"/a"), b"/");
        assert_eq!(above(b"/a/b"), b"/a");
    }
}
