//! `front`, taken over: by a stranger's handshake, say. The attacker has what passes
//! through this one of several, and can say that it comes from anywhere; he has neither
//! the key nor what passes through another.

use crate::calls;
use crate::neighbours::{ALICE, BOB, House, OF_ALICE, UNDISTURBED, may_possess, possess};
use crate::words::{
    broken, bytes, close, cookie, hear, is_cut, pair, placeholder, read_until, say,
};
use harness::possession::Possessed;
use harness::proc;
use harness::session::PATIENCE;
use harness::set::{PASSWORD, wait_for};
use ipc::edge::front_auth::Facts;
use ipc::edge::front_keyholder::{FromKeyholder, ToKeyholder};
use ipc::edge::front_service::{ToService, Transport};
use ipc::slice::Protocol;
use ipc::{Bytes, ConnectionId, Cookie};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Instant;

/// TLS 1.3 on the wire.
const TLS: Transport = Transport::Tls { version: 0x0304 };

/// ECDSA with P-256 and SHA-256 (RFC 8446 §4.2.3), as the tests' key has it.
const SCHEME: u16 = 0x0403;

/// What a TLS 1.3 server signs, up to the hash (RFC 8446 §4.4.3).
fn certificate_verify(whose: &str, hash: &[u8]) -> Vec<u8> {
    let context = format!("TLS 1.3, {whose} CertificateVerify\0");
    [&[b' '; 64], context.as_bytes(), hash].concat()
}

fn opened(cookie: Cookie, address: Ipv4Addr) -> Facts {
    Facts::Opened {
        cookie,
        protocol: Protocol::Imap,
        transport: TLS,
        address: address.to_ipv6_mapped().octets(),
        port: 7,
        exporter: Some([9; 32]),
        client_name: None,
    }
}

/// A session that a taken-over `front` makes up, from wherever it likes: its own end.
fn made_up(possessed: &mut Possessed, ways: &Ways, address: Ipv4Addr) -> u32 {
    let (near, far) = pair(possessed);
    let cookie = cookie(possessed, far);
    say(possessed, ways.auth, opened(cookie, address), &[]);
    let session = ToService::Session {
        connection: ConnectionId(1 << 40),
        protocol: Protocol::Imap,
        transport: TLS,
        may_start_tls: false,
        after_starttls: false,
        client_certificate: false,
        socket: placeholder(),
    };
    say(possessed, ways.login, session, &[far]);
    close(possessed, &[far]);
    near
}

/// The ways of a `front` to the others.
struct Ways {
    auth: u32,
    login: u32,
    lmtp: u32,
}

impl Ways {
    fn of(house: &House, front: u32) -> Self {
        let [auth, login, lmtp] = ["auth", "login", "lmtp"].map(|peer| house.way(front, peer));
        Self { auth, login, lmtp }
    }

    /// Takes a `front` over while its ways stand: one that it has just lost, and whose
    /// number it still had when it was asked for, is waited for anew.
    fn held(house: &House, front: u32) -> (Self, Possessed) {
        let mut held = None;
        let stand = wait_for(PATIENCE, || {
            let ways = Self::of(house, front);
            let before = ways.sockets(front);
            let possessed = possess(front);
            if ways.sockets(front) == before {
                held = Some((ways, possessed));
            } else {
                possessed.let_go();
            }
            held.is_some()
        });
        assert!(stand, "its ways are cut again and again");
        held.expect("they stand")
    }

    /// What its numbers stand for.
    fn sockets(&self, front: u32) -> [Option<PathBuf>; 3] {
        let link = |number| std::fs::read_link(format!("/proc/{front}/fd/{number}")).ok();
        [self.auth, self.login, self.lmtp].map(link)
    }
}

/// What an attacker has: sessions from wherever he says, with what login and worker
/// answer on them. Without a password they are no more than a stranger's.
#[test]
fn a_taken_over_front_comes_from_wherever_it_says_and_has_no_account_by_that() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let front = house.pid("front");
    let ways = Ways::of(&house, front);
    let mut possessed = possess(front);
    let session = made_up(&mut possessed, &ways, Ipv4Addr::new(203, 0, 113, 7));
    read_until(&mut possessed, session, "* OK");
    let guess = format!("g LOGIN {ALICE} \"a guess\"\r\n");
    let _ = possessed.send(session, guess.as_bytes(), &[]);
    read_until(&mut possessed, session, "g NO");
    let _ = possessed.send(session, b"n SELECT INBOX\r\n", &[]);
    read_until(&mut possessed, session, "n BAD");
    // Who types the right one hands it to him, and everything behind it.
    let _ = possessed.send(
        session,
        format!("a LOGIN {ALICE} \"{PASSWORD}\"\r\n").as_bytes(),
        &[],
    );
    read_until(&mut possessed, session, "a OK");
    let _ = possessed.send(session, b"s SELECT INBOX\r\nf FETCH 1 BODY.PEEK[]\r\n", &[]);
    let letter = read_until(&mut possessed, session, "f OK");
    assert!(letter.contains(OF_ALICE), "{letter}");
    assert!(
        house.log().contains("address=203.0.113.7"),
        "{}",
        house.log()
    );
    close(&mut possessed, &[session]);
    possessed.let_go();
    house.is_as_before();
}

#[test]
fn a_taken_over_front_says_nothing_about_a_session_of_another_front() {
    if !may_possess() {
        return;
    }
    let house = House::with(2, "");
    let mut bob = house.stranger();
    let fronts = house
        .processes()
        .into_iter()
        .filter(|(name, _)| name == "front");
    let other = fronts.map(|(_, pid)| pid).find(|pid| *pid != bob.front);
    let other = other.expect("there are two");
    let cookie = {
        // Cookies can be guessed; this one is known.
        let mut login = possess(bob.login);
        cookie(&mut login, bob.socket)
    };
    let auth = house.way(other, "auth");
    let mut possessed = possess(other);
    let elsewhere = Ipv4Addr::new(203, 0, 113, 9);
    say(&mut possessed, auth, opened(cookie, elsewhere), &[]);
    say(&mut possessed, auth, Facts::Closed { cookie }, &[]);
    say(&mut possessed, auth, opened(cookie, elsewhere), &[]);
    bob.session.ok(&format!("a LOGIN {BOB} \"{PASSWORD}\""));
    let log = house.log();
    assert!(!log.contains("203.0.113.9"), "{log}");
    house.is_undisturbed(&mut bob.session);
    // Of the same socket once this and once that: against the rules.
    say(
        &mut possessed,
        auth,
        opened(cookie, Ipv4Addr::new(203, 0, 113, 10)),
        &[],
    );
    is_cut(&mut possessed, auth);
    house.is_undisturbed(&mut bob.session);
    possessed.let_go();
    drop(bob);
    house.is_as_before();
}

#[test]
fn keyholder_signs_a_taken_over_front_handshakes_and_no_junk() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let front = house.pid("front");
    let keyholder = house.way(front, "keyholder");
    let mut possessed = possess(front);
    let mut sign = |input: &[u8], scheme: u16| {
        let input = Bytes::new(input).expect("short");
        say(
            &mut possessed,
            keyholder,
            ToKeyholder::Sign { scheme, input },
            &[],
        );
        hear::<FromKeyholder>(&mut possessed, keyholder).0
    };
    let good = certificate_verify("server", &[7; 32]);
    let signed = |answer: &FromKeyholder| matches!(answer, FromKeyholder::Signed { .. });
    assert!(
        signed(&sign(&good, SCHEME)),
        "use of the key is what he has"
    );
    // TLS 1.2: randoms, a named curve, a point.
    let tls12 = [&[5; 64][..], &[3, 0, 0x1d, 32], &[6; 32]].concat();
    let junk: [(&str, &[u8], u16); 8] = [
        ("nothing", b"", SCHEME),
        ("a hash", &[7; 32], SCHEME),
        ("TLS 1.2", &tls12, SCHEME),
        (
            "a client's",
            &certificate_verify("client", &[7; 32]),
            SCHEME,
        ),
        (
            "a longer hash",
            &certificate_verify("server", &[7; 33]),
            SCHEME,
        ),
        ("no hash", &certificate_verify("server", &[]), SCHEME),
        ("half", &good[..good.len() / 2], SCHEME),
        ("another scheme", &good, 0x0804),
    ];
    for (what, input, scheme) in junk {
        let answer = sign(input, scheme);
        assert!(
            matches!(answer, FromKeyholder::Refused),
            "{what}: {answer:?}"
        );
    }
    possessed.let_go();
    house.is_as_before();
}

/// One of the messages is of the right form, with the front's own end of the channel for a
/// client's socket. `lmtp` once spoke with itself then, and kept its end of a channel that
/// it no longer read: no letter came in by this front for as long as a client may idle.
#[test]
fn a_taken_over_front_that_breaks_rules_loses_its_channels_and_no_other_front_does() {
    if !may_possess() {
        return;
    }
    let house = House::with(2, "");
    let mut bob = house.stranger();
    bob.session.ok(&format!("a LOGIN {BOB} \"{PASSWORD}\""));
    let fronts = house
        .processes()
        .into_iter()
        .filter(|(name, _)| name == "front");
    let other = fronts.map(|(_, pid)| pid).find(|pid| *pid != bob.front);
    let other = other.expect("there are two");
    let facts = bytes(Facts::Closed { cookie: Cookie(1) });
    let service = bytes(ToService::Session {
        connection: ConnectionId(1),
        protocol: Protocol::Imap,
        transport: TLS,
        may_start_tls: false,
        after_starttls: false,
        client_certificate: false,
        socket: placeholder(),
    });
    for round in 0..broken(&facts).len() {
        let (ways, mut possessed) = Ways::held(&house, other);
        let goods = [&facts, &service, &service];
        for (way, good) in [ways.auth, ways.login, ways.lmtp].into_iter().zip(goods) {
            broken(good)[round].say(&mut possessed, way);
        }
        house.is_undisturbed(&mut bob.session);
        possessed.let_go();
        house.is_undisturbed(&mut bob.session);
    }
    drop(bob);
    house.is_as_before();
}

/// A `front` learns that its way to `keyholder` is cut when a client wants a handshake;
/// then it gets another.
#[test]
fn a_taken_over_front_that_breaks_rules_at_keyholder_is_cut_off_and_later_signs_again() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let mut bob = house.logged_in(BOB);
    let front = house.pid("front");
    let good = bytes(ToKeyholder::Sign {
        scheme: SCHEME,
        input: Bytes::new([0; 16]).expect("short"),
    });
    for broken in broken(&good) {
        let way = house.way(front, "keyholder");
        let mut possessed = possess(front);
        broken.say(&mut possessed, way);
        is_cut(&mut possessed, way);
        possessed.let_go();
        house.is_undisturbed(&mut bob);
        house.logged_in(ALICE).ok("l LOGOUT");
    }
    drop(bob);
    house.is_as_before();
}

#[test]
fn a_front_that_never_reads_again_keeps_its_own_clients_and_nobody_elses() {
    if !may_possess() {
        return;
    }
    let house = House::with(2, "");
    let mut bob = house.stranger();
    bob.session.ok(&format!("a LOGIN {BOB} \"{PASSWORD}\""));
    let fronts = house
        .processes()
        .into_iter()
        .filter(|(name, _)| name == "front");
    let other = fronts.map(|(_, pid)| pid).find(|pid| *pid != bob.front);
    let possessed = possess(other.expect("there are two"));
    for _ in 0..5 {
        house.is_undisturbed(&mut bob.session);
    }
    // Who doesn't accept gets no newcomers either.
    let begun = Instant::now();
    house.set.login(ALICE).ok("l LOGOUT");
    assert!(begun.elapsed() < UNDISTURBED);
    possessed.let_go();
    drop(bob);
    house.is_as_before();
}

#[test]
fn every_call_that_leads_out_of_front_kills_the_front_that_makes_it() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    calls::each_kills("front", |last| {
        let front = last.map_or_else(|| house.pid("front"), |last| house.successor("front", last));
        let confined = || {
            proc::tasks(front)
                .iter()
                .all(|task| task.status("Seccomp_filters") == "2")
        };
        assert!(wait_for(PATIENCE, confined));
        front
    });
    house.is_as_before();
}
