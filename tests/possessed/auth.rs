//! `auth`, taken over: it can let anybody in anywhere. It reads no letter itself, and
//! reaches nobody but those who ask it.

use crate::attempts::try_all;
use crate::house::{ALICE, ALICE_ID, BOB, House, PATIENCE};
use crate::memory;
use crate::siege::{self, GoesOn};
use crate::speech::{hear, say};
use harness::possession::Outcome;
use harness::set::IMAP;
use ipc::edge::login_auth::{ToAuth, ToLogin};
use ipc::edge::supervisor::Edge;
use ipc::edge::{auth_director, handover, lmtp_auth};
use ipc::ticket::{Grant, KEY_BYTES, Kind, MasterKey, SealedTicket, TICKET_SECONDS_MAX, now};
use ipc::{Bytes, Cookie, Epoch, Nonce, Secret};
use nix::libc;
use std::path::Path;

/// A ticket that was really granted, by which the key is known.
fn some_ticket(house: &House) -> SealedTicket {
    let (pid, mut by) = house.possess("director");
    let (auth, login) = (
        house.end(pid, Edge::AuthDirector),
        house.end(pid, Edge::LoginHandover),
    );
    let _client = house.begin_login(BOB);
    let granted = hear(&mut by, auth).message();
    let _handed: handover::ToDirector = hear(&mut by, login).message();
    house.end_of(pid, by);
    house.serves(ALICE, PATIENCE);
    match granted {
        auth_director::ToDirector::Grant { ticket, .. } => ticket,
        other @ auth_director::ToDirector::RaiseEpoch { .. } => panic!("{other:?}"),
    }
}

/// A ticket for alice's mail, as `auth` makes them.
fn minted(key: [u8; KEY_BYTES], nonce: Nonce, cookie: Cookie) -> SealedTicket {
    let master = MasterKey::new(Secret::from_array(key)).expect("its length");
    let grant = Grant {
        kind: Kind::Session,
        account: ALICE_ID,
        epoch: Epoch(0),
        principal: ALICE_ID,
        rights: u32::MAX,
        nonce,
        cookie,
        expires: now() + TICKET_SECONDS_MAX,
        may_create: false,
    };
    master.account_key(ALICE_ID).seal(grant).expect("her own")
}

#[test]
fn a_taken_over_auth_gets_nothing_from_the_kernel_but_its_ledgers_calls() {
    let Some(house) = House::open() else { return };
    try_all(&house, "auth");
    house.serves(BOB, PATIENCE);
}

/// Its few threads exist; then a second filter forbids more.
#[test]
fn a_taken_over_auth_makes_no_further_thread() {
    let Some(house) = House::open() else { return };
    let (_, mut by) = house.possess("auth");
    let shared = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES;
    let thread = shared | libc::CLONE_SIGHAND | libc::CLONE_THREAD | libc::CLONE_SYSVSEM;
    let cloned = by.call(libc::SYS_clone, &[thread as u64, 0, 0, 0, 0]);
    assert_eq!(cloned, Outcome::Killed);
    house.serves(BOB, PATIENCE);
}

/// What it gets: the master key, and so a ticket to any account, for who has a socket.
#[test]
fn a_taken_over_auth_lets_anybody_in_to_any_account_on_the_socket_that_it_names_alone() {
    let Some(house) = House::open() else { return };
    let known = some_ticket(&house);
    let login = house.instance("login");
    let (pid, mut by) = house.possess("auth");
    let key = memory::master_key(pid, &known).expect("auth has the master key");
    let (questions, director) = (
        house.end(pid, Edge::LoginAuth),
        house.end(pid, Edge::AuthDirector),
    );
    for right_socket in [false, true] {
        let mut client = house.set.imaps();
        client.line("a LOGIN bob@example.org nonsense");
        let (nonce, cookie) = match hear(&mut by, questions).message() {
            ToAuth::Begin { nonce, cookie, .. } => (nonce, cookie),
            other => panic!("{other:?}"),
        };
        let cookie = if right_socket {
            cookie
        } else {
            Cookie(cookie.0 + 1)
        };
        let grant = auth_director::ToDirector::Grant {
            asker: login,
            nonce,
            ticket: minted(key, nonce, cookie),
        };
        say(&mut by, director, grant, &[]);
        say(&mut by, questions, ToLogin::Verified { nonce }, &[]);
        let answer = client.read_line().expect("an answer");
        assert_eq!(answer.starts_with("a OK"), right_socket, "{answer}");
        if right_socket {
            client.ok("s SELECT INBOX");
            let letter = client.ok("f FETCH 1 BODY[TEXT]").join("\n");
            assert!(letter.contains("secret of alice"), "{letter}");
        }
    }
    house.end_of(pid, by);
    house.serves(BOB, PATIENCE);
}

/// Where the key of tickets is, besides, and where it isn't.
#[test]
fn the_master_key_is_in_the_supervisor_auth_and_broker_and_in_no_other_process() {
    let Some(house) = House::open() else { return };
    let known = some_ticket(&house);
    let _session = house.set.login(ALICE);
    let key = memory::master_key(house.pid("auth"), &known).expect("auth has it");
    let all = house.everybody();
    let having = all.iter().filter(|(_, pid)| memory::holds(*pid, &key));
    let mut having: Vec<&str> = having.map(|(name, _)| name.as_str()).collect();
    having.sort_unstable();
    assert_eq!(having, ["auth", "broker", "supervisor"]);
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    for looked_into in [
        "front",
        "login",
        "keyholder",
        "director",
        "control",
        "worker",
    ] {
        assert!(names.contains(&looked_into), "{all:?}");
    }
}

/// It holds its own table, its channels, and nothing of anybody's mail.
#[test]
fn a_taken_over_auth_holds_no_descriptor_but_of_its_table_and_its_channels() {
    let Some(house) = House::open() else { return };
    let _session = house.set.login(ALICE);
    let (pid, by) = house.possess("auth");
    let table = house.set.state().join("auth");
    for (number, what) in by.descriptors() {
        let is_channel = ["socket:", "pipe:", "anon_inode:"].map(|kind| what.starts_with(kind));
        let is_its_own = what == "/" || Path::new(&what).starts_with(&table);
        let is_fine = is_channel.contains(&true) || is_its_own || what == "/dev/null";
        assert!(is_fine, "{number}: {what} of {pid}");
    }
    by.let_go();
}

/// Words that nobody asked for: they are nothing to who hears them.
#[test]
fn what_a_taken_over_auth_says_to_nobodys_question_opens_nothing() {
    let Some(house) = House::open() else { return };
    let known = some_ticket(&house);
    let mut session = house.set.login(ALICE);
    let login = house.instance("login");
    let (pid, mut by) = house.possess("auth");
    let key = memory::master_key(pid, &known).expect("auth has it");
    let (questions, director) = (
        house.end(pid, Edge::LoginAuth),
        house.end(pid, Edge::AuthDirector),
    );
    let lmtp = house.end(pid, Edge::LmtpAuth);
    let nonce = Nonce([3; 16]);
    for asker in [login, ipc::Instance(0), ipc::Instance(9999)] {
        let ticket = minted(key, nonce, Cookie(1));
        say(
            &mut by,
            director,
            auth_director::ToDirector::Grant {
                asker,
                nonce,
                ticket,
            },
            &[],
        );
    }
    say(&mut by, questions, ToLogin::Verified { nonce }, &[]);
    let detail = Bytes::default();
    say(
        &mut by,
        lmtp,
        lmtp_auth::ToLmtp::Minted { nonce, detail },
        &[],
    );
    let workers = house.set.workers().len();
    by.let_go();
    session.ok("n NOOP");
    house.serves(BOB, PATIENCE);
    assert!(house.set.workers().len() <= workers + 1);
}

#[test]
fn no_lie_of_a_taken_over_auth_about_form_costs_anybody_but_itself() {
    siege::tell_every_lie("auth");
}

#[test]
fn while_auth_stands_still_sessions_go_on_and_afterwards_all_is_well() {
    let come = |house: &House| siege::knock(house, IMAP);
    siege::stand_still("auth", come, &[GoesOn::Sessions]);
}
