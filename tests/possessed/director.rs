//! `director`, taken over: it has the sockets that are handed over meanwhile, and can
//! end workers. It has no account of its choice, no second socket on a ticket, no
//! verifier that speaks to it.

use crate::attempts::try_all;
use crate::house::{ALICE, ALICE_ID, BOB, BOB_ID, House, PATIENCE};
use crate::siege::{self, GoesOn};
use crate::speech::{self, Heard, hear, pair, say, stand_in};
use harness::Session;
use harness::possession::{Outcome, Possessed};
use ipc::edge::director_broker::{BirthFailure, EPOCH_DELETED, ToBroker, ToDirector as FromBroker};
use ipc::edge::handover::{self, Refusal, ToAsker, Work};
use ipc::edge::supervisor::Edge;
use ipc::edge::{auth_director, director_worker};
use ipc::slice::Protocol;
use ipc::ticket::{
    Grant, KEY_BYTES, Kind, MasterKey, SealedEpoch, SealedStorage, SealedTicket, now,
};
use ipc::{AccountId, Bytes, Cookie, Epoch, Nonce, Secret};
use nix::libc;

/// An account that has no worker yet.
const CAROL: &str = "carol@example.org";
const CAROL_ID: AccountId = AccountId(3);

/// A director that was taken over, and its ends.
struct Taken {
    house: House,
    pid: u32,
    by: Possessed,
    auth: u32,
    broker: u32,
    login: u32,
    control: u32,
}

/// What was handed over meanwhile.
struct Stolen {
    ticket: SealedTicket,
    nonce: Nonce,
    work: Work,
    socket: u32,
    client: Session,
}

impl Taken {
    fn over() -> Option<Self> {
        let house = House::open()?;
        house.set.add_user(CAROL);
        let (pid, by) = house.possess("director");
        let end = |edge| house.end(pid, edge);
        let (auth, broker) = (end(Edge::AuthDirector), end(Edge::DirectorBroker));
        let (login, control) = (end(Edge::LoginHandover), end(Edge::ControlHandover));
        Some(Self {
            house,
            pid,
            by,
            auth,
            broker,
            login,
            control,
        })
    }

    /// Somebody logs in, and what he is granted is not brought to a worker.
    fn steal(&mut self, name: &str) -> Stolen {
        let client = self.house.begin_login(name);
        let (ticket, nonce, work, socket) = self.joined(self.login);
        Stolen {
            ticket,
            nonce,
            work,
            socket,
            client,
        }
    }

    /// The two halves of one hand-over.
    fn joined(&mut self, asker: u32) -> (SealedTicket, Nonce, Work, u32) {
        let ticket = loop {
            match hear(&mut self.by, self.auth).message() {
                auth_director::ToDirector::Grant { ticket, .. } => break ticket,
                auth_director::ToDirector::RaiseEpoch { .. } => {}
            }
        };
        let (handed, sockets) = hear(&mut self.by, asker).with_descriptors();
        let handover::ToDirector::HandOver { nonce, work, .. } = handed;
        assert_eq!(ticket.claim.nonce, nonce);
        (ticket, nonce, work, sockets[0])
    }

    /// What `broker` answers about an account.
    fn ask_broker(&mut self, question: ToBroker, carried: &[u32]) -> FromBroker {
        say(&mut self.by, self.broker, question, carried);
        hear(&mut self.by, self.broker).message()
    }

    /// Our end of the channel to a worker that is born for this ticket, once it is ready.
    fn bear(&mut self, ticket: SealedTicket) -> u32 {
        let (near, far) = pair(&mut self.by, libc::SOCK_SEQPACKET);
        let birth = ToBroker::Birth {
            ticket,
            channel: stand_in(),
        };
        let born = self.ask_broker(birth, &[far]);
        assert!(matches!(born, FromBroker::Born { .. }), "{born:?}");
        speech::close(&mut self.by, far);
        assert!(matches!(
            self.worker_says(near),
            Some(director_worker::ToDirector::Ready { .. })
        ));
        near
    }

    /// Ends an account's worker, which it may.
    fn end(&mut self, account: AccountId) {
        let ended = self.ask_broker(ToBroker::End { account }, &[]);
        assert!(matches!(ended, FromBroker::Ended { .. }), "{ended:?}");
    }

    fn not_born(&mut self, ticket: SealedTicket) -> BirthFailure {
        let (near, far) = pair(&mut self.by, libc::SOCK_SEQPACKET);
        let birth = ToBroker::Birth {
            ticket,
            channel: stand_in(),
        };
        let answer = self.ask_broker(birth, &[far]);
        speech::close(&mut self.by, near);
        speech::close(&mut self.by, far);
        match answer {
            FromBroker::NotBorn { failure, .. } => failure,
            other => panic!("{other:?}"),
        }
    }

    fn no_verifier(&mut self, ticket: SealedTicket, pair: u32) -> BirthFailure {
        let question = ToBroker::BearVerifier {
            ticket,
            hold: None,
            pair: stand_in(),
        };
        match self.ask_broker(question, &[pair]) {
            FromBroker::VerifierNotBorn { failure, .. } => failure,
            other => panic!("{other:?}"),
        }
    }

    /// The next word of a worker, without what it says of itself; `None` at the end.
    fn worker_says(&mut self, worker: u32) -> Option<director_worker::ToDirector> {
        use director_worker::ToDirector::{Health, MayLeave};
        loop {
            match hear(&mut self.by, worker) {
                Heard::Message(MayLeave { .. } | Health { .. }, _) => {}
                Heard::Message(said, _) => return Some(said),
                Heard::Ended => return None,
                Heard::Nothing => panic!("the worker says nothing"),
            }
        }
    }

    /// What a worker answers to a ticket with a socket.
    fn serve(
        &mut self,
        worker: u32,
        ticket: SealedTicket,
        work: &Work,
        socket: u32,
    ) -> director_worker::ToDirector {
        let serve = director_worker::ToWorker::Serve {
            ticket,
            work: work.clone(),
            socket: stand_in(),
        };
        say(&mut self.by, worker, serve, &[socket]);
        self.worker_says(worker).expect("the worker lives on")
    }

    fn is_refused(&mut self, worker: u32, ticket: SealedTicket, work: &Work, socket: u32) {
        let said = self.serve(worker, ticket, work, socket);
        let refusal = Refusal::BadTicket;
        assert!(
            matches!(said, director_worker::ToDirector::Refused { refusal: why, .. } if why == refusal),
            "{said:?}"
        );
    }

    /// The attacker is gone, and everybody is served again.
    fn over_and_out(self) -> House {
        self.house.end_of(self.pid, self.by);
        self.house.serves(ALICE, PATIENCE);
        self.house.serves(BOB, PATIENCE);
        self.house
    }
}

/// A key that nobody has.
fn invented() -> MasterKey {
    MasterKey::new(Secret::from_array([9; KEY_BYTES])).expect("a key")
}

fn session(leftover: &[u8]) -> Work {
    Work::Session {
        protocol: Protocol::Imap,
        transport: ipc::edge::front_service::Transport::Tls { version: 0x0304 },
        tag: Bytes::new("a").expect("short"),
        utf8: false,
        mechanisms: Bytes::default(),
        leftover: Bytes::new(leftover).expect("short"),
    }
}

#[test]
fn a_taken_over_director_gets_nothing_from_the_kernel_but_its_ledgers_calls() {
    let Some(house) = House::open() else { return };
    try_all(&house, "director");
    house.serves(BOB, PATIENCE);
}

/// What it gets: whoever logs in meanwhile hears it, and what it puts behind his LOGIN
/// is done in his name; and it ends workers.
#[test]
fn a_taken_over_director_has_the_sessions_that_are_handed_over_meanwhile() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let mut stolen = taken.steal(CAROL);
    let sent = taken
        .by
        .send(stolen.socket, b"* OK this is director\r\n", &[]);
    assert!(matches!(sent, Outcome::Returned(_)), "{sent:?}");
    assert_eq!(
        stolen.client.read_line().as_deref(),
        Some("* OK this is director")
    );
    let worker = taken.bear(stolen.ticket);
    let work = session(b"b CREATE planted\r\n");
    let said = taken.serve(worker, stolen.ticket, &work, stolen.socket);
    assert!(
        matches!(said, director_worker::ToDirector::Taken { .. }),
        "{said:?}"
    );
    let taken_word = ToAsker::Taken {
        nonce: stolen.nonce,
    };
    say(&mut taken.by, taken.login, taken_word, &[]);
    let mut lines = std::iter::from_fn(|| stolen.client.read_line());
    assert!(lines.any(|line| line.starts_with("b OK")));
    // It reads none of what the worker answers: the client does, at the other end.
    assert!(matches!(
        taken.by.receive(stolen.socket),
        Err(Outcome::Failed(_))
    ));
    taken.end(BOB_ID);
    taken.over_and_out();
}

#[test]
fn a_ticket_opens_no_other_socket_and_no_other_work_and_nothing_twice() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let stolen = taken.steal(CAROL);
    let worker = taken.bear(stolen.ticket);
    let (own, far) = pair(&mut taken.by, libc::SOCK_STREAM);
    for socket in [own, far, worker] {
        taken.is_refused(worker, stolen.ticket, &stolen.work, socket);
    }
    let (task, _) = pair(&mut taken.by, libc::SOCK_SEQPACKET);
    for work in [Work::Task, Work::Delivery] {
        taken.is_refused(worker, stolen.ticket, &work, stolen.socket);
        taken.is_refused(worker, stolen.ticket, &work, task);
    }
    let said = taken.serve(worker, stolen.ticket, &stolen.work, stolen.socket);
    assert!(
        matches!(said, director_worker::ToDirector::Taken { .. }),
        "{said:?}"
    );
    taken.is_refused(worker, stolen.ticket, &stolen.work, stolen.socket);
    taken.over_and_out();
}

/// A worker remembers the tickets that it has taken, and the next one doesn't know
/// them: while a ticket lives, it is good for its own socket again, and for no other.
#[test]
fn a_ticket_that_was_used_is_good_in_a_next_workers_life_for_its_own_socket_alone() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let stolen = taken.steal(CAROL);
    for _ in 0..2 {
        let worker = taken.bear(stolen.ticket);
        let (own, far) = pair(&mut taken.by, libc::SOCK_STREAM);
        for socket in [own, far] {
            taken.is_refused(worker, stolen.ticket, &stolen.work, socket);
        }
        let said = taken.serve(worker, stolen.ticket, &stolen.work, stolen.socket);
        assert!(
            matches!(said, director_worker::ToDirector::Taken { .. }),
            "{said:?}"
        );
        taken.end(CAROL_ID);
    }
    taken.over_and_out();
}

#[test]
fn an_invented_ticket_and_an_altered_one_open_nothing() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let stolen = taken.steal(CAROL);
    taken.end(ALICE_ID);
    taken.end(BOB_ID);
    let forged = forgeries(&stolen.ticket);
    for ticket in &forged {
        let failure = taken.not_born(*ticket);
        assert_eq!(failure, BirthFailure::BadTicket, "{ticket:?}");
    }
    let worker = taken.bear(stolen.ticket);
    for ticket in forged {
        taken.is_refused(worker, ticket, &stolen.work, stolen.socket);
    }
    let alive = taken.not_born(stolen.ticket);
    assert_eq!(alive, BirthFailure::Alive, "two workers of one account");
    taken.over_and_out();
}

/// All that somebody without a key can make of a ticket.
fn forgeries(good: &SealedTicket) -> Vec<SealedTicket> {
    let claim = good.claim;
    let claims = [
        Grant {
            account: ALICE_ID,
            ..claim
        },
        Grant {
            account: BOB_ID,
            principal: BOB_ID,
            ..claim
        },
        Grant {
            kind: Kind::Admin,
            ..claim
        },
        Grant {
            epoch: Epoch(claim.epoch.0 + 1),
            ..claim
        },
        Grant {
            principal: ALICE_ID,
            ..claim
        },
        Grant {
            cookie: Cookie(claim.cookie.0 + 1),
            ..claim
        },
        Grant {
            nonce: Nonce([7; 16]),
            ..claim
        },
        Grant {
            expires: now() + 86_400,
            ..claim
        },
    ];
    let altered = claims.iter().map(|claim| SealedTicket {
        claim: *claim,
        seal: good.seal,
    });
    let sealed = claims
        .iter()
        .filter_map(|claim| invented().account_key(claim.account).seal(*claim));
    altered.chain(sealed).collect()
}

#[test]
fn an_epoch_that_auth_has_not_raised_ends_nobody_and_removes_nothing() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let stolen = taken.steal(CAROL);
    let worker = taken.bear(stolen.ticket);
    let forged = |epoch| invented().account_key(CAROL_ID).seal_epoch(epoch);
    let of_ticket = SealedEpoch {
        account: CAROL_ID,
        epoch: EPOCH_DELETED,
        seal: stolen.ticket.seal,
    };
    for sealed in [forged(EPOCH_DELETED), of_ticket] {
        let answer = taken.ask_broker(ToBroker::Remove { sealed }, &[]);
        assert!(
            matches!(answer, FromBroker::Removed { gone: false, .. }),
            "{answer:?}"
        );
    }
    // To `auth` it may say that all of it has happened; nobody is deleted by that.
    for account in [ALICE_ID, BOB_ID] {
        let epoch = EPOCH_DELETED;
        say(
            &mut taken.by,
            taken.auth,
            auth_director::ToAuth::EpochRaised { account, epoch },
            &[],
        );
    }
    // A worker whose director lies about `auth` wants no more of it.
    let sealed = forged(Epoch(5));
    say(
        &mut taken.by,
        worker,
        director_worker::ToWorker::RaiseEpoch { sealed },
        &[],
    );
    assert!(taken.worker_says(worker).is_none());
    taken.over_and_out();
}

/// Else no ticket would let a new account's directory be made.
#[test]
fn that_an_account_has_a_store_is_its_workers_word_and_not_directors() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let stolen = taken.steal(CAROL);
    let invented = invented().account_key(CAROL_ID).seal_storage();
    let of_ticket = SealedStorage {
        account: CAROL_ID,
        seal: stolen.ticket.seal,
    };
    for storage in [invented, of_ticket] {
        let lie = auth_director::ToAuth::StorageMade { storage };
        say(&mut taken.by, taken.auth, lie, &[]);
    }
    let house = taken.over_and_out();
    house.serves(CAROL, PATIENCE);
}

#[test]
fn a_verifier_is_born_for_the_pair_of_control_alone_and_never_speaks_to_director() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let stolen = taken.steal(CAROL);
    let (own, far) = pair(&mut taken.by, libc::SOCK_SEQPACKET);
    for socket in [own, stolen.socket] {
        let failure = taken.no_verifier(stolen.ticket, socket);
        assert_eq!(failure, BirthFailure::OtherTicket);
    }
    let mut check = taken.house.command(&["verify", ALICE]);
    let control = taken.control;
    let (ticket, nonce, work, theirs) = taken.joined(control);
    assert!(matches!(work, Work::Verify));
    taken.end(ALICE_ID);
    for socket in [own, far, stolen.socket] {
        let failure = taken.no_verifier(ticket, socket);
        assert_eq!(failure, BirthFailure::OtherTicket);
    }
    assert_eq!(taken.not_born(ticket), BirthFailure::OtherTicket);
    // On the pair that the ticket names it is born, and speaks to `control`.
    let question = ToBroker::BearVerifier {
        ticket,
        hold: None,
        pair: stand_in(),
    };
    let born = taken.ask_broker(question, &[theirs]);
    assert!(
        matches!(born, FromBroker::VerifierBorn { account: ALICE_ID }),
        "{born:?}"
    );
    speech::close(&mut taken.by, theirs);
    say(&mut taken.by, control, ToAsker::Taken { nonce }, &[]);
    assert!(check.wait().expect("it runs").success());
    taken.over_and_out();
}

/// What it gets besides: it brings raised epochs, so it can keep them back, and a
/// session lives on that was revoked. Once there is an honest one it has ended.
#[test]
fn a_taken_over_director_can_keep_a_revoked_session_for_as_long_as_it_is_there() {
    let Some(house) = House::open() else { return };
    let mut session = house.set.login(BOB);
    let (pid, by) = house.possess("director");
    assert!(house.set.mailkeep(&["user", "kick", BOB]).status.success());
    session.ok("n NOOP");
    house.end_of(pid, by);
    let _its_last_words = session.read_to_end();
    house.serves(BOB, PATIENCE);
}

#[test]
fn no_lie_of_a_taken_over_director_about_form_costs_anybody_but_itself() {
    siege::tell_every_lie("director");
}

#[test]
fn while_director_stands_still_sessions_go_on_and_afterwards_all_is_well() {
    let come = |house: &House| drop([house.begin_login(BOB), house.begin_login(ALICE)]);
    siege::stand_still("director", come, &[GoesOn::Sessions]);
}
