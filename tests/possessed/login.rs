//! `login`, taken over: by a stranger's bytes, say. The attacker has what is typed at it
//! meanwhile, and what that opens; he names nobody whose password he hasn't heard.

use crate::calls;
use crate::neighbours::{ALICE, BOB, House, Stranger, UNDISTURBED, may_possess, possess};
use crate::words::{broken, bytes, cookie, hear, is_cut, listen, placeholder, read_until, say};
use harness::possession::{Outcome, Possessed};
use harness::session::PATIENCE;
use harness::set::{IMAPS, PASSWORD, wait_for};
use harness::{Session, proc};
use ipc::edge::front_service::{self, Transport};
use ipc::edge::handover::{self, Refusal, ToAsker, Work};
use ipc::edge::login_auth::{Mechanism, Rejection, ToAuth, ToLogin};
use ipc::slice::Protocol;
use ipc::{Bytes, ConnectionId, Cookie, Instance, Nonce, Secret};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Instant;

/// A `login` that does what the attacker wants, and its ways to the others.
struct Taken<'a> {
    house: &'a House,
    possessed: Possessed,
    auth: u32,
    director: u32,
    /// The `front` whose sessions it has.
    front: Instance,
}

impl<'a> Taken<'a> {
    fn over(house: &'a House, stranger: &Stranger) -> Self {
        let login = stranger.login;
        let (auth, director) = (house.pid("auth"), house.pid("director"));
        Self {
            auth: house.wire(login, auth),
            director: house.wire(login, director),
            front: house.instance_of(stranger.front),
            possessed: possess(login),
            house,
        }
    }

    /// Asks `auth` about a name and a password for a session.
    fn asks(&mut self, question: Question<'_>) -> ToLogin {
        self.begins(question);
        let (answer, _) = hear(&mut self.possessed, self.auth);
        answer
    }

    fn begins(&mut self, question: Question<'_>) {
        let begin = question.begin(self.front);
        say(&mut self.possessed, self.auth, begin, &[]);
    }

    /// Hands a descriptor over to `director`.
    fn hands_over(&mut self, nonce: Nonce, socket: u32) {
        let hand_over = handover::ToDirector::HandOver {
            nonce,
            work: Work::Session {
                protocol: Protocol::Imap,
                transport: Transport::Tls { version: 0x0304 },
                tag: Bytes::new("a").expect("short"),
                utf8: false,
                mechanisms: Bytes::default(),
                leftover: Bytes::default(),
            },
            socket: placeholder(),
        };
        say(&mut self.possessed, self.director, hand_over, &[socket]);
    }

    /// As [`Self::hands_over`], and what comes of it.
    fn is_told(&mut self, nonce: Nonce, socket: u32) -> ToAsker {
        self.hands_over(nonce, socket);
        hear(&mut self.possessed, self.director).0
    }

    /// `director` had time to do whatever it does, and has said nothing.
    fn hears_nothing(&mut self) {
        let reply = self
            .house
            .set
            .deliver(BOB, "Subject: meanwhile\r\n\r\nx\r\n");
        assert!(reply.starts_with("250"), "{reply}");
        let said = listen::<ToAsker>(&mut self.possessed, self.director);
        assert!(said.is_none(), "{said:?}");
    }

    fn cookie(&mut self, socket: u32) -> Cookie {
        cookie(&mut self.possessed, socket)
    }

    fn let_go(self) {
        self.possessed.let_go();
    }
}

/// What `auth` is asked.
struct Question<'a> {
    nonce: Nonce,
    cookie: Cookie,
    name: &'a str,
    password: &'a str,
    protocol: Protocol,
}

impl<'a> Question<'a> {
    fn about(nonce: u8, cookie: Cookie, name: &'a str) -> Self {
        Self {
            nonce: numbered(nonce),
            cookie,
            name,
            password: PASSWORD,
            protocol: Protocol::Imap,
        }
    }

    fn begin(&self, front: Instance) -> ToAuth {
        let response = format!("\0{}\0{}", self.name, self.password);
        ToAuth::Begin {
            nonce: self.nonce,
            front,
            cookie: self.cookie,
            protocol: self.protocol,
            mechanism: Mechanism::Plain,
            response: Secret::new(response.into_bytes()).expect("short"),
        }
    }
}

fn numbered(number: u8) -> Nonce {
    Nonce([number; 16])
}

fn is_verified(answer: &ToLogin) -> bool {
    matches!(answer, ToLogin::Verified { .. })
}

fn rejected(answer: &ToLogin) -> Option<Rejection> {
    match answer {
        ToLogin::Rejected { rejection, .. } => Some(*rejection),
        _ => None,
    }
}

fn refused(answer: &ToAsker) -> Option<Refusal> {
    match answer {
        ToAsker::Refused { refusal, .. } => Some(*refusal),
        _ => None,
    }
}

/// What an attacker has: what is typed, the session that it opens, and a copy of its
/// socket for as long as he likes.
#[test]
fn a_taken_over_login_has_what_is_typed_at_it_and_a_copy_of_what_it_hands_over() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let mut stranger = house.stranger();
    let mut taken = Taken::over(&house, &stranger);
    stranger
        .session
        .line(&format!("a LOGIN {ALICE} \"{PASSWORD}\""));
    let typed = read_until(&mut taken.possessed, stranger.socket, "\r\n");
    assert!(typed.contains(PASSWORD), "{typed}");
    let cookie = taken.cookie(stranger.socket);
    let answer = taken.asks(Question::about(1, cookie, ALICE));
    assert!(is_verified(&answer), "{answer:?}");
    let told = taken.is_told(numbered(1), stranger.socket);
    assert!(matches!(told, ToAsker::Taken { .. }), "{told:?}");
    let line = stranger.session.read_line().expect("the worker's");
    assert!(line.starts_with("a OK"), "{line}");
    let written = taken
        .possessed
        .send(stranger.socket, b"* OK written along\r\n", &[]);
    assert!(matches!(written, Outcome::Returned(_)));
    assert_eq!(
        stranger.session.read_line().as_deref(),
        Some("* OK written along")
    );
    taken.let_go();
    drop(stranger);
    house.is_as_before();
}

#[test]
fn a_taken_over_login_names_nobody_to_director_whose_password_it_has_not() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let stranger = house.stranger();
    let mut taken = Taken::over(&house, &stranger);
    let known = house.log().matches("authenticated").count();
    taken.hands_over(numbered(1), stranger.socket);
    taken.hears_nothing();
    let cookie = taken.cookie(stranger.socket);
    for (nonce, name, password) in [
        (2, ALICE, "a guess"),
        (3, "nobody@example.org", PASSWORD),
        (4, "1", PASSWORD),
        (5, "", ""),
    ] {
        let question = Question {
            password,
            ..Question::about(nonce, cookie, name)
        };
        let answer = taken.asks(question);
        assert_eq!(
            rejected(&answer),
            Some(Rejection::Credentials),
            "{name}: {answer:?}"
        );
        taken.hands_over(numbered(nonce), stranger.socket);
        taken.hears_nothing();
    }
    assert_eq!(house.log().matches("authenticated").count(), known);
    // The same half twice is against the rules, and ends them all.
    taken.hands_over(numbered(1), stranger.socket);
    is_cut(&mut taken.possessed, taken.director);
    taken.let_go();
    drop(stranger);
    house.is_as_before();
}

#[test]
fn a_ticket_that_a_taken_over_login_has_earned_is_for_its_own_socket_and_once() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let (mut one, other) = (house.stranger(), house.stranger());
    let mut taken = Taken::over(&house, &one);
    let cookies = [one.socket, other.socket].map(|socket| taken.cookie(socket));
    assert!(is_verified(
        &taken.asks(Question::about(1, cookies[0], ALICE))
    ));
    let told = taken.is_told(numbered(1), other.socket);
    assert_eq!(refused(&told), Some(Refusal::BadTicket), "another socket");
    for (nonce, descriptor) in [(2, 0), (3, 2), (4, taken.auth), (5, taken.director)] {
        assert!(is_verified(
            &taken.asks(Question::about(nonce, cookies[0], ALICE))
        ));
        let told = taken.is_told(numbered(nonce), descriptor);
        assert_eq!(
            refused(&told),
            Some(Refusal::BadTicket),
            "descriptor {descriptor}"
        );
    }
    assert!(is_verified(
        &taken.asks(Question::about(6, cookies[0], ALICE))
    ));
    let told = taken.is_told(numbered(6), one.socket);
    assert!(matches!(told, ToAsker::Taken { .. }), "its own: {told:?}");
    assert!(
        one.session
            .read_line()
            .is_some_and(|line| line.starts_with("a OK"))
    );
    // The same authentication again, and the nonce that has been used.
    assert!(is_verified(
        &taken.asks(Question::about(6, cookies[0], ALICE))
    ));
    let told = taken.is_told(numbered(6), one.socket);
    assert_eq!(refused(&told), Some(Refusal::BadTicket), "used");
    taken.hands_over(numbered(6), one.socket);
    taken.hears_nothing();
    taken.hands_over(numbered(6), one.socket);
    is_cut(&mut taken.possessed, taken.director);
    taken.let_go();
    drop((one, other));
    house.is_as_before();
}

#[test]
fn one_nonce_brings_a_taken_over_login_no_second_account() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let stranger = house.stranger();
    let mut taken = Taken::over(&house, &stranger);
    let cookie = taken.cookie(stranger.socket);
    // Two tickets for one nonce: neither is good for anything.
    for name in [ALICE, BOB] {
        assert!(is_verified(&taken.asks(Question::about(1, cookie, name))));
    }
    taken.hands_over(numbered(1), stranger.socket);
    taken.hears_nothing();
    // A second question under an open one: both are there when `auth` looks, and what it
    // doesn't remember takes it a while.
    let auth = possess(house.pid("auth"));
    for name in [ALICE, BOB] {
        let password = "a guess";
        taken.begins(Question {
            password,
            ..Question::about(2, cookie, name)
        });
    }
    auth.let_go();
    is_cut(&mut taken.possessed, taken.auth);
    taken.hands_over(numbered(1), stranger.socket);
    is_cut(&mut taken.possessed, taken.director);
    taken.let_go();
    drop(stranger);
    house.is_as_before();
}

/// What authentication rests on is said by `front` alone: for sessions that `front`
/// hasn't told of, or has told otherwise, a right password is worth nothing.
#[test]
fn a_taken_over_login_supplies_no_fact_about_a_connection() {
    if !may_possess() {
        return;
    }
    let listen = "[[listen]]\nprotocol = \"imap\"\naddress = \"ADDRESS:10144\"\ntls = \"starttls\"\nproxy = true\n[proxy]\nnetworks = [\"127.0.0.0/8\"]\n[login]\ncleartext_on_loopback = true\n";
    let house = House::with(1, listen);
    let far = house.met(|| from_afar(&house));
    let stranger = house.stranger();
    let mut taken = Taken::over(&house, &stranger);
    let own = taken.cookie(taken.auth);
    let cookie = taken.cookie(stranger.socket);
    let far_cookie = taken.cookie(far.socket);
    let told = taken.asks(Question::about(1, far_cookie, ALICE));
    assert_eq!(
        rejected(&told),
        Some(Rejection::PrivacyRequired),
        "{told:?}"
    );
    let told = taken.asks(Question::about(2, own, ALICE));
    assert_eq!(rejected(&told), Some(Rejection::Unavailable), "{told:?}");
    let protocol = Protocol::Lmtp;
    let question = Question {
        protocol,
        ..Question::about(3, cookie, ALICE)
    };
    let told = taken.asks(question);
    assert_eq!(rejected(&told), Some(Rejection::Unavailable), "{told:?}");
    let front = std::mem::replace(&mut taken.front, Instance(4000));
    let told = taken.asks(Question::about(4, cookie, ALICE));
    assert_eq!(rejected(&told), Some(Rejection::Unavailable), "{told:?}");
    taken.front = front;
    assert!(
        is_verified(&taken.asks(Question::about(5, cookie, ALICE))),
        "the honest way"
    );
    taken.hands_over(numbered(5), stranger.socket);
    taken.let_go();
    drop((far, stranger));
    house.is_as_before();
}

/// A client that a proxy says is at 192.0.2.7, in the clear.
fn from_afar(house: &House) -> Session {
    let mut tcp = TcpStream::connect(house.set.at(10144)).expect("it listens");
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend([192, 0, 2, 7, 127, 0, 0, 1, 4, 210, 0, 143]);
    tcp.write_all(&header).expect("it reads");
    let mut session = Session::over(tcp);
    let greeting = session.read_line().expect("a greeting");
    assert!(greeting.contains("LOGINDISABLED"), "{greeting}");
    session
}

/// A client that comes from another address than all others here.
fn neighbour(house: &House) -> Session {
    let socket: OwnedFd = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .expect("a socket");
    let own: SocketAddr = "127.199.3.1:0".parse().expect("an address");
    bind(&socket, &own).expect("all of 127/8 is ours");
    connect(&socket, &house.set.at(IMAPS)).expect("somebody listens");
    let mut session = Session::over(socket.into()).start_tls(house.set.certificate());
    session.read_line().expect("a greeting");
    session
}

#[test]
fn a_taken_over_login_that_floods_auth_is_slowed_down_and_holds_up_no_other_login() {
    const GUESSES: u16 = 3000;
    if !may_possess() {
        return;
    }
    let house = House::with(2, "");
    let mut alice = house.logged_in(ALICE);
    let stranger = house.stranger();
    // The next one comes to the other `login`, which has fewer.
    let mut bob = house.met(|| neighbour(&house));
    assert_ne!(bob.login, stranger.login);
    let mut taken = Taken::over(&house, &stranger);
    let cookie = taken.cookie(stranger.socket);
    for number in 0..GUESSES {
        let mut nonce = [9; 16];
        nonce[..2].copy_from_slice(&number.to_le_bytes());
        let question = Question {
            nonce: Nonce(nonce),
            password: "a guess",
            ..Question::about(0, cookie, ALICE)
        };
        let said = bytes(question.begin(taken.front));
        if !matches!(
            taken.possessed.send(taken.auth, &said, &[]),
            Outcome::Returned(_)
        ) {
            break;
        }
    }
    let begun = Instant::now();
    bob.session.ok(&format!("a LOGIN {BOB} \"{PASSWORD}\""));
    let took = begun.elapsed();
    assert!(took < UNDISTURBED, "an honest login took {took:?}");
    house.is_undisturbed(&mut alice);
    let hashed = house.log().matches("authentication failed").count();
    assert!(hashed < 100, "{hashed} guesses were heard");
    taken.let_go();
    drop((alice, bob, stranger));
    house.is_as_before();
}

#[test]
fn a_taken_over_login_that_breaks_rules_loses_its_channels_and_no_session_notices() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let mut bob = house.logged_in(BOB);
    let auth = bytes(Question::about(1, Cookie(1), ALICE).begin(Instance(1)));
    let director = bytes(handover::ToDirector::HandOver {
        nonce: numbered(1),
        work: Work::Delivery,
        socket: placeholder(),
    });
    let front = bytes(front_service::ToFront::StartTls {
        connection: ConnectionId(1),
    });
    for round in 0..broken(&auth).len() {
        let login = house.pid("login");
        let ways = ["auth", "director", "front"].map(|peer| house.way(login, peer));
        let mut possessed = possess(login);
        for (way, good) in ways.into_iter().zip([&auth, &director, &front]) {
            broken(good)[round].say(&mut possessed, way);
            is_cut(&mut possessed, way);
        }
        house.is_undisturbed(&mut bob);
        possessed.let_go();
        house.logged_in(ALICE).ok("l LOGOUT");
        house.is_undisturbed(&mut bob);
    }
    // Of the right form, but not `login`'s to offer.
    let login = house.pid("login");
    let way = house.way(login, "director");
    let mut possessed = possess(login);
    let said = possessed.send(way, &director, &[0]);
    assert!(matches!(said, Outcome::Returned(_)));
    is_cut(&mut possessed, way);
    possessed.let_go();
    drop(bob);
    house.is_as_before();
}

#[test]
fn a_login_that_never_reads_again_keeps_its_own_strangers_and_no_session() {
    if !may_possess() {
        return;
    }
    let house = House::with(2, "");
    let mut alice = house.logged_in(ALICE);
    let stranger = house.stranger();
    let possessed = possess(stranger.login);
    for _ in 0..5 {
        house.is_undisturbed(&mut alice);
    }
    // He has one already, so the next is the other's.
    let begun = Instant::now();
    let mut bob = house.set.login(BOB);
    assert!(begun.elapsed() < UNDISTURBED);
    bob.ok("l LOGOUT");
    possessed.let_go();
    drop((alice, bob, stranger));
    house.is_as_before();
}

#[test]
fn every_call_that_leads_out_of_login_kills_the_login_that_makes_it() {
    if !may_possess() {
        return;
    }
    let house = House::begin();
    let mut bob = house.logged_in(BOB);
    let forbidden: Vec<&str> = calls::forbidden("login")
        .iter()
        .map(|one| one.name)
        .collect();
    for way_out in [
        "openat",
        "socket",
        "socketpair",
        "memfd_create",
        "execve",
        "ptrace",
        "kill",
    ] {
        let is_free = calls::freely("login").contains(way_out);
        assert!(
            !is_free && (way_out == "openat" || forbidden.contains(&way_out)),
            "{way_out}"
        );
    }
    calls::each_kills("login", |last| {
        house.is_undisturbed(&mut bob);
        let login = last.map_or_else(|| house.pid("login"), |last| house.successor("login", last));
        let confined = || {
            proc::tasks(login)
                .iter()
                .all(|task| task.status("Seccomp_filters") == "2")
        };
        assert!(wait_for(PATIENCE, confined));
        login
    });
    drop(bob);
    house.is_as_before();
}
