//! A liar at each edge: the real program of each process, with peers that the test
//! plays. Whoever breaks the rules of a channel loses that channel; the process
//! lives on, serves its other peers, and keeps nothing of what came with the lie.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

#[path = "privsep/exhausted.rs"]
mod exhausted;
#[path = "privsep/lies.rs"]
mod lies;
#[path = "privsep/stage.rs"]
mod stage;

use ipc::edge::front_service::{ToFront, ToService, Transport};
use ipc::edge::handover::{Refusal, ToAsker, ToDirector as ToDirectorFromAsker, Work};
use ipc::edge::supervisor::{Edge, FileUse};
use ipc::edge::{
    admin, auth_director, control_auth, control_director, control_supervisor, director_broker,
    director_worker, front_auth, front_keyholder, lmtp_auth, login_auth,
};
use ipc::slice::{self, Listener, Network, Protocol, Slice, TlsUse};
use ipc::ticket::{AccountKey, Grant, KEY_BYTES, Kind, MasterKey, SealedTicket, now};
use ipc::{AccountId, Bytes, ConnectionId, Cookie, Epoch, List, Nonce, Secret};
use lies::{besiege, besiege_mute, flood, is_ended};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use sandbox::profile;
use stage::{ACCOUNT, Gift, LOGGING, MASTER_KEY, PATIENCE, Peer, Stage, instance, null};
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const ACCOUNT_ID: AccountId = AccountId(ACCOUNT);

fn number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

fn nonce() -> Nonce {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number().to_le_bytes());
    Nonce(bytes)
}

fn name(text: &str) -> Bytes<320> {
    Bytes::new(text).expect("a short name")
}

fn transport() -> Transport {
    Transport::Tls { version: 0x0304 }
}

// keyholder

fn keyholder() -> Stage {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a key");
    let key = made.signing_key.serialize_pem();
    let slice = slice::Keyholder { tls12: false };
    let gifts = vec![
        Gift::File(FileUse::PrivateKey, key),
        Gift::File(FileUse::Certificates, made.cert.pem()),
    ];
    Stage::begin(&profile::KEYHOLDER, Slice::Keyholder { slice }, gifts)
}

type OfKeyholder = Peer<front_keyholder::ToKeyholder, front_keyholder::FromKeyholder>;

fn has_schemes(front: &mut OfKeyholder) {
    let answer = front.ask(front_keyholder::ToKeyholder::Schemes);
    assert!(matches!(
        answer,
        front_keyholder::FromKeyholder::Schemes { .. }
    ));
}

#[test]
fn a_lying_front_loses_keyholder_and_no_other_front_does() {
    let mut stage = keyholder();
    let mut other = stage.peer(Edge::FrontKeyholder);
    let honest = || front_keyholder::ToKeyholder::Sign {
        scheme: 0x0403,
        input: Bytes::new([0; 16]).expect("short"),
    };
    let edge = Edge::FrontKeyholder;
    besiege(&mut stage, edge, honest, |_| has_schemes(&mut other));
    flood(&mut stage, edge, honest, |_| has_schemes(&mut other));
}

#[test]
fn keyholder_signs_no_arbitrary_bytes() {
    let mut stage = keyholder();
    let mut front: OfKeyholder = stage.peer(Edge::FrontKeyholder);
    for input in [&b""[..], b"x", &[b' '; 64], &[0; 512]] {
        let input = Bytes::new(input).expect("short");
        let answer = front.ask(front_keyholder::ToKeyholder::Sign {
            scheme: 0x0403,
            input,
        });
        assert!(matches!(answer, front_keyholder::FromKeyholder::Refused));
    }
}

// auth

fn auth() -> Stage {
    let domain = Bytes::new("example.org").expect("short");
    let slice = slice::Auth {
        logging: LOGGING,
        domains: List::new(vec![domain]).expect("one"),
        detail_separator: Some(b'+'),
        remember_seconds: 0,
        failures_before_delay: 5,
        argon2_kib: 8192,
        argon2_passes: 1,
        sessions_per_account_max: 50,
        scram: true,
        external: true,
        pop3_login_delay_seconds: 0,
    };
    Stage::begin(&profile::AUTH, Slice::Auth { slice }, vec![Gift::MasterKey])
}

fn begin(front: ipc::Instance, cookie: Cookie) -> login_auth::ToAuth {
    login_auth::ToAuth::Begin {
        nonce: nonce(),
        front,
        cookie,
        protocol: Protocol::Imap,
        mechanism: login_auth::Mechanism::Plain,
        response: Secret::new(b"\0nobody\0x".to_vec()).expect("short"),
    }
}

fn opened(cookie: u64, version: u16) -> front_auth::Facts {
    front_auth::Facts::Opened {
        cookie: Cookie(cookie),
        protocol: Protocol::Imap,
        transport: Transport::Tls { version },
        address: [1; 16],
        port: 1,
        exporter: None,
        client_name: None,
    }
}

type OfAuth = Peer<login_auth::ToAuth, login_auth::ToLogin>;

/// Nobody has told of the socket, so that the answer needs no hash.
fn is_answered(login: &mut OfAuth) {
    let answer = login.ask(begin(instance(), Cookie(0)));
    assert!(matches!(answer, login_auth::ToLogin::Rejected { .. }));
}

#[test]
fn a_liar_at_any_edge_of_auth_loses_it_and_other_logins_are_answered() {
    let mut stage = auth();
    let mut other: OfAuth = stage.peer(Edge::LoginAuth);
    let others = |_: &mut Stage| is_answered(&mut other);
    let mut others = others;
    besiege(
        &mut stage,
        Edge::FrontAuth,
        || opened(number(), 0x0304),
        &mut others,
    );
    let honest = || begin(instance(), Cookie(0));
    besiege(&mut stage, Edge::LoginAuth, honest, &mut others);
    let look = || lmtp_auth::ToAuth::Look {
        query: 1,
        address: name("alice@example.org"),
    };
    besiege(&mut stage, Edge::LmtpAuth, look, &mut others);
    let list = || control_auth::ToAuth::List {
        query: 1,
        after: None,
    };
    besiege(&mut stage, Edge::ControlAuth, list, &mut others);
    let made = || auth_director::ToAuth::StorageMade {
        storage: account_key(MASTER_KEY).seal_storage(),
    };
    besiege(&mut stage, Edge::AuthDirector, made, &mut others);
    flood(&mut stage, Edge::LoginAuth, honest, &mut others);
    flood(&mut stage, Edge::LmtpAuth, look, &mut others);
    flood(&mut stage, Edge::ControlAuth, list, &mut others);
}

#[test]
fn a_front_that_contradicts_itself_or_guesses_anothers_sockets_harms_itself_alone() {
    let mut stage = auth();
    let _director = stage.connect(Edge::AuthDirector);
    let honest = instance();
    let honest_end = stage.connect_as(Edge::FrontAuth, honest);
    let mut front: Peer<front_auth::Facts, front_auth::ToFront> = Peer::of(honest_end);
    let mut guesser: Peer<front_auth::Facts, front_auth::ToFront> = stage.peer(Edge::FrontAuth);
    guesser.say(opened(77, 0x0303));
    let mut login: OfAuth = stage.peer(Edge::LoginAuth);
    is_answered(&mut login);
    front.say(opened(77, 0x0304));
    // A hash was made: so the front's facts are known, and believed.
    let answer = login.ask(begin(honest, Cookie(77)));
    let wrong = login_auth::Rejection::Credentials;
    assert!(
        matches!(answer, login_auth::ToLogin::Rejected { rejection, .. } if rejection == wrong)
    );
    guesser.say(opened(77, 0x0302));
    assert!(guesser.hear().is_none());
    is_answered(&mut login);
    assert!(!stage::is_readable(front.as_fd(), Duration::ZERO));
}

#[test]
fn a_login_that_continues_what_it_has_not_begun_is_cut_off() {
    let mut stage = auth();
    let mut other: OfAuth = stage.peer(Edge::LoginAuth);
    let response = || Secret::new(Vec::new()).expect("short");
    let continued = login_auth::ToAuth::Continue {
        nonce: nonce(),
        response: response(),
    };
    let aborted = login_auth::ToAuth::Abort { nonce: nonce() };
    for misplaced in [continued, aborted] {
        let mut login: OfAuth = stage.peer(Edge::LoginAuth);
        login.say(misplaced);
        assert!(login.hear().is_none());
        is_answered(&mut other);
    }
}

// director

fn director() -> Stage {
    let slice = slice::Director {
        logging: LOGGING,
        workers_max: 10,
        linger_seconds: 60,
    };
    let gifts = vec![Gift::Workers(worker_slice())];
    Stage::begin(&profile::DIRECTOR, Slice::Director { slice }, gifts)
}

fn worker_slice() -> Slice {
    Slice::Worker { slice: of_worker() }
}

fn of_worker() -> slice::Worker {
    slice::Worker {
        logging: LOGGING,
        message_bytes_max: 1 << 20,
        idle_seconds: 1800,
        sessions_max: 10,
        pop3_login_delay_seconds: 0,
        flag_sync_millis: 500,
        message_limits: slice::MessageLimits::default(),
        quota: slice::Quota::default(),
        folders: List::default(),
        notice: slice::Notice::default(),
    }
}

fn session_work() -> Work {
    Work::Session {
        protocol: Protocol::Imap,
        transport: transport(),
        tag: Bytes::new("a").expect("short"),
        utf8: false,
        mechanisms: Bytes::default(),
        leftover: Bytes::default(),
    }
}

fn hand_over(nonce: Nonce, work: Work) -> ToDirectorFromAsker {
    ToDirectorFromAsker::HandOver {
        nonce,
        work,
        socket: null(),
    }
}

fn lists_workers(stage: &mut Stage) {
    let mut control: Peer<control_director::ToDirector, control_director::ToControl> =
        stage.peer(Edge::ControlDirector);
    let answer = control.ask(control_director::ToDirector::Workers {
        query: 5,
        after: None,
    });
    assert!(matches!(
        answer,
        control_director::ToControl::Workers { query: 5, .. }
    ));
}

fn granted(key: &AccountKey, nonce: Nonce, cookie: Cookie, kind: Kind) -> SealedTicket {
    let grant = Grant {
        kind,
        account: ACCOUNT_ID,
        epoch: Epoch(1),
        principal: ACCOUNT_ID,
        rights: u32::MAX,
        nonce,
        cookie,
        expires: now() + 20,
        may_create: true,
    };
    key.seal(grant).expect("a grant")
}

fn account_key(master: [u8; KEY_BYTES]) -> AccountKey {
    let master = MasterKey::new(Secret::from_array(master)).expect("a key");
    master.account_key(ACCOUNT_ID)
}

fn forged(nonce: Nonce) -> SealedTicket {
    granted(
        &account_key([8; KEY_BYTES]),
        nonce,
        Cookie(1),
        Kind::Session,
    )
}

#[test]
fn a_liar_at_any_edge_of_director_loses_it_and_others_are_answered() {
    let mut stage = director();
    let works = [
        (Edge::LoginHandover, session_work()),
        (Edge::LmtpHandover, Work::Delivery),
        (Edge::ControlHandover, Work::Task),
        (Edge::ControlHandover, Work::Verify),
    ];
    for (edge, work) in works {
        let honest = || hand_over(nonce(), work.clone());
        besiege(&mut stage, edge, honest, lists_workers);
        flood(&mut stage, edge, honest, lists_workers);
    }
    let grant = || auth_director::ToDirector::Grant {
        asker: instance(),
        nonce: nonce(),
        ticket: forged(nonce()),
    };
    besiege(&mut stage, Edge::AuthDirector, grant, lists_workers);
    flood(&mut stage, Edge::AuthDirector, grant, lists_workers);
    let ended = || director_broker::ToDirector::Ended {
        account: ACCOUNT_ID,
    };
    besiege(&mut stage, Edge::DirectorBroker, ended, lists_workers);
    let question = || control_director::ToDirector::Workers {
        query: 1,
        after: None,
    };
    besiege(&mut stage, Edge::ControlDirector, question, lists_workers);
    flood(&mut stage, Edge::ControlDirector, question, lists_workers);
}

#[test]
fn an_asker_that_offers_what_is_not_its_own_or_twice_is_cut_off() {
    let mut stage = director();
    let wrong = [
        (Edge::LoginHandover, Work::Delivery),
        (Edge::LoginHandover, Work::Task),
        (Edge::LoginHandover, Work::Verify),
        (Edge::LmtpHandover, session_work()),
        (Edge::LmtpHandover, Work::Verify),
        (Edge::ControlHandover, session_work()),
    ];
    for (edge, work) in wrong {
        let mut asker: Peer<ToDirectorFromAsker, ToAsker> = stage.peer(edge);
        asker.say(hand_over(nonce(), work));
        assert!(asker.hear().is_none(), "{edge:?}");
    }
    let mut login: Peer<ToDirectorFromAsker, ToAsker> = stage.peer(Edge::LoginHandover);
    let twice = nonce();
    login.say(hand_over(twice, session_work()));
    login.say(hand_over(twice, session_work()));
    assert!(login.hear().is_none());
    lists_workers(&mut stage);
}

#[test]
fn a_ticket_for_one_login_brings_no_other_logins_socket_to_a_worker() {
    let mut stage = director();
    let mut broker: Peer<director_broker::ToDirector, director_broker::ToBroker> =
        stage.peer(Edge::DirectorBroker);
    let mut auth: Peer<auth_director::ToDirector, auth_director::ToAuth> =
        stage.peer(Edge::AuthDirector);
    let (honest, nonce) = (instance(), nonce());
    let _honest = stage.connect_as(Edge::LoginHandover, honest);
    let mut thief: Peer<ToDirectorFromAsker, ToAsker> = stage.peer(Edge::LoginHandover);
    auth.say(auth_director::ToDirector::Grant {
        asker: honest,
        nonce,
        ticket: forged(nonce),
    });
    thief.say(hand_over(nonce, session_work()));
    // The one who offers without a ticket is told so, when none can come any more.
    lists_workers(&mut stage);
    assert!(!stage::is_readable(
        broker.as_fd(),
        Duration::from_millis(300)
    ));
    broker.say(director_broker::ToDirector::Ended {
        account: ACCOUNT_ID,
    });
    lists_workers(&mut stage);
}

// broker

fn broker() -> Stage {
    let slice = slice::Broker {
        first_uid: 1_900_000_000,
        uids: 1000,
    };
    let gifts = vec![Gift::MasterKey, Gift::Workers(worker_slice())];
    Stage::begin(&profile::BROKER, Slice::Broker { slice }, gifts)
}

type OfBroker = Peer<director_broker::ToBroker, director_broker::ToDirector>;

fn birth_of(ticket: SealedTicket) -> director_broker::ToBroker {
    let (_near, channel) = ipc::channel::pair().expect("a pair");
    director_broker::ToBroker::Birth { ticket, channel }
}

fn refuses_forgeries(stage: &mut Stage) {
    let mut director: OfBroker = stage.peer(Edge::DirectorBroker);
    let answer = director.ask(birth_of(forged(nonce())));
    let failure = director_broker::BirthFailure::BadTicket;
    assert!(
        matches!(answer, director_broker::ToDirector::NotBorn { failure: why, .. } if why == failure)
    );
}

#[test]
fn a_lying_director_loses_broker_and_the_next_is_answered() {
    let mut stage = broker();
    let honest = || birth_of(forged(nonce()));
    let edge = Edge::DirectorBroker;
    besiege(&mut stage, edge, honest, refuses_forgeries);
    flood(&mut stage, edge, honest, refuses_forgeries);
    let (_near, pair) = ipc::channel::pair().expect("a pair");
    let check = || verification(forged(nonce()), pair.try_clone().expect("a copy"));
    besiege(&mut stage, edge, check, refuses_forgeries);
}

fn verification(ticket: SealedTicket, pair: OwnedFd) -> director_broker::ToBroker {
    let hold = None;
    director_broker::ToBroker::BearVerifier { ticket, hold, pair }
}

/// Whoever takes `director` over has no account checked that no administrator wants
/// checked, and hears nothing of what a verifier says.
#[test]
fn broker_bears_a_verifier_for_the_pair_of_an_administrators_ticket_alone() {
    let mut stage = broker();
    let mut director: OfBroker = stage.peer(Edge::DirectorBroker);
    let key = account_key(MASTER_KEY);
    let (_near, pair) = ipc::channel::pair().expect("a pair");
    let (_own, directors) = ipc::channel::pair().expect("a pair");
    let cookie = ipc::socket::cookie(&pair).expect("a socket");
    let copy = |socket: &OwnedFd| socket.try_clone().expect("a copy");
    let good = granted(&key, nonce(), cookie, Kind::Verify);
    let task = granted(&key, nonce(), cookie, Kind::Admin);
    let foreign = granted(&account_key([8; KEY_BYTES]), nonce(), cookie, Kind::Verify);
    for (ticket, socket) in [(good, &directors), (task, &pair), (foreign, &pair)] {
        let answer = director.ask(verification(ticket, copy(socket)));
        assert!(
            matches!(answer, director_broker::ToDirector::VerifierNotBorn { .. }),
            "{answer:?}"
        );
    }
    let answer = director.ask(birth_of(good));
    assert!(
        matches!(answer, director_broker::ToDirector::NotBorn { .. }),
        "a worker of a verifier's ticket: {answer:?}"
    );
    let answer = director.ask(verification(good, copy(&pair)));
    assert!(
        matches!(answer, director_broker::ToDirector::VerifierBorn { .. }),
        "{answer:?}"
    );
}

#[test]
fn broker_bears_and_removes_nothing_without_a_seal_of_auths() {
    let mut stage = broker();
    let mut director: OfBroker = stage.peer(Edge::DirectorBroker);
    let true_key = account_key(MASTER_KEY);
    let good = || granted(&true_key, nonce(), Cookie(1), Kind::Session);
    let mut other_account = good();
    other_account.claim.account = AccountId(ACCOUNT + 1);
    let mut longer = good();
    longer.claim.expires += 1;
    let mut seal = good();
    seal.seal[0] ^= 1;
    for ticket in [other_account, longer, seal, forged(nonce())] {
        let answer = director.ask(birth_of(ticket));
        assert!(matches!(
            answer,
            director_broker::ToDirector::NotBorn { .. }
        ));
    }
    let sealed = account_key([8; KEY_BYTES]).seal_epoch(director_broker::EPOCH_DELETED);
    let answer = director.ask(director_broker::ToBroker::Remove { sealed });
    assert!(matches!(
        answer,
        director_broker::ToDirector::Removed { gone: false, .. }
    ));
    let lower = true_key.seal_epoch(Epoch(3));
    let answer = director.ask(director_broker::ToBroker::Remove { sealed: lower });
    assert!(matches!(
        answer,
        director_broker::ToDirector::Removed { gone: false, .. }
    ));
}

// login

fn login() -> Stage {
    let slice = slice::Login {
        logging: LOGGING,
        login_seconds: 60,
        sessions_max: 10_000,
        cleartext_on_loopback: true,
        starttls: true,
        scram: true,
        pop3_login_delay_seconds: 0,
    };
    Stage::begin(&profile::LOGIN, Slice::Login { slice }, vec![])
}

fn session(protocol: Protocol, socket: OwnedFd) -> ToService {
    ToService::Session {
        connection: ConnectionId(number()),
        protocol,
        transport: transport(),
        may_start_tls: false,
        after_starttls: false,
        client_certificate: false,
        socket,
    }
}

fn pair() -> (UnixStream, OwnedFd) {
    let (near, far) = UnixStream::pair().expect("a pair");
    near.set_read_timeout(Some(PATIENCE)).expect("a socket");
    (near, far.into())
}

/// A client is greeted with these words.
fn greets(front: &mut Peer<ToService, ToFront>, protocol: Protocol, with: &str) {
    let (mut client, socket) = pair();
    front.say(session(protocol, socket));
    let mut greeting = vec![0; with.len()];
    client.read_exact(&mut greeting).expect("a greeting");
    assert_eq!(String::from_utf8_lossy(&greeting), with);
}

#[test]
fn a_liar_at_any_edge_of_login_loses_it_and_other_fronts_clients_are_greeted() {
    let mut stage = login();
    let mut other = stage.peer(Edge::FrontLogin);
    let mut others = |_: &mut Stage| greets(&mut other, Protocol::Imap, "* OK ");
    let honest = || session(Protocol::Imap, pair().1);
    besiege(&mut stage, Edge::FrontLogin, honest, &mut others);
    flood(&mut stage, Edge::FrontLogin, honest, &mut others);
    let verified = || login_auth::ToLogin::Verified { nonce: nonce() };
    besiege(&mut stage, Edge::LoginAuth, verified, &mut others);
    let taken = || ToAsker::Taken { nonce: nonce() };
    besiege(&mut stage, Edge::LoginHandover, taken, &mut others);
}

#[test]
fn an_answer_that_login_did_not_ask_for_ends_its_sender() {
    let mut stage = login();
    let mut other = stage.peer(Edge::FrontLogin);
    let mut auth: Peer<login_auth::ToLogin, login_auth::ToAuth> = stage.peer(Edge::LoginAuth);
    auth.say(login_auth::ToLogin::Verified { nonce: nonce() });
    assert!(auth.hear().is_none());
    let mut director: Peer<ToAsker, ToDirectorFromAsker> = stage.peer(Edge::LoginHandover);
    director.say(ToAsker::Taken { nonce: nonce() });
    assert!(director.hear().is_none());
    greets(&mut other, Protocol::Imap, "* OK ");
}

#[test]
fn what_is_no_session_is_closed_and_login_serves_on() {
    let mut stage = login();
    let mut front = stage.peer(Edge::FrontLogin);
    for (kind, descriptor) in strange_descriptors() {
        front.say(session(Protocol::Imap, descriptor));
        greets(&mut front, Protocol::Imap, "* OK ");
        assert!(stage.lives(), "{kind}");
    }
}

/// Every kind of descriptor that is no session (ATTACKS H4).
fn strange_descriptors() -> Vec<(&'static str, OwnedFd)> {
    let path = std::env::temp_dir().join(format!("privsep-{}-{}", std::process::id(), number()));
    let listening = UnixListener::bind(&path).expect("a listener");
    std::fs::remove_file(&path).expect("it is ours");
    let memory = rustix::fs::memfd_create(c"x", rustix::fs::MemfdFlags::CLOEXEC);
    let own = rustix::process::getpid();
    let process = rustix::process::pidfd_open(own, rustix::process::PidfdFlags::empty());
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let path_only = rustix::fs::open("/", flags, rustix::fs::Mode::empty());
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let connected = TcpStream::connect(tcp.local_addr().expect("bound")).expect("a stream");
    vec![
        ("a file", null()),
        ("a listening Unix socket", listening.into()),
        ("memory", memory.expect("memory")),
        ("a process", process.expect("a process")),
        ("a path", path_only.expect("/")),
        ("a listening TCP socket", tcp.into()),
        ("a TCP stream", connected.into()),
        ("a channel", ipc::channel::pair().expect("a pair").0),
    ]
}

#[test]
fn an_exhausted_login_cuts_off_who_exhausted_it_and_serves_again() {
    let mut stage = login();
    let mut other = stage.peer(Edge::FrontLogin);
    greets(&mut other, Protocol::Imap, "* OK ");
    let mut flooding: Peer<ToService, ToFront> = stage.peer(Edge::FrontLogin);
    greets(&mut flooding, Protocol::Imap, "* OK ");
    if !stage.exhaust() {
        return; // As an ordinary user we may neither look at it nor limit it.
    }
    // The sessions before may just be leaving: some of these get their places.
    let clients: Vec<UnixStream> = (0..8)
        .map(|_| {
            let (client, socket) = pair();
            // It may be cut off before the last.
            let _cut_off = flooding.try_say(session(Protocol::Imap, socket));
            client
        })
        .collect();
    assert!(is_ended(flooding.as_fd()));
    drop(clients);
    stage.limit_descriptors(16_384);
    let mut next = stage.peer(Edge::FrontLogin);
    greets(&mut next, Protocol::Imap, "* OK ");
    assert!(stage.lives());
}

// front

fn front() -> (Stage, std::net::SocketAddr) {
    let slice = slice::Front {
        logging: LOGGING,
        connections_max: 100,
        connections_per_prefix_max: 100,
        handshake_seconds: 10,
        tls12: false,
        proxies: List::<Network, 64>::default(),
    };
    let socket = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = socket.local_addr().expect("bound");
    let listener = Listener {
        protocol: Protocol::Imap,
        tls: TlsUse::Never,
        proxy: false,
        client_certificates: false,
    };
    let gifts = vec![Gift::Listen(listener, socket.into())];
    let stage = Stage::begin(&profile::FRONT, Slice::Front { slice }, gifts);
    (stage, address)
}

/// A client comes through, and auth hears of it before login does.
fn brings_clients(stage: &mut Stage, address: std::net::SocketAddr) {
    let mut auth: Peer<front_auth::ToFront, front_auth::Facts> = stage.peer(Edge::FrontAuth);
    let mut login: Peer<ToFront, ToService> = stage.peer(Edge::FrontLogin);
    let _client = TcpStream::connect(address).expect("it listens");
    let session = login.hear();
    assert!(matches!(session, Some(ToService::Session { .. })));
    // Of others' ends it may have heard before.
    while !matches!(auth.hear(), Some(front_auth::Facts::Opened { .. })) {
        assert!(stage::is_readable(auth.as_fd(), Duration::ZERO));
    }
}

#[test]
fn a_liar_at_any_edge_of_front_loses_it_and_clients_come_through() {
    let (mut stage, address) = front();
    let mut others = |stage: &mut Stage| brings_clients(stage, address);
    let asks = || ToFront::StartTls {
        connection: ConnectionId(u64::MAX),
    };
    besiege(&mut stage, Edge::FrontLogin, asks, &mut others);
    besiege(&mut stage, Edge::FrontLmtp, asks, &mut others);
    let says = || (vec![1], Vec::new());
    besiege_mute(&mut stage, Edge::FrontAuth, 1, says, &mut others);
    flood(&mut stage, Edge::FrontLmtp, asks, &mut others);
}

#[test]
fn a_login_that_asks_for_tls_on_a_connection_that_is_not_its_own_is_cut_off() {
    let (mut stage, address) = front();
    let _auth = stage.connect(Edge::FrontAuth);
    let mut login: Peer<ToFront, ToService> = stage.peer(Edge::FrontLogin);
    let _client = TcpStream::connect(address).expect("it listens");
    let Some(ToService::Session { connection, .. }) = login.hear() else {
        panic!("no session")
    };
    let mut thief: Peer<ToFront, ToService> = stage.peer(Edge::FrontLogin);
    thief.say(ToFront::StartTls { connection });
    assert!(thief.hear().is_none());
    // Nor may the one whose it is: no TLS was offered.
    login.say(ToFront::StartTls { connection });
    assert!(login.hear().is_none());
    brings_clients(&mut stage, address);
}

// lmtp

fn lmtp() -> Stage {
    let slice = slice::Lmtp {
        logging: LOGGING,
        hostname: Bytes::new("test.example").expect("short"),
        message_bytes_max: 1 << 20,
        spool_bytes_max: 1 << 24,
        recipients_max: 10,
        sessions_max: 100,
        idle_seconds: 60,
        starttls: false,
    };
    Stage::begin(&profile::LMTP, Slice::Lmtp { slice }, vec![])
}

#[test]
fn a_liar_at_any_edge_of_lmtp_loses_it_and_other_fronts_clients_are_greeted() {
    let mut stage = lmtp();
    let mut other = stage.peer(Edge::FrontLmtp);
    let mut others = |_: &mut Stage| greets(&mut other, Protocol::Lmtp, "220 ");
    let honest = || session(Protocol::Lmtp, pair().1);
    besiege(&mut stage, Edge::FrontLmtp, honest, &mut others);
    let found = || lmtp_auth::ToLmtp::Found {
        query: u64::MAX,
        standing: lmtp_auth::Standing::Deliverable,
    };
    besiege(&mut stage, Edge::LmtpAuth, found, &mut others);
    flood(&mut stage, Edge::LmtpAuth, found, &mut others);
    let taken = || ToAsker::Taken { nonce: nonce() };
    besiege(&mut stage, Edge::LmtpHandover, taken, &mut others);
}

// control

fn control() -> (Stage, std::path::PathBuf) {
    let uid = rustix::process::geteuid().as_raw();
    let slice = slice::Control {
        logging: LOGGING,
        admins: List::new(vec![uid]).expect("one"),
    };
    let path = std::env::temp_dir().join(format!("privsep-{}-{}", std::process::id(), number()));
    let socket = seqpacket();
    let address = SocketAddrUnix::new(&path).expect("a path");
    rustix::net::bind(&socket, &address).expect("a path of ours");
    rustix::net::listen(&socket, 8).expect("a socket");
    let listener = Listener {
        protocol: Protocol::Admin,
        tls: TlsUse::Never,
        proxy: false,
        client_certificates: false,
    };
    let gifts = vec![Gift::Listen(listener, socket)];
    (
        Stage::begin(&profile::CONTROL, Slice::Control { slice }, gifts),
        path,
    )
}

fn seqpacket() -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .expect("a socket")
}

fn admin_client(path: &std::path::Path) -> OwnedFd {
    let socket = seqpacket();
    let address = SocketAddrUnix::new(path).expect("a path");
    rustix::net::connect(&socket, &address).expect("control listens");
    socket
}

fn reloads(stage: &mut Stage, path: &std::path::Path) {
    let mut supervisor: Peer<control_supervisor::ToControl, control_supervisor::ToSupervisor> =
        stage.peer(Edge::ControlSupervisor);
    let mut client: Peer<admin::Request, admin::Answer> = Peer::of(admin_client(path));
    client.say(admin::Request::Reload);
    assert!(matches!(
        supervisor.hear(),
        Some(control_supervisor::ToSupervisor::Reload)
    ));
    supervisor.say(control_supervisor::ToControl::Reloaded);
    assert!(matches!(client.hear(), Some(admin::Answer::Done)));
}

#[test]
fn a_liar_at_any_edge_of_control_loses_it_and_administrators_are_served() {
    let (mut stage, path) = control();
    let mut others = |stage: &mut Stage| reloads(stage, &path);
    let done = || control_auth::ToControl::Done {
        query: u64::MAX,
        account: ACCOUNT_ID,
    };
    besiege(&mut stage, Edge::ControlAuth, done, &mut others);
    let page = || control_director::ToControl::Workers {
        query: u64::MAX,
        workers: List::default(),
        more: false,
    };
    besiege(&mut stage, Edge::ControlDirector, page, &mut others);
    let taken = || ToAsker::Taken { nonce: nonce() };
    besiege(&mut stage, Edge::ControlHandover, taken, &mut others);
    let reloaded = || control_supervisor::ToControl::Reloaded;
    besiege(&mut stage, Edge::ControlSupervisor, reloaded, &mut others);
    let _gone = std::fs::remove_file(&path);
}

#[test]
fn a_lying_administrators_command_loses_its_connection_alone() {
    let (mut stage, path) = control();
    for lie in [
        vec![],
        vec![255],
        vec![3],
        vec![9, 0],
        vec![1; 16 * 1024 + 1],
    ] {
        let client = admin_client(&path);
        lies::send(client.as_fd(), &(lie, Vec::new()));
        assert!(is_ended(client.as_fd()));
        let client = admin_client(&path);
        lies::send(client.as_fd(), &(vec![9], vec![null()]));
        assert!(is_ended(client.as_fd()));
        reloads(&mut stage, &path);
    }
    let _gone = std::fs::remove_file(&path);
}

// worker

type OfWorker = Peer<director_worker::ToWorker, director_worker::ToDirector>;

/// A worker that the real broker has borne, with the test as its director.
struct Worker {
    director: OfWorker,
    broker: OfBroker,
    _stage: Stage,
}

fn worker() -> Worker {
    let mut stage = broker();
    let mut broker: OfBroker = stage.peer(Edge::DirectorBroker);
    let (near, channel) = ipc::channel::pair().expect("a pair");
    let key = account_key(MASTER_KEY);
    let ticket = granted(&key, nonce(), Cookie(1), Kind::Session);
    let answer = broker.ask(director_broker::ToBroker::Birth { ticket, channel });
    assert!(matches!(answer, director_broker::ToDirector::Born { .. }));
    let mut director: OfWorker = Peer::of(near);
    let ready = director.hear();
    assert!(matches!(
        ready,
        Some(director_worker::ToDirector::Ready { .. })
    ));
    Worker {
        director,
        broker,
        _stage: stage,
    }
}

impl Worker {
    fn serve(&mut self, ticket: SealedTicket, work: Work, socket: OwnedFd) -> Option<Refusal> {
        let answer = self.director.ask(director_worker::ToWorker::Serve {
            ticket,
            work,
            socket,
        });
        match answer {
            director_worker::ToDirector::Taken { nonce } if nonce == ticket.claim.nonce => None,
            director_worker::ToDirector::Refused { nonce, refusal }
                if nonce == ticket.claim.nonce =>
            {
                Some(refusal)
            }
            other => panic!("the worker says {other:?}"),
        }
    }
}

#[test]
fn a_worker_whose_director_lies_ends() {
    for lie in [
        vec![],
        vec![255],
        vec![1],
        vec![4, 0],
        vec![1; 64 * 1024 + 513],
    ] {
        let mut worker = worker();
        lies::send(worker.director.as_fd(), &(lie.clone(), Vec::new()));
        let ended = worker.broker.hear();
        assert!(
            matches!(ended, Some(director_broker::ToDirector::Ended { .. })),
            "{:?}",
            lie.first()
        );
    }
}

#[test]
fn no_descriptor_but_the_tickets_own_session_enters_a_worker() {
    let mut worker = worker();
    let key = account_key(MASTER_KEY);
    for (kind, descriptor) in strange_descriptors() {
        let cookie = ipc::socket::cookie(&descriptor).unwrap_or(Cookie(0));
        let ticket = granted(&key, nonce(), cookie, Kind::Session);
        let refusal = worker.serve(ticket, session_work(), descriptor);
        assert_eq!(refusal, Some(Refusal::BadTicket), "{kind}");
    }
    let (_alices, socket) = pair();
    let (_mallorys, other) = pair();
    let cookie = ipc::socket::cookie(&socket).expect("a socket");
    let ticket = granted(&key, nonce(), cookie, Kind::Session);
    let refusal = worker.serve(ticket, session_work(), other);
    assert_eq!(refusal, Some(Refusal::BadTicket));
    assert_eq!(worker.serve(ticket, session_work(), socket), None);
}

#[test]
fn no_worker_takes_what_is_a_verifiers() {
    let mut worker = worker();
    let (_near, pair) = ipc::channel::pair().expect("a pair");
    let cookie = ipc::socket::cookie(&pair).expect("a socket");
    let ticket = granted(&account_key(MASTER_KEY), nonce(), cookie, Kind::Verify);
    for work in [Work::Verify, Work::Task, Work::Delivery] {
        let socket = pair.try_clone().expect("a copy");
        assert!(worker.serve(ticket, work, socket).is_some());
    }
}

#[test]
fn a_ticket_enters_once_in_its_time_for_its_kind_and_under_its_seal() {
    let mut worker = worker();
    let key = account_key(MASTER_KEY);
    let (_client, socket) = pair();
    let cookie = ipc::socket::cookie(&socket).expect("a socket");
    let again = || socket.try_clone().expect("a copy");
    let good = granted(&key, nonce(), cookie, Kind::Session);
    let expired = key.seal(Grant {
        expires: now(),
        ..good.claim
    });
    let delivery = granted(&key, nonce(), cookie, Kind::Delivery);
    let mut raised = good;
    raised.claim.epoch = Epoch(9);
    let foreign = granted(&account_key([8; KEY_BYTES]), nonce(), cookie, Kind::Session);
    for bad in [expired.expect("a grant"), delivery, raised, foreign] {
        let refusal = worker.serve(bad, session_work(), again());
        assert_eq!(refusal, Some(Refusal::BadTicket));
    }
    assert_eq!(worker.serve(good, session_work(), again()), None);
    let refusal = worker.serve(good, session_work(), again());
    assert_eq!(refusal, Some(Refusal::BadTicket), "replayed");
}
