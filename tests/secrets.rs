//! Which secret stands in whose memory, and when: as audit/secrets.toml says, and
//! nowhere else; and none in a log, a file, an answer or a core.
//!
//! Into memory root alone can look; as an ordinary user that is what is checked.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

#[path = "secrets/forms.rs"]
mod forms;
#[path = "secrets/ledger.rs"]
mod ledger;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forms::{canary, hash, key, password};
use harness::memory::{Living, Needle, Sighting, everybody, search};
use harness::set::{IMAPS, signal_pid, text, wait_for};
use harness::{Session, Set};
use ledger::Ledger;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ALICE: &str = "alice@example.org";

/// The first account that `auth` numbers.
const ALICES: ipc::AccountId = ipc::AccountId(1);

/// How long a secret may outlive the moment that needed it: what is on its way to a
/// worker, say, or a thread that is about to end.
const FADING: Duration = Duration::from_secs(20);

/// How often is looked again after that: on a slow machine one look takes as long.
const LOOKS_MIN: usize = 5;

/// Passwords in the clear are taken here, and everything is logged that can be.
const OPEN: &str = "[login]\ncleartext_on_loopback = true\n[log]\nlevel = \"debug\"\n";

/// A set with an account.
fn set() -> Set {
    let set = Set::with(OPEN);
    set.add_user(ALICE);
    set
}

fn sightings(set: &Set, needles: &[Needle]) -> Vec<Sighting> {
    let all = everybody(set);
    all.iter().flat_map(|one| search(one, needles)).collect()
}

fn who(sightings: &[Sighting]) -> BTreeSet<String> {
    let names = sightings.iter().map(|sighting| sighting.process.clone());
    names.collect()
}

/// Whoever has it after a while is in the ledger.
fn fades(set: &Set, needles: &[Needle], secret: &str, moment: &str) {
    let allowed = Ledger::read().allowed(secret, moment);
    let mut seen = Vec::new();
    let mut within = || {
        seen = sightings(set, needles);
        who(&seen).is_subset(&allowed)
    };
    let faded = wait_for(FADING, &mut within) || (0..LOOKS_MIN).any(|_| within());
    assert!(
        faded,
        "{secret}, {moment}: only {allowed:?} may have it\n{seen:#?}"
    );
}

/// The ledger's processes have it, and nobody else: the search finds what is there.
fn stands(set: &Set, needles: &[Needle], secret: &str, moment: &str) {
    fades(set, needles, secret, moment);
    let allowed = Ledger::read().allowed(secret, moment);
    let found = who(&sightings(set, needles));
    assert_eq!(found, allowed, "{secret}, {moment}");
}

/// Whether what the processes hold can be looked for.
fn may_look() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("not checked: only root may look into the memory of processes");
    }
    is_root
}

#[test]
fn an_ordinary_user_looks_into_no_process_of_his_own_set() {
    if rustix::process::geteuid().is_root() {
        eprintln!("not checked: root may look into everything");
        return;
    }
    let set = set();
    let _session = set.login(ALICE);
    for Living { name, pid } in everybody(&set) {
        let opened = std::fs::File::open(format!("/proc/{pid}/mem"));
        assert!(opened.is_err(), "{name}");
    }
}

/// Stops a process until this is dropped.
struct Stopped(u32);

impl Stopped {
    fn new(pid: u32) -> Self {
        signal_pid(pid, Signal::STOP);
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(wait_for(FADING, || state().contains(") T ")));
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal_pid(self.0, Signal::CONT);
    }
}

/// A way in which a client can say a password, and how the answer to it begins.
type Way = (&'static str, fn(&Set, &str) -> Session, &'static str);

const WAYS: [Way; 6] = [
    ("LOGIN in the clear", login_clear, "a OK"),
    ("LOGIN after STARTTLS", login_starttls, "a OK"),
    ("LOGIN over TLS, with literals", login_literal, "a OK"),
    (
        "AUTHENTICATE with an initial response",
        sasl_initial,
        "a OK",
    ),
    ("AUTHENTICATE without", sasl, "a OK"),
    ("LOGIN with a name that nobody has", login_nobody, "a NO"),
];

fn login_clear(set: &Set, password: &str) -> Session {
    let mut session = set.imap();
    session.line(&format!("a LOGIN {ALICE} {password}"));
    session
}

fn login_starttls(set: &Set, password: &str) -> Session {
    let mut session = set.imap();
    session.ok("s STARTTLS");
    let mut session = session.start_tls(set.certificate());
    session.line(&format!("a LOGIN {ALICE} \"{password}\""));
    session
}

fn login_literal(set: &Set, password: &str) -> Session {
    let mut session = set.imaps();
    let (name, bytes) = (ALICE.len(), password.len());
    session.line(&format!("a LOGIN {{{name}}}"));
    let _go_on = session.read_line();
    session.line(&format!("{ALICE} {{{bytes}+}}"));
    session.line(password);
    session
}

fn sasl_initial(set: &Set, password: &str) -> Session {
    let mut session = set.imaps();
    session.line(&format!("a AUTHENTICATE PLAIN {}", message(password)));
    session
}

fn sasl(set: &Set, password: &str) -> Session {
    let mut session = set.imaps();
    session.line("a AUTHENTICATE PLAIN");
    let _go_on = session.read_line();
    session.line(&message(password));
    session
}

fn login_nobody(set: &Set, password: &str) -> Session {
    let mut session = set.imaps();
    session.line(&format!("a LOGIN nobody@example.org {password}"));
    session
}

fn message(password: &str) -> String {
    STANDARD.encode(format!("\0{ALICE}\0{password}"))
}

#[test]
fn a_password_that_is_typed_goes_with_its_connection() {
    if !may_look() {
        return;
    }
    let secret = "a password that a client types (LOGIN, AUTHENTICATE PLAIN, good or bad)";
    let set = set();
    for (way, type_it, expected) in WAYS {
        let canary = canary();
        let needles = password(&canary);
        let changed = set.mailkeep_with(&["user", "passwd", ALICE], &canary);
        assert!(changed.status.success(), "{}", text(&changed));
        fades(
            &set,
            &needles,
            "a password that an administrator sets",
            "over",
        );
        let stopped = Stopped::new(set.pid("auth"));
        let mut session = type_it(&set, &canary);
        let seen = || !sightings(&set, &needles).is_empty();
        assert!(wait_for(FADING, seen), "{way}: nobody has what was typed");
        fades(&set, &needles, secret, "asked");
        drop(stopped);
        let answer = session.read_line().expect("an answer");
        assert!(answer.starts_with(expected), "{way}: {answer}");
        fades(&set, &needles, secret, "answered");
        session.line("z NOOP");
        drop(session);
        fades(&set, &needles, secret, "over");
    }
}

#[test]
fn a_wrong_password_goes_with_its_connection_too() {
    if !may_look() {
        return;
    }
    let secret = "a password that a client types (LOGIN, AUTHENTICATE PLAIN, good or bad)";
    let set = set();
    let canary = canary();
    let needles = password(&canary);
    let mut session = set.imaps();
    let refused = session.command(&format!("a LOGIN {ALICE} {canary}"));
    assert!(refused[0].starts_with("a NO"), "{refused:?}");
    fades(&set, &needles, secret, "answered");
    drop(session);
    fades(&set, &needles, secret, "over");
}

#[test]
fn an_imported_hash_is_with_auth_alone() {
    if !may_look() {
        return;
    }
    let set = set();
    let hash = hash();
    let line = format!("carol@example.org:{{SSHA512}}{}:::::::\n", hash.text);
    let imported = set.mailkeep_with(&["user", "import", "-"], &line);
    assert!(imported.status.success(), "{}", text(&imported));
    let secret = "a password's hash, as it is kept or as it was imported";
    fades(&set, &hash.as_text(), secret, "serving");
    stands(&set, &hash.as_bytes(), secret, "serving");
}

#[test]
fn the_private_key_is_with_keyholder_alone_and_an_old_one_with_nobody() {
    if !may_look() {
        return;
    }
    let secret = "the private key of the certificate";
    let set = set();
    let pem = std::fs::read_to_string(set.directory().path().join("key.pem")).expect("a key");
    let old = key(&pem);
    drop(set.login(ALICE));
    stands(&set, &old, secret, "serving");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let _written = set.directory().write("certificate.pem", made.cert.pem());
    let _written = set
        .directory()
        .write("key.pem", made.signing_key.serialize_pem());
    let reloaded = set.mailkeep(&["reload"]);
    assert!(reloaded.status.success(), "{}", text(&reloaded));
    let mut session = Session::tls(set.at(IMAPS), made.cert.der());
    assert!(
        session
            .read_line()
            .is_some_and(|line| line.starts_with("* OK"))
    );
    let new = key(&made.signing_key.serialize_pem());
    stands(&set, &new, secret, "serving");
    fades(&set, &old, secret, "over");
}

/// The one secret that no test can give: it is overheard as the supervisor gives it.
#[test]
fn ticket_keys_are_with_those_who_seal_and_check() {
    if !may_look() {
        return;
    }
    let heard = harness::directory::Directory::new();
    let file = heard.path().join("said");
    let strace = "strace -D -xx -s 64 -e trace=sendmsg -o";
    let mut before: Vec<OsString> = strace.split(' ').map(OsString::from).collect();
    before.push(file.clone().into_os_string());
    if std::process::Command::new("strace")
        .arg("-V")
        .output()
        .is_err()
    {
        eprintln!("not checked: {}", harness::strace::INSTALL);
        return;
    }
    let set = Set::through(&before, OPEN).unwrap_or_else(|log| panic!("{log}"));
    set.add_user(ALICE);
    let mut session = set.login(ALICE);
    session.ok("a SELECT INBOX");
    let master = master_key(&file);
    let account = ipc::ticket::MasterKey::new(ipc::Secret::from_array(master)).expect("a key");
    let account = account.account_key(ALICES).dangerous_key_bytes();
    stands(
        &set,
        &[Needle::new("master key", &master)],
        "the master key of tickets",
        "serving",
    );
    let account = Needle::new("account key", account.dangerous_reveal());
    stands(&set, &[account], "an account's key of tickets", "serving");
}

/// The content of `ToProcess::MasterKey`: tag 5, 32 bytes long.
fn master_key(said: &Path) -> [u8; 32] {
    let text = std::fs::read_to_string(said).expect("strace writes");
    let head = r#"iov_base="\x05\x20\x00\x00\x00"#;
    let key = text
        .split(head)
        .nth(1)
        .expect("the key is given to somebody");
    let key = key.split('"').next().unwrap_or_default();
    let bytes = key.split("\\x").skip(1);
    let bytes = bytes.map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal"));
    bytes.collect::<Vec<_>>().try_into().expect("32 bytes")
}

/// What rustls would write into a key log.
#[derive(Debug, Default)]
struct Overheard(Mutex<Vec<Needle>>);

impl rustls::KeyLog for Overheard {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        self.0
            .lock()
            .expect("one thread")
            .push(Needle::new(label, secret));
    }
}

#[test]
fn a_connection_s_tls_secrets_go_with_it() {
    if !may_look() {
        return;
    }
    let (secret, set) = ("the secrets of a TLS connection", set());
    let overheard = Arc::new(Overheard::default());
    let mut tls = connect(&set, Arc::clone(&overheard));
    tls.write_all(b"a NOOP\r\n").expect("a connection");
    let _greeting = tls.read(&mut [0; 512]).expect("a connection");
    let needles = overheard.0.lock().expect("one thread").clone();
    assert!(!needles.is_empty(), "rustls logs no secret");
    stands(&set, &needles, secret, "serving");
    drop(tls);
    fades(&set, &needles, secret, "over");
}

fn connect(
    set: &Set,
    overheard: Arc<Overheard>,
) -> rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(set.certificate().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.key_log = overheard;
    let name = "localhost".try_into().expect("a name");
    let client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let tcp = std::net::TcpStream::connect(set.at(IMAPS)).expect("front listens");
    rustls::StreamOwned::new(client, tcp)
}

/// Every way by which a secret could get onto paper: a core, a log line of any level,
/// `status`, an error's words, a file.
#[test]
fn nothing_writes_a_secret_down_when_all_that_can_die_does() {
    let set = Set::with(&format!("{OPEN}[processes]\nrestart = \"10 ms\"\n"));
    set.add_user(ALICE);
    let canary = canary();
    let needles = password(&canary);
    let changed = set.mailkeep_with(&["user", "passwd", ALICE], &canary);
    assert!(changed.status.success(), "{}", text(&changed));
    let too_long = canary.repeat(100);
    let refused = [
        set.mailkeep_with(&["user", "add", ALICE], &canary),
        set.mailkeep_with(&["user", "passwd", "nobody@example.org"], &canary),
        set.mailkeep_with(&["user", "passwd", ALICE], &too_long),
        set.mailkeep_with(
            &["user", "import", "-"],
            &format!("carol:{{WHAT}}{canary}\n"),
        ),
    ];
    for output in &refused {
        assert!(!output.status.success() && !text(output).contains(&canary));
    }
    let mut answers = Vec::new();
    for signal in [Signal::SEGV, Signal::ABORT] {
        for process in processes() {
            answers.extend(crash(&set, process, &canary, signal));
        }
    }
    let status = set.mailkeep(&["status", "--json"]);
    answers.push(text(&status));
    answers.push(set.log());
    for needle in &needles {
        let held = |answer: &String| contains(answer.as_bytes(), needle);
        assert!(!answers.iter().any(held), "{}", needle.name);
    }
    let mut written = Vec::new();
    look(set.directory().path(), &needles, &mut written);
    assert_eq!(written, Vec::<String>::new());
}

/// Everybody who lives while somebody is logged in, but the supervisor: with him
/// goes the set.
fn processes() -> [&'static str; 9] {
    [
        "mailkeep-front",
        "mailkeep-keyholder",
        "mailkeep-login",
        "mailkeep-auth",
        "mailkeep-lmtp",
        "mailkeep-control",
        "mailkeep-worker",
        "mailkeep-broker",
        "mailkeep-director",
    ]
}

/// Crashes every process of a kind while a login is under way and a session lasts;
/// gives what the clients were told.
fn crash(set: &Set, process: &str, canary: &str, signal: Signal) -> Vec<String> {
    let mut session = None;
    let logged_in = wait_for(harness::session::PATIENCE, || {
        session = try_login(set, canary);
        session.is_some()
    });
    assert!(logged_in, "nobody serves before {process}'s end");
    let mut newcomer = set.imaps();
    newcomer.line(&format!("a LOGIN {ALICE} {canary}"));
    let before: Vec<Living> = everybody(set);
    let doomed: Vec<_> = before.iter().filter(|one| one.name == process).collect();
    assert!(!doomed.is_empty(), "no {process}");
    doomed.iter().for_each(|one| leaves_no_core(one));
    // The first SIGSEGV is for Rust's own handler, which looks whether it is a stack's end.
    let gone = || {
        let living = everybody(set);
        let left = doomed.iter().filter(|one| living.contains(one));
        left.map(|one| signal_pid(one.pid, signal)).count() == 0
    };
    assert!(wait_for(FADING, gone), "{process} outlives {signal:?}");
    let mut told = Vec::new();
    for mut one in [session, Some(newcomer)].into_iter().flatten() {
        let _gone = one.try_send(b"z LOGOUT\r\n");
        while let Some(line) = one.read_line() {
            told.push(line);
        }
    }
    told
}

fn try_login(set: &Set, canary: &str) -> Option<Session> {
    let mut session = Session::tls(set.at(IMAPS), set.certificate());
    session.read_line()?;
    session
        .try_send(format!("a LOGIN {ALICE} {canary}\r\n").as_bytes())
        .ok()?;
    let answer = session.read_line()?;
    answer.starts_with("a OK").then_some(session)
}

/// No core file may be made of it, and (not dumpable) its files in /proc are root's.
fn leaves_no_core(one: &Living) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", one.pid));
    let limits = limits.expect("it lives");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap_or_default().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{}", one.name);
    let owner = std::fs::metadata(format!("/proc/{}/environ", one.pid)).expect("it lives");
    let owner = std::os::unix::fs::MetadataExt::uid(&owner);
    let overflow = owner == 65_534; // Root, seen from within a user namespace.
    assert!(owner == 0 || overflow, "{} is dumpable", one.name);
}

fn contains(bytes: &[u8], needle: &Needle) -> bool {
    memchr::memmem::find(bytes, &needle.bytes).is_some()
}

/// Every file below a directory that holds a needle, or is a core.
fn look(directory: &Path, needles: &[Needle], written: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("nobody moves them").path();
        if path.is_dir() {
            look(&path, needles, written);
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let content = match path.is_file() {
            true => std::fs::read(&path).unwrap_or_default(),
            false => Vec::new(),
        };
        let holds = needles.iter().any(|needle| contains(&content, needle));
        if holds || name.starts_with("core") {
            written.push(path.display().to_string());
        }
    }
}

/// Where hashes of passwords and seals of tickets are compared.
const COMPARERS: [(&str, &str, usize); 2] = [
    ("src/auth/verifier.rs", "same(", 5),
    ("src/lib/ipc/ticket.rs", "HMAC::verify(", 1),
];

#[test]
fn secrets_are_compared_in_constant_time_alone() {
    for (path, comparer, times) in COMPARERS {
        let sources = harness::repository::rust();
        let file = sources.iter().find(|file| file.path == path);
        let code = file
            .unwrap_or_else(|| panic!("no {path}"))
            .production_code();
        let code: Vec<String> = code.map(|(_, line)| line.to_string()).collect();
        let calls = code
            .iter()
            .filter(|line| line.contains(comparer) && !line.contains("fn "));
        assert!(calls.count() >= times, "{path}: {comparer}");
        let plain: Vec<_> = code.iter().filter(|line| compares_plainly(line)).collect();
        assert!(
            plain.is_empty(),
            "{path}: compared in variable time: {plain:?}"
        );
    }
}

/// Whether a hash or a seal stands beside an operator.
fn compares_plainly(line: &str) -> bool {
    let is_secret = |word: Option<&&str>| {
        let name = word.and_then(|word| word.rsplit(['.', '*', '&']).next());
        ["hash", "seal", "ours", "theirs"].contains(&name.unwrap_or_default())
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut comparisons = words
        .windows(3)
        .filter(|three| ["==", "!="].contains(&three[1]));
    comparisons.any(|three| is_secret(three.first()) || is_secret(three.last()))
}

#[test]
fn a_plain_comparison_would_be_seen() {
    assert!(compares_plainly("    if self.seal == seal {"));
    assert!(!compares_plainly(
        "    if sealed.claim.account != self.account"
    ));
}
