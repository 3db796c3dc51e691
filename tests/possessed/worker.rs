//! A worker, taken over: by a letter, say. The attacker has this account, and no other.

use crate::calls;
use crate::neighbours::{ALICE, BOB, House, OF_ALICE, may_possess, possess};
use crate::words::{broken, bytes, close, hear, pair, placeholder, read, read_until, say};
use harness::possession::{Outcome, Possessed, cookie};
use harness::session::PATIENCE;
use harness::set::wait_for;
use harness::{Session, proc};
use ipc::edge::director_broker::{self, BirthFailure};
use ipc::edge::director_worker::{Health, ToDirector, ToWorker};
use ipc::edge::front_service::Transport;
use ipc::edge::handover::{Refusal, Work};
use ipc::slice::Protocol;
use ipc::ticket::{AccountKey, Grant, KEY_BYTES, Kind, SealedTicket, now};
use ipc::{AccountId, Bytes, Cookie, Epoch, Nonce, Secret};
use nix::libc;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where a worker has `director` (src/worker/main.rs).
const DIRECTOR: u32 = 3;

/// The numbers of the accounts, in the order in which they were added.
const OF_ALICES: AccountId = AccountId(1);
const OF_BOBS: AccountId = AccountId(2);

/// Opens a path for reading.
fn open(possessed: &mut Possessed, at: i64, path: &str) -> Outcome {
    let path = possessed.place(format!("{path}\0").as_bytes());
    possessed.call(libc::SYS_openat, &[at.cast_unsigned(), path, 0, 0])
}

/// What is in a file of the account.
fn contents(possessed: &mut Possessed, path: &str) -> Vec<u8> {
    let Outcome::Returned(file) = open(possessed, libc::AT_FDCWD.into(), path) else {
        panic!("{path} can't be opened");
    };
    let len = 100_000;
    let place = possessed.place(&vec![0; len]);
    let len = u64::try_from(len).expect("a length");
    let read = possessed.call(libc::SYS_pread64, &[file, place, len, 0]);
    let Outcome::Returned(read) = read else {
        panic!("{path}: {read:?}");
    };
    close(possessed, &[u32::try_from(file).expect("small")]);
    possessed.peek(place, usize::try_from(read).expect("a length"))
}

/// The account's journal, as a worker sees it.
fn journal(house: &House) -> String {
    let folder = house.set.state().join("store/1/journal");
    let mut names = std::fs::read_dir(folder).expect("a store has a journal");
    let name = names.next().expect("a segment").expect("a name");
    format!("/journal/{}", name.file_name().display())
}

/// A living session of Alice's, and her worker.
fn alice(house: &House) -> (Session, u32) {
    let session = house.logged_in(ALICE);
    (session, house.worker_of(1))
}

/// A session that is brought to a worker while it is taken over, before the worker has
/// seen it: the ticket, and the client's socket.
fn intercept(possessed: &mut Possessed) -> (SealedTicket, u32) {
    match hear::<ToWorker>(possessed, DIRECTOR) {
        (ToWorker::Serve { ticket, .. }, descriptors) => (ticket, descriptors[0]),
        (other, _) => panic!("{other:?}"),
    }
}

/// What an attacker has: the letters, the sessions that come, and the key.
#[test]
fn a_taken_over_worker_has_its_own_accounts_letters_and_sessions_and_key() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let (_session, worker) = alice(&house);
    let mut possessed = possess(worker);
    let journal = contents(&mut possessed, &journal(&house));
    let found = String::from_utf8_lossy(&journal).contains(OF_ALICE);
    assert!(found, "an attacker would find the letter");
    std::thread::scope(|scope| {
        let client = scope.spawn(|| house.logged_in(ALICE));
        let (ticket, socket) = intercept(&mut possessed);
        assert!(
            key_of(&possessed, &ticket).is_some(),
            "its key is in its memory"
        );
        let nonce = ticket.claim.nonce;
        say(&mut possessed, DIRECTOR, ToDirector::Taken { nonce }, &[]);
        let _ = possessed.send(socket, b"a OK you are mine\r\n* BYE\r\n", &[]);
        let mut client = client.join().expect("it logs in");
        assert_eq!(client.read_line().as_deref(), Some("* BYE"));
    });
}

/// The account's key, found as an attacker would find it: where it makes the seal of a
/// ticket that is known.
fn key_of(possessed: &Possessed, ticket: &SealedTicket) -> Option<[u8; KEY_BYTES]> {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", possessed.pid()));
    let maps = maps.expect("it lives");
    let heap = maps.lines().filter(|line| line.contains(" rw"));
    heap.into_iter().find_map(|line| {
        let (first, rest) = line.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (first, end) = (number(first)?, number(rest.split(' ').next()?)?);
        let memory = possessed.peek(first, usize::try_from(end - first).ok()?);
        let opens = |key: &&[u8]| opens(key, ticket);
        let found = memory.windows(KEY_BYTES).step_by(8).find(opens)?;
        found.try_into().ok()
    })
}

fn opens(bytes: &[u8], ticket: &SealedTicket) -> bool {
    let Ok(bytes) = <[u8; KEY_BYTES]>::try_from(bytes) else {
        return false;
    };
    // Keys look like noise; most memory doesn't.
    let few = bytes.iter().filter(|byte| **byte == 0).count() > 8;
    !few && key(ticket.claim.account, bytes).open(ticket, 0).is_ok()
}

fn key(account: AccountId, bytes: [u8; KEY_BYTES]) -> AccountKey {
    AccountKey::new(account, Secret::from_array(bytes)).expect("a key's length")
}

#[test]
fn no_path_and_no_descriptor_leads_a_taken_over_worker_out_of_its_account() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let (mut session, worker) = alice(&house);
    let mut bob = house.logged_in(BOB);
    let mut possessed = possess(worker);
    let root = proc::link(worker, "root");
    let bobs = Path::new(&root).with_file_name("2").display().to_string();
    let before = possessed.descriptors();
    for path in [
        "/etc/passwd",
        "../../../../../etc/passwd",
        &bobs,
        "../2",
        "/../2/journal",
        "/proc/self/maps",
        "/proc/1/root",
        "/dev/null",
        "/sys/kernel",
        "/run",
        "/tmp",
        "//etc//passwd",
        "\u{2025}/2",
    ] {
        let outcome = open(&mut possessed, libc::AT_FDCWD.into(), path);
        assert!(matches!(outcome, Outcome::Failed(_)), "{path}: {outcome:?}");
        for (number, what) in &before {
            let outcome = open(&mut possessed, i64::from(*number), path);
            assert!(
                matches!(outcome, Outcome::Failed(_)),
                "{path} from {what}: {outcome:?}"
            );
        }
    }
    // Up from its root, and from everything that it has open, is its root.
    for at in before
        .iter()
        .map(|(number, _)| i64::from(*number))
        .chain([i64::from(libc::AT_FDCWD)])
    {
        if let Outcome::Returned(opened) = open(&mut possessed, at, "../..") {
            let opened = u32::try_from(opened).expect("small");
            let now = possessed.descriptors();
            let (_, what) = now
                .iter()
                .find(|(number, _)| *number == opened)
                .expect("open");
            assert_eq!(*what, root);
            close(&mut possessed, &[opened]);
        }
    }
    assert_eq!(possessed.descriptors(), before);
    possessed.let_go();
    house.is_undisturbed(&mut bob);
    session.ok("l LOGOUT");
    drop((session, bob));
    house.is_as_before();
}

#[test]
fn every_call_that_leads_out_of_a_worker_kills_the_worker_that_makes_it() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let mut bob = house.logged_in(BOB);
    let mut sessions = Vec::new();
    calls::each_kills("worker", |last| {
        if let Some(last) = last {
            let gone = || !Path::new(&format!("/proc/{last}/exe")).exists();
            assert!(wait_for(PATIENCE, gone));
        }
        let (session, worker) = alice(&house);
        sessions.push(session);
        house.is_undisturbed(&mut bob);
        worker
    });
    drop((sessions, bob));
    house.is_as_before();
}

/// A session that is under way to Bob's worker, which doesn't move: its nonce.
fn pending(bobs: &mut Possessed) -> Nonce {
    let (ticket, _socket) = intercept(bobs);
    ticket.claim.nonce
}

#[test]
fn a_taken_over_worker_cannot_say_that_another_accounts_session_was_taken() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let (_session, worker) = alice(&house);
    let bob = house.logged_in(BOB);
    let mut bobs = possess(house.worker_of(2));
    std::thread::scope(|scope| {
        let client = scope.spawn(|| house.logged_in(BOB));
        // Both are the attacker's; even so the one can't speak for the other.
        let nonce = pending(&mut bobs);
        let mut possessed = possess(worker);
        say(&mut possessed, DIRECTOR, ToDirector::Taken { nonce }, &[]);
        possessed.let_go();
        ends(&house, worker, "Taken of another's nonce");
        say(
            &mut bobs,
            DIRECTOR,
            ToDirector::Refused {
                nonce,
                refusal: Refusal::NoWorker,
            },
            &[],
        );
        bobs.let_go();
        client.join().expect("refused once, then served");
    });
    drop(bob);
    assert!(house.log().contains("a worker said what it may not say"));
}

/// `director` has this worker ended for what it said.
fn ends(house: &House, worker: u32, what: &str) {
    let gone = || !Path::new(&format!("/proc/{worker}/exe")).exists();
    assert!(
        wait_for(PATIENCE, gone),
        "{what}: it lives\n{}",
        house.log()
    );
}

/// Words of the right form that a worker may not say, or not now.
fn lies() -> Vec<(&'static str, ToDirector)> {
    let nonce = Nonce([7; 16]);
    let account = OF_BOBS;
    vec![
        (
            "another account's epoch",
            ToDirector::EpochRaised {
                account,
                epoch: Epoch(9),
            },
        ),
        (
            "a session that it wasn't brought",
            ToDirector::Taken { nonce },
        ),
        ("the end of one", ToDirector::Ended { nonce }),
        (
            "that it won't have one",
            ToDirector::Refused {
                nonce,
                refusal: Refusal::NoWorker,
            },
        ),
        (
            "that it is ready again",
            ToDirector::Ready { storage: None },
        ),
        ("that it has failed", ToDirector::Failed),
        (
            "that it holds what nobody asked for",
            ToDirector::Held { hold: None },
        ),
        ("that it holds nothing", ToDirector::NotHeld),
    ]
}

#[test]
fn what_a_taken_over_worker_may_not_say_ends_it_and_nobody_else_notices() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let mut bob = house.logged_in(BOB);
    for (what, lie) in lies() {
        let (_session, worker) = alice(&house);
        let mut possessed = possess(worker);
        say(&mut possessed, DIRECTOR, lie, &[]);
        house.is_undisturbed(&mut bob);
        possessed.let_go();
        ends(&house, worker, what);
    }
    let good = bytes(ToDirector::Taken {
        nonce: Nonce([7; 16]),
    });
    for broken in broken(&good) {
        let (_session, worker) = alice(&house);
        let mut possessed = possess(worker);
        broken.say(&mut possessed, DIRECTOR);
        house.is_undisturbed(&mut bob);
        possessed.let_go();
        ends(&house, worker, broken.name);
    }
    drop(bob);
    house.is_as_before();
}

/// What it may lie about: its own files. And how often it may say so.
#[test]
fn a_taken_over_worker_lies_about_its_own_files_alone_and_its_flood_holds_nobody_up() {
    const FLOOD: usize = 2000;
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let mut bob = house.logged_in(BOB);
    let (session, worker) = alice(&house);
    let mut possessed = possess(worker);
    let health = Health {
        damaged_letters: 77,
        ..Health::default()
    };
    for round in 0..FLOOD {
        let said = possessed.send(DIRECTOR, &bytes(ToDirector::Health { health }), &[]);
        assert_ne!(said, Outcome::Killed);
        if round % 200 == 0 {
            house.is_undisturbed(&mut bob);
        }
    }
    let damaged = || house.set.status()["damaged"].clone();
    let told = || damaged()[0]["letters"] == 77;
    assert!(wait_for(PATIENCE, told), "{}", damaged());
    assert_eq!(damaged()[0]["account"], 1);
    assert_eq!(damaged().as_array().map(Vec::len), Some(1), "{}", damaged());
    possessed.let_go();
    drop((session, bob));
    house.is_as_before();
}

#[test]
fn a_worker_that_never_reads_again_holds_up_nobody_but_its_own_account() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let mut bob = house.logged_in(BOB);
    let (mut session, worker) = alice(&house);
    let possessed = possess(worker);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| house.logged_in(ALICE));
        for _ in 0..10 {
            house.is_undisturbed(&mut bob);
        }
        house.logged_in(BOB).ok("l LOGOUT");
        assert!(
            house
                .set
                .deliver(BOB, "Subject: x\r\n\r\nx\r\n")
                .starts_with("250")
        );
        possessed.let_go();
        waiting.join().expect("served in the end");
    });
    session.ok("l LOGOUT");
    drop((session, bob));
    house.is_as_before();
}

/// A worker that has been given a session and says nothing about it.
#[test]
fn a_worker_that_answers_nothing_is_ended_and_its_owner_served_by_the_next() {
    /// `director` waits 15 s (src/director/workers.rs), on a busy machine a little more.
    const ENDED: Duration = Duration::from_secs(30);
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let mut bob = house.logged_in(BOB);
    let (_session, worker) = alice(&house);
    let mut possessed = possess(worker);
    std::thread::scope(|scope| {
        let begun = Instant::now();
        let waiting = scope.spawn(|| house.logged_in(ALICE));
        let (_ticket, socket) = intercept(&mut possessed);
        let _half_a_line = possessed.send(socket, b"* OK [CAPA", &[]);
        house.is_undisturbed(&mut bob);
        let ended = || house.log().contains("a worker had to be killed");
        assert!(wait_for(ENDED, ended), "{}", house.log());
        house.is_undisturbed(&mut bob);
        possessed.let_go();
        waiting.join().expect("served by the next").ok("l LOGOUT");
        assert!(begun.elapsed() < ENDED + Duration::from_secs(10));
    });
    drop(bob);
    house.is_as_before();
}

/// What a ticket of an account's key says.
fn grant(account: AccountId, cookie: Cookie, number: u8) -> Grant {
    Grant {
        kind: Kind::Session,
        account,
        epoch: Epoch(0),
        principal: account,
        rights: u32::MAX,
        nonce: Nonce([number; 16]),
        cookie,
        expires: now() + 15,
        may_create: false,
    }
}

/// A taken-over `director` that does what the worker's owner wants.
struct Accomplice<'a> {
    house: &'a House,
    broker: u32,
    director: Possessed,
    /// With this a worker seals tickets.
    key: [u8; KEY_BYTES],
}

impl Accomplice<'_> {
    /// Brings a ticket, made by the key of the one account, with a socket to the worker
    /// of another; what that says, and what it writes to the socket.
    fn brings(&mut self, to: u32, claim: impl FnOnce(Cookie) -> Grant) -> (ToDirector, String) {
        let wire = self.house.wire(self.director.pid(), to);
        let (near, far) = pair(&mut self.director);
        let claim = claim(Cookie(cookie(self.director.pid(), far)));
        let ticket = key(claim.account, self.key)
            .seal(claim)
            .expect("of this account");
        let serve = ToWorker::Serve {
            ticket,
            work: Work::Session {
                protocol: Protocol::Imap,
                transport: Transport::Tls { version: 0x0304 },
                tag: Bytes::new("forged").expect("short"),
                utf8: false,
                mechanisms: Bytes::default(),
                leftover: Bytes::default(),
            },
            socket: placeholder(),
        };
        say(&mut self.director, wire, serve, &[far]);
        let answer = self.answer(wire, claim.nonce);
        let written = match &answer {
            ToDirector::Taken { .. } => read_until(&mut self.director, near, "forged OK"),
            _ => String::from_utf8_lossy(&read(&mut self.director, near)).into_owned(),
        };
        close(&mut self.director, &[near, far]);
        (answer, written)
    }

    /// What a worker says about a session; that others have ended is nothing to us.
    fn answer(&mut self, wire: u32, about: Nonce) -> ToDirector {
        loop {
            match hear(&mut self.director, wire).0 {
                answer @ (ToDirector::Taken { nonce } | ToDirector::Refused { nonce, .. })
                    if nonce == about =>
                {
                    return answer;
                }
                _ => {}
            }
        }
    }

    fn is_refused(&mut self, to: u32, what: &str, claim: impl FnOnce(Cookie) -> Grant) {
        let (answer, written) = self.brings(to, claim);
        let refusal = Refusal::BadTicket;
        let is_refused =
            matches!(&answer, ToDirector::Refused { refusal: why, .. } if *why == refusal);
        assert!(
            is_refused && written.is_empty(),
            "{what}: {answer:?} {written}"
        );
    }
}

/// With a worker's key tickets for that account can be made, which the attacker has
/// anyway. Whoever brings them, no other worker takes them, and no worker is born by them.
#[test]
fn the_key_of_a_taken_over_worker_opens_no_other_account_whoever_brings_its_tickets() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let (_session, worker) = alice(&house);
    let mut possessed = possess(worker);
    let key = std::thread::scope(|scope| {
        let client = scope.spawn(|| house.logged_in(ALICE));
        let (ticket, _) = intercept(&mut possessed);
        let nonce = ticket.claim.nonce;
        let refusal = Refusal::NoWorker;
        say(
            &mut possessed,
            DIRECTOR,
            ToDirector::Refused { nonce, refusal },
            &[],
        );
        let key = key_of(&possessed, &ticket).expect("its key is in its memory");
        possessed.let_go();
        client.join().expect("refused once, then served");
        key
    });
    let bobs = house.worker_of(2);
    let mut accomplice = Accomplice {
        house: &house,
        broker: house.pid("broker"),
        director: possess(house.pid("director")),
        key,
    };
    let (answer, written) = accomplice.brings(worker, |cookie| grant(OF_ALICES, cookie, 1));
    assert!(matches!(answer, ToDirector::Taken { .. }), "{answer:?}");
    assert!(written.contains("forged OK"), "its own account: {written}");
    accomplice.is_refused(bobs, "another account", |cookie| grant(OF_BOBS, cookie, 2));
    accomplice.is_refused(bobs, "its own, elsewhere", |cookie| {
        grant(OF_ALICES, cookie, 3)
    });
    accomplice.is_refused(worker, "as somebody else", |cookie| Grant {
        principal: OF_BOBS,
        ..grant(OF_ALICES, cookie, 4)
    });
    for (kind, number) in [
        (Kind::Wake, 5),
        (Kind::Admin, 6),
        (Kind::Delivery, 7),
        (Kind::Verify, 8),
    ] {
        accomplice.is_refused(worker, "of another kind", |cookie| Grant {
            kind,
            ..grant(OF_ALICES, cookie, number)
        });
    }
    bears_none(accomplice);
    assert!(house.log().contains("a ticket was turned away"));
}

/// Nor does `broker` bear a worker by such a ticket.
fn bears_none(mut accomplice: Accomplice<'_>) {
    let director = accomplice.director.pid();
    let wire = accomplice.house.wire(director, accomplice.broker);
    let claim = grant(AccountId(3), Cookie(1), 9);
    let ticket = key(claim.account, accomplice.key)
        .seal(claim)
        .expect("of this account");
    let birth = director_broker::ToBroker::Birth {
        ticket,
        channel: placeholder(),
    };
    let (near, far) = pair(&mut accomplice.director);
    say(&mut accomplice.director, wire, birth, &[far]);
    close(&mut accomplice.director, &[near, far]);
    let (answer, _) = hear::<director_broker::ToDirector>(&mut accomplice.director, wire);
    let failure = BirthFailure::BadTicket;
    let is_not_born = |answer: &director_broker::ToDirector| matches!(answer, director_broker::ToDirector::NotBorn { failure: why, .. } if *why == failure);
    assert!(is_not_born(&answer), "{answer:?}");
}
