//! Sessions over real sockets, with an `auth`, a `director` and a `front` that
//! the test plays. The clock is tokio's paused one: it jumps to the next
//! deadline when nobody has anything to do.

use super::*;
use ipc::edge::front_service::{ToFront, ToService};
use ipc::edge::handover::{Refusal, ToDirector};
use ipc::edge::login_auth::{ToAuth, ToLogin};
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::slice::{self, Slice};
use ipc_async::AsyncChannel;
use proptest::prelude::*;
use std::os::fd::OwnedFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::LocalSet;

const GREETING: &str = "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready\r\n";

/// The processes around `login`, played by the test.
struct Around {
    house: Rc<House>,
    front: AsyncChannel<ToService, ToFront>,
    auth: Option<AsyncChannel<ToLogin, ToAuth>>,
    director: Option<AsyncChannel<ToAsker, ToDirector>>,
    sessions: u64,
}

impl Around {
    fn new() -> Self {
        let house = House::new(slice::Login {
            logging: slice::Logging {
                level: slice::LogLevel::Error,
                journal: false,
            },
            login_seconds: 60,
            sessions_max: 2,
            cleartext_on_loopback: false,
            starttls: true,
            scram: true,
            pop3_login_delay_seconds: 0,
        });
        let [front, auth, director] =
            [Edge::FrontLogin, Edge::LoginAuth, Edge::LoginHandover].map(|edge| {
                let (ours, theirs) = ipc::channel::pair().unwrap();
                house.connect(edge, ipc::Instance(1), ours);
                theirs
            });
        Self {
            house,
            front: AsyncChannel::adopt(front).unwrap(),
            auth: Some(AsyncChannel::adopt(auth).unwrap()),
            director: Some(AsyncChannel::adopt(director).unwrap()),
            sessions: 0,
        }
    }

    /// A client whose bytes `front` relays.
    fn client(&mut self, transport: Transport) -> UnixStream {
        self.client_of(Protocol::Imap, transport)
    }

    fn client_of(&mut self, protocol: Protocol, transport: Transport) -> UnixStream {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        self.sessions += 1;
        let session = ToService::Session {
            connection: ConnectionId(self.sessions),
            protocol,
            transport,
            may_start_tls: true,
            after_starttls: false,
            client_certificate: false,
            socket: OwnedFd::from(far),
        };
        self.front.send(session).unwrap();
        UnixStream::from_std(near).unwrap()
    }

    async fn greeted(&mut self) -> UnixStream {
        let mut client = self.client(Transport::Tls { version: 0x0304 });
        expect(&mut client, GREETING).await;
        client
    }

    /// `auth` is asked, and says yes.
    async fn verify(&self) -> Nonce {
        let auth = self.auth.as_ref().unwrap();
        let Some(ToAuth::Begin { nonce, .. }) = auth.receive().await.unwrap() else {
            panic!("no Begin")
        };
        auth.send(ToLogin::Verified { nonce }).unwrap();
        nonce
    }

    /// `director` is given the socket: its tag, what was left over, and itself.
    async fn take(&self) -> (Nonce, Vec<u8>, Vec<u8>, OwnedFd) {
        let handed = self.director.as_ref().unwrap().receive().await.unwrap();
        let Some(ToDirector::HandOver {
            nonce,
            work,
            socket,
        }) = handed
        else {
            panic!("no HandOver")
        };
        let Work::Session { tag, leftover, .. } = work else {
            panic!("no session")
        };
        (nonce, tag.into_vec(), leftover.into_vec(), socket)
    }

    fn answer(&self, answer: ToAsker) {
        self.director.as_ref().unwrap().send(answer).unwrap();
    }
}

fn run(test: impl AsyncFnOnce(Around)) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async { test(Around::new()).await });
}

async fn expect(client: &mut UnixStream, said: &str) {
    let mut heard = vec![0; said.len()];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), said);
}

async fn expect_end(client: &mut UnixStream) {
    let mut rest = Vec::new();
    // A reset, too, is an end: it says that we had not read all.
    let _ = client.read_to_end(&mut rest).await;
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

const POP3_GREETING: &str = "+OK Mailkeep ready\r\n";

/// What CAPA says of SASL on a connection of TLS 1.3 without a client certificate.
const OFFERED: &str = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN";

#[test]
fn a_pop3_session_is_handed_over_as_one_with_what_the_worker_must_know_of_it() {
    run(async |mut around| {
        let mut client = around.client_of(Protocol::Pop3, Transport::Tls { version: 0x0304 });
        expect(&mut client, POP3_GREETING).await;
        let said = b"UTF8\r\nUSER alice\r\nPASS wonderland\r\nSTAT\r\n";
        client.write_all(said).await.unwrap();
        let asked = around.verify().await;
        let handed = around.director.as_ref().unwrap().receive().await.unwrap();
        let Some(ToDirector::HandOver {
            nonce,
            work,
            socket,
        }) = handed
        else {
            panic!("no HandOver")
        };
        drop(socket);
        let Work::Session {
            protocol,
            tag,
            utf8,
            mechanisms,
            leftover,
            ..
        } = work
        else {
            panic!("no session")
        };
        assert_eq!((nonce, protocol, utf8), (asked, Protocol::Pop3, true));
        assert_eq!(mechanisms.as_slice(), OFFERED.as_bytes());
        assert_eq!(
            (tag.as_slice(), leftover.as_slice()),
            (&b""[..], &b"STAT\r\n"[..])
        );
        around.answer(ToAsker::Taken { nonce });
        let answered = "+OK UTF-8 it is\r\n+OK Now the password\r\n";
        expect(&mut client, answered).await;
        expect_end(&mut client).await;
    });
}

/// ATTACKS P3; RFC 1939, section 3: nothing is said to it.
#[test]
fn a_pop3_client_that_trickles_is_dismissed_at_its_deadline_without_a_word() {
    run(async |mut around| {
        let mut client = around.client_of(Protocol::Pop3, Transport::Tls { version: 0x0304 });
        expect(&mut client, POP3_GREETING).await;
        let begun = Instant::now();
        let trickle = async {
            while client.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(600), trickle).await;
        let after = begun.elapsed().as_secs();
        assert!((60..65).contains(&after), "dismissed after {after} s");
        expect_end(&mut client).await;
    });
}

/// ATTACKS P8: with the name that was pipelined behind STLS.
#[test]
fn stls_is_begun_once_the_ok_is_written_and_nothing_follows_it() {
    run(async |mut around| {
        let clear = Transport::Cleartext { loopback: false };
        let mut client = around.client_of(Protocol::Pop3, clear);
        expect(&mut client, POP3_GREETING).await;
        client.write_all(b"STLS\r\nCAPA\r\n").await.unwrap();
        let Ok(Some(ToFront::StartTls { connection })) = around.front.receive().await else {
            panic!()
        };
        assert_eq!(connection, ConnectionId(1));
        client.write_all(b"QUIT\r\n").await.unwrap();
        expect(&mut client, "+OK Begin TLS\r\n").await;
        expect_end(&mut client).await;
    });
}

#[test]
fn an_authenticated_socket_is_handed_over_and_nothing_is_said_on_it() {
    run(async |mut around| {
        let mut client = around.greeted().await;
        client
            .write_all(b"a LOGIN alice wonderland\r\nb NOOP\r\n")
            .await
            .unwrap();
        let asked = around.verify().await;
        let (nonce, tag, leftover, socket) = around.take().await;
        assert_eq!(
            (nonce, tag.as_slice(), leftover.as_slice()),
            (asked, &b"a"[..], &b"b NOOP\r\n"[..])
        );
        around.answer(ToAsker::Taken { nonce });
        drop(socket);
        expect_end(&mut client).await;
    });
}

#[test]
fn a_refused_hand_over_is_told_and_the_client_may_try_again() {
    run(async |mut around| {
        let mut client = around.greeted().await;
        client
            .write_all(b"a LOGIN alice wonderland\r\n")
            .await
            .unwrap();
        around.verify().await;
        let (nonce, _, _, socket) = around.take().await;
        drop(socket);
        around.answer(ToAsker::Refused {
            nonce,
            refusal: Refusal::NoWorker,
        });
        expect(&mut client, "a NO [UNAVAILABLE] Try again later\r\n").await;
        client.write_all(b"b NOOP\r\n").await.unwrap();
        expect(&mut client, "b OK Done\r\n").await;
    });
}

#[test]
fn if_nobody_knows_who_has_the_socket_nothing_is_said() {
    let fates: [fn(&mut Around, Nonce); 3] = [
        |around, nonce| around.answer(ToAsker::Lost { nonce }),
        |around, _| around.director = None,
        |_, _| (), // Silence, until the clock has jumped.
    ];
    for fate in fates {
        run(async |mut around| {
            let mut client = around.greeted().await;
            client
                .write_all(b"a LOGIN alice wonderland\r\n")
                .await
                .unwrap();
            around.verify().await;
            let (nonce, _, _, socket) = around.take().await;
            drop(socket);
            fate(&mut around, nonce);
            expect_end(&mut client).await;
        });
    }
}

#[test]
fn without_auth_or_director_login_is_unavailable_and_goes_on() {
    let losses: [fn(&mut Around); 2] =
        [|around| around.auth = None, |around| around.director = None];
    for (lose, verified) in losses.into_iter().zip([false, true]) {
        run(async |mut around| {
            let mut client = around.greeted().await;
            lose(&mut around);
            tokio::task::yield_now().await;
            client
                .write_all(b"a LOGIN alice wonderland\r\n")
                .await
                .unwrap();
            if verified {
                around.verify().await;
            }
            expect(&mut client, "a NO [UNAVAILABLE] Try again later\r\n").await;
        });
    }
}

#[test]
fn auth_dying_while_it_is_asked_is_told_at_once() {
    run(async |mut around| {
        let mut client = around.greeted().await;
        client
            .write_all(b"a LOGIN alice wonderland\r\n")
            .await
            .unwrap();
        around.auth.as_ref().unwrap().receive().await.unwrap();
        around.auth = None;
        expect(&mut client, "a NO [UNAVAILABLE] Try again later\r\n").await;
    });
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_channel() {
    run(async |around| {
        let auth = around.auth.as_ref().unwrap();
        auth.send(ToLogin::Verified {
            nonce: Nonce([7; 16]),
        })
        .unwrap();
        assert!(matches!(auth.receive().await, Ok(None)));
    });
}

#[test]
fn starttls_is_begun_once_the_ok_is_written_and_nothing_follows_it() {
    run(async |mut around| {
        let mut client = around.client(Transport::Cleartext { loopback: false });
        let clear = GREETING.replace(
            "AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN",
            "STARTTLS LOGINDISABLED",
        );
        expect(&mut client, &clear).await;
        client.write_all(b"a STARTTLS\r\nb NOOP\r\n").await.unwrap();
        let Ok(Some(ToFront::StartTls { connection })) = around.front.receive().await else {
            panic!()
        };
        assert_eq!(connection, ConnectionId(1));
        client.write_all(b"c NOOP\r\n").await.unwrap();
        expect(&mut client, "a OK Begin TLS\r\n").await;
        expect_end(&mut client).await;
    });
}

/// ATTACKS P3: whatever the client does, its time is counted from the start.
#[test]
fn a_client_that_trickles_is_dismissed_at_its_deadline() {
    run(async |mut around| {
        let mut client = around.greeted().await;
        let begun = Instant::now();
        let trickle = async {
            while client.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(600), trickle).await;
        let after = begun.elapsed().as_secs();
        assert!((60..65).contains(&after), "dismissed after {after} s");
        expect(&mut client, "* BYE [UNAVAILABLE] Too slow\r\n").await;
    });
}

/// ATTACKS P3: nor does it help not to read.
#[test]
fn a_client_that_never_reads_is_dismissed_and_its_output_is_bounded() {
    run(async |mut around| {
        let mut client = around.greeted().await;
        let flood = async { while client.write_all(b"a CAPABILITY\r\n").await.is_ok() {} };
        assert!(
            tokio::time::timeout(Duration::from_secs(600), flood)
                .await
                .is_ok(),
            "never dismissed"
        );
    });
}

/// ATTACKS P4.
#[test]
fn the_oldest_client_makes_room_for_a_new_one() {
    run(async |mut around| {
        let mut first = around.greeted().await;
        let mut second = around.greeted().await;
        let _third = around.greeted().await;
        expect(
            &mut first,
            "* BYE [UNAVAILABLE] Too many connections, or shutting down\r\n",
        )
        .await;
        second.write_all(b"a NOOP\r\n").await.unwrap();
        expect(&mut second, "a OK Done\r\n").await;
    });
}

#[test]
fn a_stop_sends_clients_away_and_ends_the_house() {
    run(async |mut around| {
        let client = around.greeted().await;
        let (ours, theirs) = ipc::channel::pair().unwrap();
        let supervisor = AsyncChannel::<ToProcess, ToSupervisor>::adopt(theirs).unwrap();
        supervisor.send(ToProcess::Stop).unwrap();
        let process = AsyncChannel::adopt(ours).unwrap();
        around.house.obey(&Rc::new(process)).await;
        // Nothing else gets its turn any more.
        let mut said = String::new();
        std::io::Read::read_to_string(&mut client.into_std().unwrap(), &mut said).unwrap();
        assert_eq!(
            said,
            "* BYE [UNAVAILABLE] Too many connections, or shutting down\r\n"
        );
    });
}

#[test]
fn new_settings_are_prepared_then_applied_or_refused_with_a_reason() {
    run(async |around| {
        let (ours, theirs) = ipc::channel::pair().unwrap();
        let supervisor = AsyncChannel::<ToProcess, ToSupervisor>::adopt(theirs).unwrap();
        let process = AsyncChannel::adopt(ours).unwrap();
        let with = |login_seconds| {
            let slice = slice::Login {
                login_seconds,
                ..around.house.settings()
            };
            ToProcess::Prepare {
                slice: Slice::Login { slice },
            }
        };
        for message in [
            with(0),
            ToProcess::Commit,
            with(7),
            ToProcess::Commit,
            with(9),
            ToProcess::Discard,
            ToProcess::Commit,
            ToProcess::Stop,
        ] {
            supervisor.send(message).unwrap();
        }
        around.house.obey(&Rc::new(process)).await;
        assert_eq!(around.house.settings().login_seconds, 7);
        let answers = [(); 3].map(|()| supervisor.receive());
        let [first, second, third] = answers;
        assert!(matches!(
            first.await,
            Ok(Some(ToSupervisor::Refused { .. }))
        ));
        assert!(matches!(second.await, Ok(Some(ToSupervisor::Prepared))));
        assert!(matches!(third.await, Ok(Some(ToSupervisor::Prepared))));
    });
}

/// ATTACKS P7: others are served while one waits for `auth`, and may fail.
#[test]
fn one_clients_wait_is_not_anothers() {
    run(async |mut around| {
        let mut waiting = around.greeted().await;
        waiting.write_all(b"a LOGIN mallory x\r\n").await.unwrap();
        let auth = around.auth.take().unwrap();
        auth.receive().await.unwrap();
        let mut honest = around.greeted().await;
        honest
            .write_all(b"a LOGIN alice wonderland\r\n")
            .await
            .unwrap();
        around.auth = Some(auth);
        around.verify().await;
        assert_eq!(around.take().await.1, b"a");
    });
}

/// `auth` is asked for SCRAM and gives a challenge.
async fn challenge(around: &Around) -> Nonce {
    let auth = around.auth.as_ref().unwrap();
    let Some(ToAuth::Begin { nonce, .. }) = auth.receive().await.unwrap() else {
        panic!("no Begin")
    };
    let challenge = ipc::Bytes::new(*b"x").unwrap();
    auth.send(ToLogin::Challenge { nonce, challenge }).unwrap();
    nonce
}

const SCRAM: &[u8] = b"a AUTHENTICATE SCRAM-SHA-256 biwsbj11LHI9cg==\r\n";

/// ATTACKS P7: `auth` is not left waiting for who has gone, whenever he goes.
#[test]
fn auth_hears_when_a_client_will_not_answer_its_challenge() {
    type Leaves = fn(UnixStream) -> Option<UnixStream>;
    let ways: [(&[u8], Leaves); 4] = [
        (b"*\r\n", Some),
        (b"!\r\n", Some),
        (b"eA", |_| None),
        (b"", |_| None),
    ];
    for (last_words, leaves) in ways {
        run(async |mut around| {
            let mut client = around.greeted().await;
            client.write_all(SCRAM).await.unwrap();
            let asked = challenge(&around).await;
            expect(&mut client, "+ eA==\r\n").await;
            client.write_all(last_words).await.unwrap();
            let _still_there = leaves(client);
            let auth = around.auth.as_ref().unwrap();
            let Some(ToAuth::Abort { nonce }) = auth.receive().await.unwrap() else {
                panic!("no Abort")
            };
            assert_eq!(nonce, asked);
        });
    }
}

#[test]
fn a_challenge_for_a_client_that_was_dismissed_meanwhile_is_declined() {
    run(async |mut around| {
        let mut client = around.greeted().await;
        client.write_all(SCRAM).await.unwrap();
        let auth = around.auth.take().unwrap();
        let Some(ToAuth::Begin { nonce, .. }) = auth.receive().await.unwrap() else {
            panic!("no Begin")
        };
        expect(&mut client, "* BYE [UNAVAILABLE] Too slow\r\n").await;
        let challenge = ipc::Bytes::new(*b"x").unwrap();
        auth.send(ToLogin::Challenge { nonce, challenge }).unwrap();
        let declined = auth.receive().await.unwrap();
        assert!(matches!(declined, Some(ToAuth::Abort { nonce: of }) if of == nonce));
    });
}

/// The new `auth` knows nothing of the challenge, and is not asked about it.
#[test]
fn an_answer_to_a_challenge_goes_to_whoever_gave_it() {
    run(async |mut around| {
        let mut client = around.greeted().await;
        client.write_all(SCRAM).await.unwrap();
        challenge(&around).await;
        expect(&mut client, "+ eA==\r\n").await;
        let (ours, theirs) = ipc::channel::pair().unwrap();
        around
            .house
            .connect(Edge::LoginAuth, ipc::Instance(2), ours);
        around.auth = Some(AsyncChannel::adopt(theirs).unwrap());
        client.write_all(b"eA==\r\n").await.unwrap();
        expect(&mut client, "a NO [UNAVAILABLE] Try again later\r\n").await;
        client
            .write_all(b"b LOGIN alice wonderland\r\n")
            .await
            .unwrap();
        around.verify().await;
    });
}

/// ATTACKS H7: what was typed is not kept.
#[test]
fn used_input_is_wiped() {
    run(async |_| {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut client = Client::adopt(OwnedFd::from(far)).unwrap();
        std::io::Write::write_all(&mut &near, b"secret left").unwrap();
        client.read().await.unwrap();
        client.hear(|input, _| *input = &input[7..]);
        assert_eq!(client.leftover(), b"left");
        assert_eq!(client.used_and_unused(), b"\0\0\0\0\0\0\0left");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// ATTACKS H5: what was read here and what is still in the socket are
    /// together, byte for byte, what the client sent behind its LOGIN.
    #[test]
    fn the_worker_gets_every_byte_behind_the_login(rest in prop::collection::vec(any::<u8>(), 0..20_000)) {
        run(async |mut around| {
            let mut client = around.greeted().await;
            let mut sent = b"a NOOP\r\nb LOGIN alice wonderland\r\n".to_vec();
            sent.extend_from_slice(&rest);
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
            around.verify().await;
            let (_, _, mut got, socket) = around.take().await;
            let socket = ipc_async::Stream::adopt(socket).unwrap();
            (&socket).read_to_end(&mut got).await.unwrap();
            assert_eq!(got, rest);
        });
    }
}
