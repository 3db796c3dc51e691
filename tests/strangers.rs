//! What strangers can do to a running set, and cannot: memory, slots, time and
//! words before anybody has authenticated; and what a crash leaves behind.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::session::{PATIENCE, Session};
use harness::set::{IMAP, IMAPS, PASSWORD, POP3, POP3S, signal_pid, wait_for};
use harness::{Set, proc};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

const ALICE: &str = "alice@example.org";

/// One of each, so that it is clear whose memory is looked at.
const ONE_OF_EACH: &str = "[processes]\nrestart = \"50 ms\"\nfronts = 1\nlogins = 1\n";

/// Room for all the strangers of a test, who come from one address.
const ROOM: &str = "[limits]\nconnections = 2000\nconnections_per_client = 2000\n";

fn set(further: &str) -> Set {
    let set = Set::with(&format!("{ONE_OF_EACH}{further}"));
    set.add_user(ALICE);
    set
}

/// A stranger's connection, of whose greeting nobody takes notice.
fn stranger(set: &Set, port: u16) -> TcpStream {
    let stranger = TcpStream::connect(set.at(port)).expect("somebody listens");
    stranger.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stranger
}

/// Resident memory of a process, in KiB.
fn resident(pid: u32) -> u64 {
    let status = proc::tasks(pid).remove(0).status("VmRSS");
    let figure = status.split(' ').next().and_then(|one| one.parse().ok());
    figure.expect("a figure in KiB")
}

/// What an honest login may take beside strangers, on a machine that does other things,
/// too: far below what it would take if it waited for any of their deadlines.
const HONEST_LOGIN_MAX: Duration = Duration::from_secs(10);

fn logs_in_within(set: &Set, limit: Duration) {
    let begun = Instant::now();
    let mut session = set.login(ALICE);
    let took = begun.elapsed();
    assert!(took < limit, "an honest login took {took:?}");
    session.ok("l LOGOUT");
}

// P1

/// KiB that one stranger may hold in `front` and `login` together: the relay's
/// buffers are 16 KiB a direction, the longest line 8 KiB and its copies.
const STRANGER_KIB_MAX: u64 = 64;

#[test]
fn a_line_that_never_ends_is_cut_off_and_holds_a_bounded_memory() {
    const STRANGERS: u64 = 200;
    let imap = ["(", "{", "[", "\"", "\\"].map(|opener| (IMAP, "a NOOP ", opener));
    for (port, begin, opener) in imap.into_iter().chain([(POP3, "UTF8\r\nUSER ", "x")]) {
        let set = set(ROOM);
        logs_in_within(&set, PATIENCE);
        let pids = [set.pid("front"), set.pid("login")];
        let before: u64 = pids.into_iter().map(resident).sum();
        let line = format!("{begin}{}", opener.repeat(1 << 20));
        let strangers: Vec<TcpStream> = (0..STRANGERS)
            .map(|_| {
                let mut stranger = stranger(&set, port);
                // As much as fits: the end comes long before the million.
                stranger.set_nonblocking(true).expect("a socket");
                let _cut_off = stranger.write(line.as_bytes());
                stranger
            })
            .collect();
        logs_in_within(&set, HONEST_LOGIN_MAX);
        let after: u64 = pids.into_iter().map(resident).sum();
        let grown = after.saturating_sub(before);
        assert!(
            grown < STRANGERS * STRANGER_KIB_MAX,
            "{opener}: {grown} KiB for {STRANGERS} strangers"
        );
        for mut stranger in strangers {
            stranger.set_nonblocking(false).expect("a socket");
            stranger.set_read_timeout(Some(PATIENCE)).expect("a socket");
            let _reset = stranger.read_to_end(&mut Vec::new());
        }
    }
}

#[test]
fn unfinished_lines_below_the_limit_hold_a_bounded_memory_each() {
    const STRANGERS: u64 = 200;
    let set = set(ROOM);
    logs_in_within(&set, PATIENCE);
    let pids = [set.pid("front"), set.pid("login")];
    let before: u64 = pids.into_iter().map(resident).sum();
    let strangers: Vec<TcpStream> = (0..STRANGERS)
        .map(|_| {
            let mut stranger = stranger(&set, IMAP);
            let line = format!("a ID {}", "(".repeat(8000));
            stranger.write_all(line.as_bytes()).expect("a connection");
            stranger
        })
        .collect();
    logs_in_within(&set, HONEST_LOGIN_MAX);
    let after: u64 = pids.into_iter().map(resident).sum();
    let grown = after.saturating_sub(before);
    assert!(grown < STRANGERS * STRANGER_KIB_MAX, "{grown} KiB");
    drop(strangers);
}

// P3

/// A handshake that asks for a name; it ends where the client finds the wrong one in the
/// certificate.
fn ask_for(set: &Set, name: String) {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.try_into().expect("a name");
    let client = rustls::ClientConnection::new(std::sync::Arc::new(config), name);
    let mut tls = rustls::StreamOwned::new(client.expect("a client"), stranger(set, IMAPS));
    assert!(tls.read(&mut [0]).is_err(), "a certificate for any name");
}

#[test]
fn names_that_a_handshake_asks_for_leave_nothing_behind() {
    /// KiB in which a hundred names can't be: their configurations, say.
    const KIB_MAX: u64 = 512;
    let set = set(ROOM);
    let front = set.pid("front");
    let ask = |numbers: std::ops::Range<u32>| {
        numbers.for_each(|n| ask_for(&set, format!("{}{n}.example.org", "a".repeat(40))));
    };
    ask(0..50);
    let before = resident(front);
    ask(50..350);
    let grown = resident(front).saturating_sub(before);
    assert!(grown < KIB_MAX, "three hundred names left {grown} KiB");
}

#[test]
fn five_hundred_dawdlers_in_each_state_hold_up_no_honest_login() {
    let set = set(ROOM);
    let clear = |said: &'static [u8]| (IMAP, said);
    let states: [(u16, &[u8]); 8] = [
        clear(b""),
        clear(b"a"),
        clear(b"a LOGIN {100}\r\nx"),
        (IMAPS, b""),
        // The first byte of a ClientHello's record.
        (IMAPS, b"\x16"),
        (POP3, b"USER a"),
        (POP3, b"AUTH PLAIN\r\nAGFs"),
        (POP3S, b""),
    ];
    let dawdlers: Vec<TcpStream> = (0..500)
        .map(|number| {
            let (port, said) = states[number % states.len()];
            let mut dawdler = stranger(&set, port);
            dawdler.write_all(said).expect("a connection");
            dawdler
        })
        .collect();
    for _ in 0..3 {
        logs_in_within(&set, HONEST_LOGIN_MAX);
    }
    drop(dawdlers);
    logs_in_within(&set, HONEST_LOGIN_MAX);
}

#[test]
fn who_reads_nothing_holds_up_nobody_and_is_given_up() {
    let set = set(ROOM);
    let mute: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut mute = stranger(&set, IMAP);
            mute.set_nonblocking(true).expect("a socket");
            let ask = "a CAPABILITY\r\n".repeat(4096);
            while matches!(mute.write(ask.as_bytes()), Ok(1..)) {}
            mute
        })
        .collect();
    // What they asked for before their windows closed is answered, up to there.
    let busy = [set.pid("front"), set.pid("login")];
    let (mut last, mut same) = (0, 0);
    assert!(wait_for(PATIENCE, || {
        let now = busy.into_iter().map(ticks).sum();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same >= 10
    }));
    logs_in_within(&set, HONEST_LOGIN_MAX);
    drop(mute);
    // Their slots are free again: what `front` holds is the listeners and us.
    let front = set.pid("front");
    let held = || proc::descriptors(front).len();
    logs_in_within(&set, HONEST_LOGIN_MAX);
    let after = held();
    assert!(wait_for(PATIENCE, || held() <= after));
}

// P4

/// A client from a source of its own; `None` if it is closed without a greeting.
fn from_source(set: &Set, source: Ipv4Addr) -> Option<TcpStream> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    let socket = socket.expect("a socket");
    sockopt::set_socket_reuseaddr(&socket, true).expect("a socket");
    rustix::net::bind(&socket, &SocketAddr::from((source, 0))).expect("all of 127/8 is ours");
    rustix::net::connect(&socket, &set.at(IMAP)).expect("somebody listens");
    let mut client = TcpStream::from(socket);
    client.set_read_timeout(Some(PATIENCE)).expect("a socket");
    matches!(client.read(&mut [0; 4]), Ok(4)).then_some(client)
}

#[test]
fn a_client_has_its_share_and_no_other_clients() {
    const SHARE: usize = 5;
    let set = set("[limits]\nconnections_per_client = 5\n");
    let greedy = Ipv4Addr::new(127, 9, 0, 1);
    let mut held: Vec<TcpStream> = (0..SHARE)
        .map(|_| from_source(&set, greedy).expect("its share"))
        .collect();
    assert!(from_source(&set, greedy).is_none());
    for last in 2..30 {
        let neighbour = Ipv4Addr::new(127, 9, 0, last);
        assert!(from_source(&set, neighbour).is_some(), "{neighbour}");
    }
    // Whoever leaves makes room, however often.
    for _ in 0..20 {
        held.pop();
        let again = || from_source(&set, greedy);
        let mut next = None;
        assert!(wait_for(PATIENCE, || {
            next = again();
            next.is_some()
        }));
        held.extend(next);
        assert!(from_source(&set, greedy).is_none());
    }
}

#[test]
fn more_strangers_than_there_are_places_put_out_no_authenticated_session() {
    let set = set(&format!("{ROOM}[login]\nsessions = 20\n"));
    let mut session = set.login(ALICE);
    let strangers: Vec<TcpStream> = (0..60).map(|_| stranger(&set, IMAP)).collect();
    session.ok("n NOOP");
    logs_in_within(&set, HONEST_LOGIN_MAX);
    let put_out = strangers.into_iter().filter_map(|mut stranger| {
        stranger
            .set_read_timeout(Some(Duration::from_millis(200)))
            .ok()?;
        let mut said = Vec::new();
        // What stays open runs into the time, and has said no BYE.
        let _open = stranger.read_to_end(&mut said);
        String::from_utf8_lossy(&said)
            .contains("* BYE")
            .then_some(())
    });
    assert!(put_out.count() >= 40, "the oldest have gone, and were told");
}

// P6

#[test]
fn words_that_are_none_leave_the_connection_in_step_or_closed() {
    let set = set(ROOM);
    let long_tag = vec![b't'; 1 << 20];
    let long_line = [b"a NOOP ".as_slice(), &vec![b'x'; 10 << 20]].concat();
    let words: [&[u8]; 14] = [
        b"a NO\0OP",
        b"\0",
        b"a LOGIN al\0ice x",
        b"a LOGIN \"al\0ice\" x",
        b"a LOGIN \xff\xfe\xfd x",
        b"a LOGIN \"\xc0\xaf\" x",
        b"a LOGIN \xed\xa0\x80 x",
        b"a NOOP\rb NOOP",
        b"a NOOP\nb NOOP",
        b"a LOGIN \"never closed",
        b"a LOGIN \"x\\",
        b"a LOGIN {4294967295}",
        &long_tag,
        &long_line,
    ];
    for said in words {
        let begins = String::from_utf8_lossy(&said[..said.len().min(30)]).into_owned();
        let mut session = set.imap();
        let rest = [said, b"\r\nz NOOP\r\n"].concat();
        if session.try_send(&rest).is_err() {
            continue;
        }
        let mut last = String::new();
        while let Some(line) = session.read_line() {
            last = line;
            if last.starts_with("z ") {
                break;
            }
        }
        let in_step = last.starts_with("z OK");
        assert!(in_step || session.is_over(), "{begins}: {last}");
        assert!(!last.contains("alice"), "{begins}: {last}");
    }
    logs_in_within(&set, HONEST_LOGIN_MAX);
}

#[test]
fn words_that_are_none_leave_a_pop3_connection_in_step_or_closed() {
    let set = set(ROOM);
    let long_word = vec![b'T'; 1 << 20];
    let long_line = [b"USER ".as_slice(), &vec![b'x'; 10 << 20]].concat();
    let words: [&[u8]; 12] = [
        b"CA\0PA",
        b"\0",
        b"",
        b"USER al\0ice",
        b"USER \xff\xfe\xfd",
        b"USER \xc0\xaf",
        b"USER \xed\xa0\x80",
        b"PASS x\rQUIT",
        b"CAPA\nQUIT",
        b"AUTH PLAIN !!!!",
        &long_word,
        &long_line,
    ];
    for said in words {
        let begins = String::from_utf8_lossy(&said[..said.len().min(30)]).into_owned();
        let mut session = set.pop3s();
        let rest = [said, b"\r\nLANG en\r\n"].concat();
        if session.try_send(&rest).is_err() {
            continue;
        }
        let mut last = String::new();
        while let Some(line) = session.read_line() {
            last = line;
            if last.starts_with("+OK en ") {
                break;
            }
        }
        let in_step = last.starts_with("+OK en ");
        assert!(in_step || session.is_over(), "{begins}: {last}");
        assert!(!last.contains("alice"), "{begins}: {last}");
    }
    logs_in_within(&set, HONEST_LOGIN_MAX);
}

// R1

/// Every process of a set but its workers and the supervisor.
const PROCESSES: [&str; 8] = [
    "front",
    "login",
    "lmtp",
    "control",
    "director",
    "broker",
    "auth",
    "keyholder",
];

#[test]
fn a_crash_leaves_no_core_and_no_secret() {
    let set = set("");
    let mut session = set.login(ALICE);
    let mut wrong = set.imaps();
    let canary = "kanarienvogel-4711";
    wrong.command(&format!("w LOGIN {ALICE} \"{canary}\""));
    session.ok("s SELECT INBOX");
    for process in PROCESSES {
        let pid = set.pid(process);
        no_core_nor_secret_words(pid, process, canary);
        signal_pid(pid, Signal::ABORT);
        let back = || {
            let status = set.mailkeep(&["status", "--json"]);
            let status: Option<serde_json::Value> = serde_json::from_slice(&status.stdout).ok();
            let all = status.and_then(|status| status["processes"].as_array().cloned());
            all.is_some_and(|all| {
                all.iter().any(|one| {
                    one["process"] == process && one["pid"] != pid && one["running"] == true
                })
            })
        };
        assert!(
            wait_for(PATIENCE, back),
            "{process} is not back:\n{}",
            set.log()
        );
    }
    for worker in set.workers() {
        no_core_nor_secret_words(worker, "worker", canary);
        signal_pid(worker, Signal::ABORT);
    }
    let state = set.state();
    let log = set.stop();
    for secret in [canary, PASSWORD] {
        assert!(!log.contains(secret), "{secret} is in the log");
        let holder = holder_of(&state, secret);
        assert_eq!(holder, None, "{secret} is on the disk");
    }
    assert!(!log.contains("core dumped"));
}

fn no_core_nor_secret_words(pid: u32, process: &str, canary: &str) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let core = limits.lines().find(|line| line.starts_with("Max core"));
    // An ordinary user may not look, where the process is not his to look into.
    if let Some(core) = core {
        let words: Vec<&str> = core.split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{process}: {core}");
    }
    for file in ["cmdline", "environ"] {
        let said = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        assert!(
            !said.contains(canary) && !said.contains(PASSWORD),
            "{process}"
        );
        assert!(
            !said.contains("MAILKEEP"),
            "{process} inherits our environment"
        );
    }
}

/// The first file below a directory that is called core, or holds these bytes.
fn holder_of(directory: &Path, secret: &str) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?;
    entries.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holder_of(&path, secret);
        }
        let content = std::fs::read(&path).unwrap_or_default();
        let holds = content
            .windows(secret.len())
            .any(|at| at == secret.as_bytes());
        let is_core = entry.file_name().to_string_lossy().starts_with("core");
        (holds || is_core).then_some(path)
    })
}

// R3

/// The hard limit is `Limits::of` of the process's profile.
fn limit_descriptors(pid: u32, most: u64, hard: u64) -> bool {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(hard),
    };
    rustix::process::prlimit(process, Resource::Nofile, limit).is_ok()
}

/// Leaves a process no number for a further descriptor, if we may.
fn exhaust(pid: u32, hard: u64) -> bool {
    let held = proc::descriptors(pid);
    let is_free = |number: &u32| held.iter().all(|(other, _)| other != number);
    let free = (0..).find(is_free).unwrap_or_default();
    !held.is_empty() && limit_descriptors(pid, free.into(), hard)
}

/// Processor time that a process has used, in ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // proc_pid_stat(5): utime and stime are fields 14 and 15; the name is field 2.
    let field = |number: usize| fields[number - 3].parse::<u64>().unwrap_or(0);
    field(14) + field(15)
}

#[test]
fn a_front_without_descriptors_waits_without_spinning_and_serves_again() {
    let set = set(ROOM);
    let mut session = set.login(ALICE);
    let front = set.pid("front");
    if !exhaust(front, 65_536) {
        return; // Only root may look into a process and limit it.
    }
    let waiting: Vec<TcpStream> = (0..20).map(|_| stranger(&set, IMAP)).collect();
    let before = ticks(front);
    let spins = || ticks(front) - before >= 40;
    assert!(!wait_for(Duration::from_secs(2), spins));
    session.ok("n NOOP");
    assert!(limit_descriptors(front, 65_536, 65_536));
    for mut waited in waiting {
        let mut greeting = [0; 4];
        waited.read_exact(&mut greeting).expect("a greeting");
        assert_eq!(&greeting, b"* OK");
    }
    logs_in_within(&set, HONEST_LOGIN_MAX);
}

#[test]
fn a_login_or_director_without_descriptors_costs_what_came_meanwhile_and_no_more() {
    for process in ["login", "director"] {
        let set = set(ROOM);
        let mut session = set.login(ALICE);
        let pid = set.pid(process);
        if !exhaust(pid, 16_384) {
            return; // Only root may look into a process and limit it.
        }
        let mut refused = Session::clear(set.at(IMAP));
        let _ = refused.try_send(format!("a LOGIN {ALICE} \"{PASSWORD}\"\r\n").as_bytes());
        let mut answers = Vec::new();
        while let Some(line) = refused.read_line() {
            let over = line.starts_with("a ");
            answers.push(line);
            if over {
                break;
            }
        }
        assert!(!answers.iter().any(|line| line.starts_with("a OK")));
        session.ok("n NOOP");
        limit_descriptors(pid, 16_384, 16_384);
        let able = wait_for(PATIENCE, || logs_in(&set));
        assert!(
            able,
            "{process}: nobody can log in any more:\n{}",
            set.log()
        );
    }
}

fn logs_in(set: &Set) -> bool {
    let mut session = Session::tls(set.at(IMAPS), set.certificate());
    if session.read_line().is_none() {
        return false;
    }
    let login = format!("a LOGIN {ALICE} \"{PASSWORD}\"\r\n");
    if session.try_send(login.as_bytes()).is_err() {
        return false;
    }
    while let Some(line) = session.read_line() {
        if line.starts_with("a ") {
            return line.starts_with("a OK");
        }
    }
    false
}
