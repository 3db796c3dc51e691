//! `broker`, taken over: it has the master key, and can become any account, one after
//! the other: so it has all mail. It is never root, opens nothing outside of the store
//! and reaches nobody but who it bears.

use crate::attempts::try_all;
use crate::house::{ALICE, ALICE_ID, BOB, House, PATIENCE, uid};
use crate::siege::{self, GoesOn};
use crate::speech::{done, say};
use crate::wiring::SUPERVISOR;
use harness::possession::{Outcome, Possessed};
use harness::set::signal_pid;
use ipc::edge::director_broker::{BirthFailure, ToDirector};
use ipc::edge::supervisor::{Edge, Event, ToSupervisor};
use nix::libc;
use rustix::io::Errno;
use rustix::process::Signal;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

const HERE: u64 = libc::AT_FDCWD as u64;

/// Descriptors that it is born with: the programs of those that it bears, and the store.
const WORKERS_PROGRAM: u64 = 4;
const STORE: u64 = 5;
const VERIFIERS_PROGRAM: u64 = 6;

/// More steps up than there are to any root.
const UP: &str = "../../../../../../../../../../../../..";

fn path(by: &mut Possessed, path: impl AsRef<[u8]>) -> u64 {
    by.place(&[path.as_ref(), b"\0"].concat())
}

fn open(by: &mut Possessed, from: u64, name: impl AsRef<[u8]>, flags: i32) -> Outcome {
    let name = path(by, name);
    by.call(libc::SYS_openat, &[from, name, flags as u64, 0o600])
}

/// Becomes an account, as its children do.
fn become_account(by: &mut Possessed, id: u32) {
    let id = u64::from(id);
    done(by.call(libc::SYS_setgroups, &[0, 0]));
    done(by.call(libc::SYS_setresgid, &[id, id, id]));
    done(by.call(libc::SYS_setresuid, &[id, id, id]));
}

/// The file of alice's journal, as the broker names it.
fn journal(house: &House) -> String {
    let directory = house.set.state().join("store/1/journal");
    let mut files = std::fs::read_dir(directory).expect("root may look");
    let first = files.next().expect("a segment").expect("root may look");
    format!(
        "/1/journal/{}",
        first.file_name().into_string().expect("ASCII")
    )
}

#[test]
fn a_taken_over_broker_gets_nothing_from_the_kernel_but_its_ledgers_calls() {
    let Some(house) = House::open() else { return };
    try_all(&house, "broker");
    house.serves(BOB, PATIENCE);
}

/// What it gets.
#[test]
fn a_taken_over_broker_becomes_an_account_and_reads_its_mail_and_then_another() {
    let Some(house) = House::open() else { return };
    let file = journal(&house);
    let (pid, mut by) = house.possess("broker");
    assert_eq!(
        open(&mut by, HERE, &file, libc::O_RDONLY),
        Outcome::Failed(Errno::ACCESS)
    );
    become_account(&mut by, uid(ALICE_ID));
    let opened = done(open(&mut by, HERE, &file, libc::O_RDONLY));
    let room = by.place(&[0; 4096]);
    let mut text = Vec::new();
    for offset in (0..16 * 4096).step_by(4096) {
        let read = done(by.call(libc::SYS_pread64, &[opened.into(), room, 4096, offset]));
        text.extend(by.peek(room, read as usize));
    }
    assert!(String::from_utf8_lossy(&text).contains("secret of alice"));
    // It keeps its capabilities: so the next one's is its, too.
    become_account(&mut by, uid(crate::house::BOB_ID));
    done(open(&mut by, HERE, "/2/journal", libc::O_RDONLY));
    house.end_of(pid, by);
    house.serves(BOB, PATIENCE);
}

#[test]
fn a_taken_over_broker_becomes_nobody_but_accounts() {
    let Some(house) = House::open() else { return };
    let (low, high) = sandbox::IdRanges::default().accounts();
    let (low, high, account) = (u64::from(low), u64::from(high), u64::from(uid(ALICE_ID)));
    let unchanged = u64::from(u32::MAX);
    let own = sandbox::IdRanges::default().process(sandbox::Process::Broker);
    let own = u64::from(own.number());
    let ids = [
        [0, 0, 0],
        [low - 1, low - 1, low - 1],
        [high + 1, high + 1, high + 1],
        [own + 1, own + 1, own + 1],
        [unchanged, unchanged, unchanged],
        [account, 0, account],
        [0, account, account],
        [account, account, unchanged],
    ];
    for call in [libc::SYS_setresuid, libc::SYS_setresgid] {
        for ids in ids {
            let (_, mut by) = house.possess("broker");
            assert_eq!(by.call(call, &ids), Outcome::Killed, "{ids:?}");
        }
    }
    // As an account, too.
    let (_, mut by) = house.possess("broker");
    become_account(&mut by, uid(ALICE_ID));
    assert_eq!(by.call(libc::SYS_setresuid, &[0, 0, 0]), Outcome::Killed);
    house.serves(BOB, PATIENCE);
}

/// It may chroot, so its root is no wall. What is outside can be seen to be there, and
/// not opened, made, removed or executed.
#[test]
fn outside_of_the_store_a_taken_over_broker_opens_nothing_whichever_way_it_walks_out() {
    let Some(house) = House::open() else { return };
    let secrets = [
        house.set.directory().path().join("key.pem"),
        house.set.configuration(),
        house.set.state().join("auth"),
        house.set.state().join("spool"),
        "/etc/passwd".into(),
        "/etc/shadow".into(),
        format!("/proc/{}/environ", house.set.supervisor()).into(),
        "/tmp".into(),
    ];
    // By a descriptor of its own from before, and by the store's, with which it is born.
    for leaked in [None, Some(STORE)] {
        let (pid, mut by) = house.possess("broker");
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let from = leaked.unwrap_or_else(|| done(open(&mut by, HERE, "/", flags)).into());
        walk_out(&mut by, from);
        for secret in &secrets {
            is_shut(&mut by, from, secret);
        }
        makes_nothing(&mut by, from, house.set.directory().path());
        runs_nothing(&mut by, from);
        house.end_of(pid, by);
    }
    house.serves(BOB, PATIENCE);
}

/// Makes a directory in the store its root, so that its former one is outside.
fn walk_out(by: &mut Possessed, from: u64) {
    let name = path(by, "walked-out");
    let _there_from_before = by.call(libc::SYS_mkdirat, &[HERE, name, 0o700]);
    assert_eq!(by.call(libc::SYS_chroot, &[name]), Outcome::Returned(0));
    assert_eq!(by.call(libc::SYS_fchdir, &[from]), Outcome::Returned(0));
    // It is out: it sees what the machine has.
    let seen = open(by, HERE, format!("{UP}/etc/passwd"), libc::O_PATH);
    assert!(matches!(seen, Outcome::Returned(_)), "{seen:?}");
}

fn is_shut(by: &mut Possessed, from: u64, what: &Path) {
    let name = format!("{UP}{}", what.display());
    for at in [HERE, from] {
        for flags in [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR | libc::O_TRUNC] {
            let opened = open(by, at, &name, flags);
            assert!(
                matches!(
                    opened,
                    Outcome::Failed(Errno::ACCESS | Errno::ISDIR | Errno::NOENT)
                ),
                "{name}: {opened:?}"
            );
        }
    }
}

fn makes_nothing(by: &mut Possessed, from: u64, place: &Path) {
    let name = format!("{UP}/tmp/made-by-a-broker");
    let made = open(by, from, &name, libc::O_RDWR | libc::O_CREAT);
    assert_eq!(made, Outcome::Failed(Errno::ACCESS));
    let at = path(by, &name);
    let made = by.call(libc::SYS_mkdirat, &[from, at, 0o700]);
    assert_eq!(made, Outcome::Failed(Errno::ACCESS));
    let victim = path(by, format!("{UP}{}/certificate.pem", place.display()));
    let removed = by.call(libc::SYS_unlinkat, &[from, victim, 0]);
    assert_eq!(removed, Outcome::Failed(Errno::ACCESS));
    assert!(place.join("certificate.pem").exists());
}

/// A program outside can be named (`O_PATH`), and isn't executed.
fn runs_nothing(by: &mut Possessed, from: u64) {
    let shell = done(open(by, from, format!("{UP}/bin/sh"), libc::O_PATH));
    let nothing = path(by, "");
    let flags = libc::AT_EMPTY_PATH as u64;
    let executed = by.call(libc::SYS_execveat, &[shell.into(), nothing, 0, 0, flags]);
    assert_eq!(executed, Outcome::Failed(Errno::ACCESS));
}

/// A socket in the file system is behind no network namespace, and Landlock doesn't hold
/// who writes to it: so the broker has none of the kind that needs no connection.
#[test]
fn a_taken_over_broker_that_has_walked_out_reaches_no_socket_that_lies_there() {
    let Some(house) = House::open() else { return };
    let place = house.set.directory().path().join("anybody");
    let listener = UnixDatagram::bind(&place).expect("the directory is ours");
    std::fs::set_permissions(&place, Permissions::from_mode(0o777)).expect("it is ours");
    listener.set_nonblocking(true).expect("a socket");
    for kind in [
        libc::SOCK_DGRAM,
        libc::SOCK_RAW,
        libc::SOCK_STREAM,
        libc::SOCK_SEQPACKET,
    ] {
        let (pid, mut by) = house.possess("broker");
        let from = done(open(&mut by, HERE, "/", libc::O_PATH | libc::O_DIRECTORY));
        walk_out(&mut by, from.into());
        let sent = send_to(&mut by, kind, &place);
        let heard = listener.recv(&mut [0; 16]);
        assert!(heard.is_err(), "{kind}: it has said something");
        if sent != Outcome::Killed {
            house.end_of(pid, by);
        }
    }
}

/// A datagram to a socket that lies outside, over a pair of this kind.
fn send_to(by: &mut Possessed, kind: i32, place: &Path) -> Outcome {
    let room = by.place(&[0; 8]);
    let family = libc::AF_UNIX;
    let made = by.call(libc::SYS_socketpair, &[family as u64, kind as u64, 0, room]);
    if made != Outcome::Returned(0) {
        return made;
    }
    let socket = by.peek(room, 4);
    let socket = u32::from_le_bytes(socket.try_into().expect("four"));
    let mut address = u16::try_from(family).expect("small").to_le_bytes().to_vec();
    address.extend(format!("{UP}{}\0", place.display()).bytes());
    let length = address.len() as u64;
    let (address, bytes) = (by.place(&address), by.place(b"x"));
    let piece = by.place(&[bytes.to_le_bytes(), 1_u64.to_le_bytes()].concat());
    let header: Vec<u8> = [address, length, piece, 1, 0, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let header = by.place(&header);
    by.call(libc::SYS_sendmsg, &[socket.into(), header, 0])
}

/// The programs of those that it bears are sealed: it can't put another into their place.
#[test]
fn a_taken_over_broker_alters_no_program_of_those_that_it_bears() {
    let Some(house) = House::open() else { return };
    let (pid, mut by) = house.possess("broker");
    for program in [WORKERS_PROGRAM, VERIFIERS_PROGRAM] {
        let bytes = by.place(b"#!/bin/sh");
        let written = by.call(libc::SYS_pwrite64, &[program, bytes, 9, 0]);
        assert!(
            matches!(written, Outcome::Failed(Errno::PERM | Errno::BADF)),
            "{written:?}"
        );
        let cut = by.call(libc::SYS_ftruncate, &[program, 0]);
        assert!(
            matches!(
                cut,
                Outcome::Failed(Errno::PERM | Errno::INVAL | Errno::BADF)
            ),
            "{cut:?}"
        );
    }
    house.end_of(pid, by);
    house.serves(BOB, PATIENCE);
}

/// What it says of workers that it bore makes the supervisor end nobody else: a broker
/// that lies and dies takes none of the house along.
#[test]
fn nobody_that_a_taken_over_broker_calls_its_child_is_ended_for_it() {
    let Some(house) = House::open() else { return };
    let mut session = house.set.login(ALICE);
    let (pid, mut by) = house.possess("broker");
    let before = house.living();
    for (account, (_, other)) in (100..).zip(&before) {
        for event in [
            Event::VerifierBorn {
                account,
                pid: *other,
            },
            Event::WorkerBorn {
                account,
                pid: *other,
                micros: 1,
            },
        ] {
            say(&mut by, SUPERVISOR, ToSupervisor::Report { event }, &[]);
        }
    }
    by.let_go();
    house.pid("broker");
    signal_pid(pid, Signal::KILL);
    house.serves(BOB, PATIENCE);
    session.ok("n NOOP");
    let after = house.living();
    for one in before.iter().filter(|(name, _)| name != "broker") {
        assert!(
            after.contains(one),
            "{one:?} was ended\n{}",
            house.set.log()
        );
    }
}

/// Of births and ends `director` believes it; no account is deleted by that.
#[test]
fn what_a_taken_over_broker_says_to_director_costs_sessions_at_most() {
    let Some(house) = House::open() else { return };
    let mut session = house.set.login(ALICE);
    let (pid, mut by) = house.possess("broker");
    let director = house.end(pid, Edge::DirectorBroker);
    let (account, failure) = (ALICE_ID, BirthFailure::NoStorage);
    let lies = [
        ToDirector::Removed {
            account,
            gone: true,
        },
        ToDirector::Born {
            account,
            created: true,
        },
        ToDirector::NotBorn { account, failure },
        ToDirector::VerifierBorn { account },
        ToDirector::VerifierNotBorn { account, failure },
        ToDirector::VerifierEnded { account },
    ];
    for lie in lies {
        say(&mut by, director, lie, &[]);
    }
    session.ok("n NOOP");
    say(&mut by, director, ToDirector::Ended { account }, &[]);
    let _its_last_words = session.read_to_end();
    house.end_of(pid, by);
    house.serves(ALICE, PATIENCE);
    house.serves(BOB, PATIENCE);
}

#[test]
fn no_lie_of_a_taken_over_broker_about_form_costs_anybody_but_itself() {
    siege::tell_every_lie("broker");
}

#[test]
fn while_broker_stands_still_who_has_a_worker_is_served_and_afterwards_all_are() {
    siege::stand_still(
        "broker",
        |_| (),
        &[GoesOn::Sessions, GoesOn::Logins, GoesOn::Letters],
    );
}
