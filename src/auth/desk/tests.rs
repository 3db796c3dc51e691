//! The desk's decisions, told as dialogues. Hashing is done at once, by the test.

mod exchanges;

use super::*;
use crate::hashing::Outcome;
use crate::ledger::tests::open;
use crate::names::tests::slice;
use crate::verifier::tests::decode;
use ipc::codec::Bytes;
use ipc::edge::control_auth::{
    Credential, Refusal, TaskKind, ToAuth as FromControl, ToControl, Verifier,
};
use ipc::edge::director_broker::EPOCH_DELETED;
use ipc::edge::front_auth::Facts;
use ipc::edge::front_service::Transport;
use ipc::edge::lmtp_auth::{Standing, ToAuth as FromLmtp, ToLmtp};
use ipc::edge::login_auth::{Mechanism, Rejection, ToAuth as FromLogin, ToLogin};
use ipc::slice::Protocol;
use ipc::ticket::{KEY_BYTES, SealedEpoch, SealedStorage};
use ipc::{Epoch, Secret};
use journal::sim::{Fault, SimDisk};

const FRONT: Instance = Instance(6);
const LOGIN: Instance = Instance(7);
const LMTP: Instance = Instance(8);
const CONTROL: Instance = Instance(9);
const HOME: u8 = 1;
const AWAY: u8 = 2;

fn master() -> MasterKey {
    MasterKey::new(Secret::from_array([5; KEY_BYTES])).unwrap()
}

/// A desk, and what was asked of the hashing threads.
struct Play {
    desk: Desk<SimDisk>,
    disk: SimDisk,
    now: u64,
    serial: u64,
    /// What clients speak.
    protocol: Protocol,
    hashed: Vec<Verifier>,
}

fn at(disk: &SimDisk) -> Play {
    let rules = Rules::new(&slice(&["example.org", "example.net"])).unwrap();
    let keys = Keys {
        master: master(),
        remembered: [1; 32],
        penalties: [2; 32],
        decoys: [3; 32],
    };
    let mut desk = Desk::new(rules, open(disk), 1000, keys);
    desk.director_has_come();
    Play {
        desk,
        disk: disk.clone(),
        now: 1_000_000,
        serial: 0,
        protocol: Protocol::Imap,
        hashed: Vec::new(),
    }
}

/// Alice and Bob, with their names as passwords, and an address for Alice.
fn play() -> Play {
    let mut play = at(&SimDisk::new(1));
    assert_eq!(play.add("alice@example.org", "alice"), Ok(1));
    assert_eq!(play.add("bob@example.org", "bob"), Ok(2));
    let (name, alias) = (text("alice"), text("Postmaster"));
    assert_eq!(
        play.admin(|query| FromControl::AddAlias { query, name, alias }),
        Ok(1)
    );
    play.hashed.clear();
    play
}

fn text<const N: usize>(text: &str) -> Bytes<N> {
    Bytes::new(text).unwrap()
}

impl Play {
    fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn nonce(&mut self) -> Nonce {
        let serial = self.serial();
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&serial.to_le_bytes());
        Nonce(nonce)
    }

    /// What follows, with all hashing done.
    fn acts(&mut self) -> Vec<Act> {
        let mut done = Vec::new();
        loop {
            let acts = self.desk.settle().unwrap();
            if acts.is_empty() {
                return done;
            }
            for act in acts {
                match act {
                    Act::Hash { job, work, .. } => {
                        if let Work::Verify { kept, .. } = &work {
                            self.hashed.push(kept.verifier.clone());
                        }
                        self.desk.hashed(self.now, job, work.run());
                    }
                    act => done.push(act),
                }
            }
        }
    }

    /// Asks for `control`, and gives the answer and what `director` is told.
    fn ask_admin(
        &mut self,
        request: impl FnOnce(u64) -> FromControl,
    ) -> (ToControl, Vec<ToDirector>) {
        let query = self.serial();
        self.desk.control(self.now, CONTROL, request(query));
        let mut told = Vec::new();
        let mut answers = Vec::new();
        for act in self.acts() {
            match act {
                Act::Director(message) => told.push(message),
                Act::Control(link, answer) => answers.push((link, answer)),
                act => panic!("{act:?}"),
            }
        }
        assert!(answers.len() == 1 && answers[0].0 == CONTROL, "{answers:?}");
        (answers.remove(0).1, told)
    }

    fn admin(&mut self, request: impl FnOnce(u64) -> FromControl) -> Result<u32, Refusal> {
        match self.ask_admin(request).0 {
            ToControl::Done { account, .. } => Ok(account.0),
            ToControl::Refused { refusal, .. } => Err(refusal),
            ToControl::Page { .. } => panic!("a page"),
        }
    }

    fn add(&mut self, name: &str, password: &str) -> Result<u32, Refusal> {
        let credential = Credential::Password {
            password: Secret::new(password.into()).unwrap(),
        };
        self.admin(|query| FromControl::Add {
            query,
            name: text(name),
            credential,
        })
    }

    fn opened(&mut self, transport: Transport, place: u8) -> Cookie {
        self.opened_with(transport, place, None, None)
    }

    /// A session of which `front` knows this as well.
    fn opened_with(
        &mut self,
        transport: Transport,
        place: u8,
        exporter: Option<[u8; 32]>,
        client_name: Option<&str>,
    ) -> Cookie {
        let client_name = client_name.map(text);
        let cookie = Cookie(self.serial());
        let address = std::net::Ipv4Addr::new(192, 0, 2, place)
            .to_ipv6_mapped()
            .octets();
        let (protocol, port) = (self.protocol, 1);
        let facts = Facts::Opened {
            cookie,
            protocol,
            transport,
            address,
            port,
            exporter,
            client_name,
        };
        self.desk.front(FRONT, facts).unwrap();
        cookie
    }

    fn begin(&mut self, cookie: Cookie, message: &str) -> Nonce {
        let nonce = self.nonce();
        let response = Secret::new(message.replace('|', "\0").into_bytes()).unwrap();
        let (protocol, mechanism) = (self.protocol, Mechanism::Plain);
        let begin = FromLogin::Begin {
            nonce,
            front: FRONT,
            cookie,
            protocol,
            mechanism,
            response,
        };
        self.desk.login(self.now, LOGIN, begin).unwrap();
        nonce
    }

    /// Logs in over TLS from a place: the ticket, or why not; waits if it must.
    fn log_in(&mut self, place: u8, message: &str) -> Result<SealedTicket, Rejection> {
        let cookie = self.opened(Transport::Tls { version: 0x0304 }, place);
        let nonce = self.begin(cookie, message);
        let mut acts = self.acts();
        if acts.is_empty() {
            self.now = self.desk.next_due().expect("neither answered nor delayed");
            self.desk.pass(self.now);
            acts = self.acts();
        }
        match acts.as_slice() {
            [
                Act::Director(ToDirector::Grant {
                    asker,
                    nonce: granted,
                    ticket,
                }),
                Act::Login(link, ToLogin::Verified { nonce: verified }),
            ] => {
                assert_eq!((*asker, *link), (LOGIN, LOGIN));
                assert_eq!((*granted, *verified), (nonce, nonce));
                assert_eq!((ticket.claim.nonce, ticket.claim.cookie), (nonce, cookie));
                Ok(*ticket)
            }
            [
                Act::Login(
                    _,
                    ToLogin::Rejected {
                        nonce: rejected,
                        rejection,
                    },
                ),
            ] => {
                assert_eq!(*rejected, nonce);
                Err(*rejection)
            }
            _ => panic!("{acts:?}"),
        }
    }

    fn look(&mut self, address: &str) -> Standing {
        self.desk.lmtp(
            self.now,
            LMTP,
            FromLmtp::Look {
                query: 1,
                address: text(address),
            },
        );
        match self.acts().as_slice() {
            [Act::Lmtp(_, ToLmtp::Found { standing, .. })] => *standing,
            acts => panic!("{acts:?}"),
        }
    }
}

fn epochs(told: &[ToDirector]) -> Vec<(u32, Epoch)> {
    let raised = told.iter().filter_map(|message| match message {
        ToDirector::RaiseEpoch {
            sealed: sealed @ SealedEpoch { account, .. },
        } => {
            let epoch = master().account_key(*account).open_epoch(sealed);
            Some((account.0, epoch.expect("a good seal")))
        }
        ToDirector::Grant { .. } => None,
    });
    raised.collect()
}

#[test]
fn a_right_password_gives_a_ticket_before_it_is_told() {
    let mut play = play();
    let ticket = play.log_in(HOME, "|alice|alice").unwrap();
    let opened = master()
        .account_key(AccountId(1))
        .open(&ticket, play.now / 1000)
        .unwrap();
    let grant = opened.grant();
    assert_eq!(
        (grant.kind, grant.account, grant.principal),
        (Kind::Session, AccountId(1), AccountId(1))
    );
    assert_eq!(
        (grant.epoch, grant.rights, grant.may_create),
        (Epoch(0), u32::MAX, true)
    );
    assert_eq!(grant.expires, play.now / 1000 + TICKET_SECONDS_MAX);
}

/// RFC 2449, section 6.5: with right credentials, for POP3, and for one's own account
/// alone.
#[test]
fn a_pop3_login_too_soon_is_told_to_whoever_has_the_right_password() {
    let mut play = play();
    let delayed = slice::Auth {
        pop3_login_delay_seconds: 60,
        ..slice(&["example.org"])
    };
    play.desk.apply(Rules::new(&delayed).unwrap());
    play.protocol = Protocol::Pop3;
    assert!(play.log_in(HOME, "|alice|alice").is_ok());
    // Remembered or hashed, it is the same answer; a wrong one isn't told.
    for place in [HOME, HOME + 1] {
        let again = play.log_in(place, "|alice|alice");
        assert_eq!(again.unwrap_err(), Rejection::TooSoon);
    }
    let wrong = play.log_in(HOME, "|alice|x");
    assert_eq!(wrong.unwrap_err(), Rejection::Credentials);
    assert!(play.log_in(HOME, "|bob|bob").is_ok());
    play.protocol = Protocol::Imap;
    assert!(play.log_in(HOME, "|alice|alice").is_ok());
    play.protocol = Protocol::Pop3;
    play.now += 60_000;
    assert!(play.log_in(HOME, "|alice|alice").is_ok());
}

#[test]
fn login_names_log_in_and_mere_addresses_do_not() {
    let mut play = play();
    for good in [
        "|ALICE@Example.org|alice",
        "|alice+x|alice",
        "alice|alice|alice",
        "Alice@example.org|alice|alice",
    ] {
        assert!(play.log_in(HOME, good).is_ok(), "{good}");
    }
    for bad in [
        "|postmaster|alice",
        "bob|alice|alice",
        "|alice@example.net|alice",
        "|alice|bob",
        "|nobody|x",
        "|alice|",
        "alice",
        "||alice",
    ] {
        assert_eq!(play.log_in(AWAY, bad), Err(Rejection::Credentials), "{bad}");
    }
}

/// ATTACKS P5: the work that is done, and the answer, are the same whether
/// anybody has the name or not.
#[test]
fn a_name_that_nobody_has_costs_what_a_known_one_does() {
    let mut known = play();
    let mut unknown = play();
    for _ in 0..8 {
        assert_eq!(
            known.log_in(HOME, "|alice|wrong"),
            Err(Rejection::Credentials)
        );
        assert_eq!(
            unknown.log_in(HOME, "|nobody|wrong"),
            Err(Rejection::Credentials)
        );
        assert_eq!(known.now, unknown.now, "delayed differently");
    }
    let work = |play: &Play| -> Vec<(u32, u32, u32, usize, usize)> {
        let costs = play.hashed.iter().map(|verifier| match verifier {
            Verifier::Argon2id {
                kib,
                passes,
                lanes,
                salt,
                hash,
            } => (
                *kib,
                *passes,
                *lanes,
                salt.as_slice().len(),
                hash.as_slice().len(),
            ),
            _ => panic!("{verifier:?}"),
        });
        costs.collect()
    };
    assert_eq!(work(&known), work(&unknown));
    assert_eq!(work(&known).len(), 8);
}

/// ATTACKS P5.
#[test]
fn a_guesser_is_slowed_down_and_the_owner_elsewhere_is_not() {
    let mut play = play();
    let began = play.now;
    for _ in 0..10 {
        assert_eq!(
            play.log_in(AWAY, "|alice|guess"),
            Err(Rejection::Credentials)
        );
    }
    assert!(
        play.now - began >= 60_000,
        "ten guesses took {} ms",
        play.now - began
    );
    let before = play.now;
    assert!(play.log_in(HOME, "|alice|alice").is_ok());
    assert!(
        play.log_in(AWAY, "|alice|alice").is_ok(),
        "not even there: a right password is not delayed"
    );
    assert_eq!(play.now, before);
}

#[test]
fn a_success_takes_no_penalty_back() {
    let mut play = play();
    for _ in 0..10 {
        let _ = play.log_in(AWAY, "|alice|guess");
    }
    play.log_in(AWAY, "|bob|bob").unwrap();
    let before = play.now;
    let _ = play.log_in(AWAY, "|alice|guess");
    assert_eq!(play.now - before, 15_000);
}

#[test]
fn a_penalised_source_has_few_guesses_open_at_once() {
    let mut play = play();
    for _ in 0..10 {
        let _ = play.log_in(AWAY, "|alice|guess");
    }
    let cookies = [(); 6].map(|()| play.opened(Transport::Tls { version: 0x0304 }, AWAY));
    for cookie in cookies {
        play.begin(cookie, "|alice|guess");
    }
    let acts = play.acts();
    assert_eq!(acts.len(), 2, "{acts:?}");
    assert!(acts.iter().all(|act| matches!(
        act,
        Act::Login(
            _,
            ToLogin::Rejected {
                rejection: Rejection::Unavailable,
                ..
            }
        )
    )));
}

/// ATTACKS P17, CVE-2025-30189.
#[test]
fn a_remembered_success_saves_the_hash_for_the_same_and_for_nobody_else() {
    let mut play = play();
    play.log_in(HOME, "|alice|alice").unwrap();
    play.hashed.clear();
    play.log_in(HOME, "|alice|alice").unwrap();
    assert_eq!(play.hashed.len(), 0);
    assert!(play.log_in(HOME, "|bob|alice").is_err());
    assert!(play.log_in(HOME, "|alice|bob").is_err());
    play.log_in(AWAY, "|alice|alice").unwrap();
    assert_eq!(play.hashed.len(), 3);
}

#[test]
fn a_new_password_a_kick_and_disabling_forget_and_revoke() {
    let changes: [fn(u64) -> FromControl; 3] = [
        |query| {
            let credential = Credential::Password {
                password: Secret::new(b"new".to_vec()).unwrap(),
            };
            FromControl::SetCredential {
                query,
                name: text("alice"),
                credential,
            }
        },
        |query| FromControl::Kick {
            query,
            name: text("alice"),
        },
        |query| FromControl::SetDisabled {
            query,
            name: text("alice"),
            disabled: true,
        },
    ];
    for (change, (old, new)) in
        changes
            .into_iter()
            .zip([(false, true), (true, false), (false, false)])
    {
        let mut play = play();
        play.log_in(HOME, "|alice|alice").unwrap();
        let (answer, told) = play.ask_admin(change);
        assert!(matches!(
            answer,
            ToControl::Done {
                account: AccountId(1),
                ..
            }
        ));
        assert_eq!(epochs(&told), [(1, Epoch(1))]);
        play.hashed.clear();
        assert_eq!(play.log_in(HOME, "|alice|alice").is_ok(), old);
        assert_eq!(play.hashed.len(), 1, "it was remembered");
        let ticket = play.log_in(HOME, "|alice|new");
        assert_eq!(ticket.is_ok(), new);
        assert!(ticket.is_err() || ticket.unwrap().claim.epoch == Epoch(1));
    }
}

#[test]
fn an_account_disabled_while_its_password_is_hashed_is_not_let_in() {
    let mut play = play();
    let cookie = play.opened(Transport::Tls { version: 0x0304 }, HOME);
    play.begin(cookie, "|alice|alice");
    let mut acts = play.desk.settle().unwrap();
    let Some(Act::Hash { job, work, .. }) = acts.pop() else {
        panic!("no hash")
    };
    play.admin(|query| FromControl::SetDisabled {
        query,
        name: text("alice"),
        disabled: true,
    })
    .unwrap();
    play.desk.hashed(play.now, job, work.run());
    assert!(matches!(
        play.acts()[..],
        [Act::Login(
            _,
            ToLogin::Rejected {
                rejection: Rejection::Credentials,
                ..
            }
        )]
    ));
}

#[test]
fn what_front_has_not_said_or_says_otherwise_does_not_count() {
    let mut play = play();
    play.begin(Cookie(99_999), "|alice|alice");
    assert!(matches!(
        play.acts()[..],
        [Act::Login(
            _,
            ToLogin::Rejected {
                rejection: Rejection::Unavailable,
                ..
            }
        )]
    ));
    let clear = play.opened(Transport::Cleartext { loopback: false }, HOME);
    play.begin(clear, "|alice|alice");
    assert!(matches!(
        play.acts()[..],
        [Act::Login(
            _,
            ToLogin::Rejected {
                rejection: Rejection::PrivacyRequired,
                ..
            }
        )]
    ));
    let loopback = play.opened(Transport::Cleartext { loopback: true }, HOME);
    play.begin(loopback, "|alice|alice");
    assert_eq!(play.acts().len(), 2);
}

#[test]
fn without_director_nobody_learns_whether_a_password_is_right() {
    let mut play = play();
    play.desk.director_has_gone();
    for message in ["|alice|alice", "|alice|wrong", "|nobody|x"] {
        assert_eq!(play.log_in(HOME, message), Err(Rejection::Unavailable));
    }
    assert_eq!(play.hashed.len(), 0);
}

#[test]
fn a_login_that_breaks_the_rules_is_found_out() {
    let mut play = play();
    let cookie = play.opened(Transport::Tls { version: 0x0304 }, HOME);
    let nonce = play.begin(cookie, "|alice|alice");
    let begin = |nonce, protocol| FromLogin::Begin {
        nonce,
        front: FRONT,
        cookie,
        protocol,
        mechanism: Mechanism::Plain,
        response: Secret::new(Vec::new()).unwrap(),
    };
    let response = Secret::new(Vec::new()).unwrap();
    let desk = &mut play.desk;
    assert_eq!(
        desk.login(0, LOGIN, begin(nonce, Protocol::Imap)),
        Err(Misdeed::NonceIsOpen)
    );
    assert_eq!(
        desk.login(0, LOGIN, FromLogin::Continue { nonce, response }),
        Err(Misdeed::NoChallenge)
    );
    assert_eq!(
        desk.login(0, LOGIN, FromLogin::Abort { nonce }),
        Err(Misdeed::NoChallenge)
    );
    assert!(
        desk.login(0, Instance(21), begin(nonce, Protocol::Imap))
            .is_ok(),
        "another's nonce"
    );
}

#[test]
fn nobody_is_told_what_a_login_asked_that_has_gone() {
    let mut play = play();
    let cookie = play.opened(Transport::Tls { version: 0x0304 }, HOME);
    play.begin(cookie, "|alice|alice");
    play.begin(cookie, "|alice|wrong");
    play.desk.gone(LOGIN);
    let told = play
        .acts()
        .into_iter()
        .filter(|act| matches!(act, Act::Login(..)))
        .count();
    assert_eq!(told, 0);
}

#[test]
fn a_password_from_another_server_is_taken_and_hashed_anew_at_the_first_login() {
    let disk = SimDisk::new(1);
    let mut play = at(&disk);
    let verifier = decode(
        "{SSHA512}xUIkQCQYrb3tfEWpLb6bQBvDlMKiG+s0h553SQpxnDcb216iFrxYXJ8bu7rR/1fKqg8DuKv2UvyhKLC/wMD0d1ROOvE=",
    );
    let credential = Credential::Hashed {
        verifier: verifier.clone(),
    };
    play.admin(|query| FromControl::Add {
        query,
        name: text("carol"),
        credential,
    })
    .unwrap();
    assert!(play.log_in(HOME, "|carol|wrong").is_err());
    play.log_in(HOME, "|carol|correct horse").unwrap();
    let mut restarted = at(&disk.restore_power());
    restarted.log_in(HOME, "|carol|correct horse").unwrap();
    assert_eq!(play.hashed, [verifier.clone(), verifier]);
    assert!(matches!(restarted.hashed[..], [Verifier::Argon2id { .. }]));
}

#[test]
fn a_directory_may_be_made_until_its_worker_says_that_there_is_a_store_and_never_again() {
    let disk = SimDisk::new(1);
    let mut play = at(&disk);
    play.add("alice", "alice").unwrap();
    assert!(play.log_in(HOME, "|alice|alice").unwrap().claim.may_create);
    let storage = master().account_key(AccountId(1)).seal_storage();
    let forged = SealedStorage {
        seal: [7; KEY_BYTES],
        ..storage
    };
    let another = SealedStorage {
        account: AccountId(1),
        ..master().account_key(AccountId(2)).seal_storage()
    };
    for storage in [forged, another] {
        let lie = FromDirector::StorageMade { storage };
        play.desk.director_tells(&lie);
        assert!(play.log_in(HOME, "|alice|alice").unwrap().claim.may_create);
    }
    play.desk
        .director_tells(&FromDirector::StorageMade { storage });
    assert!(!play.log_in(HOME, "|alice|alice").unwrap().claim.may_create);
    let mut restarted = at(&disk.restore_power());
    assert!(
        !restarted
            .log_in(HOME, "|alice|alice")
            .unwrap()
            .claim
            .may_create
    );
}

#[test]
fn deleting_shuts_the_account_at_once_and_frees_the_name_but_not_the_id() {
    let disk = SimDisk::new(1);
    let mut play = at(&disk);
    play.add("alice", "alice").unwrap();
    let (nonce, cookie) = (Nonce([3; 16]), Cookie(77));
    let delete = |query| FromControl::Delete {
        query,
        name: text("alice"),
        nonce,
        cookie,
    };
    let (answer, told) = play.ask_admin(delete);
    assert!(matches!(
        answer,
        ToControl::Done {
            account: AccountId(1),
            ..
        }
    ));
    assert_eq!(epochs(&told), [(1, Epoch(1))]);
    let Some(ToDirector::Grant { asker, ticket, .. }) = told.last() else {
        panic!("no ticket")
    };
    assert_eq!(
        (*asker, ticket.claim.kind, ticket.claim.epoch),
        (CONTROL, Kind::Admin, Epoch(1))
    );
    assert_eq!((ticket.claim.nonce, ticket.claim.cookie), (nonce, cookie));

    let mut play = at(&disk.restore_power());
    assert!(play.log_in(HOME, "|alice|alice").is_err());
    assert_eq!(play.look("alice@example.org"), Standing::Disabled);
    assert_eq!(play.add("alice", "x"), Err(Refusal::Taken));
    assert_eq!(
        play.admin(|query| FromControl::SetDisabled {
            query,
            name: text("alice"),
            disabled: false
        }),
        Err(Refusal::NoSuchAccount)
    );
    assert_eq!(
        epochs(&play.ask_admin(delete).1),
        [(1, Epoch(1))],
        "it can be asked again"
    );

    let (answer, told) = play.ask_admin(|query| FromControl::Emptied {
        query,
        account: AccountId(1),
    });
    assert!(matches!(answer, ToControl::Done { .. }));
    assert_eq!(epochs(&told), [(1, EPOCH_DELETED)]);
    let mut play = at(&play.disk.restore_power());
    assert_eq!(unasked(&mut play), [(1, EPOCH_DELETED)]);
    assert_eq!(play.look("alice@example.org"), Standing::Unknown);
    assert_eq!(play.add("alice", "x"), Ok(2), "an id was given twice");
}

/// Deletes an account up to what `director` is to confirm.
fn delete(play: &mut Play, name: &str, id: u32) {
    let (nonce, cookie) = (play.nonce(), Cookie(77));
    let name = text(name);
    let deleted = play.admin(|query| FromControl::Delete {
        query,
        name,
        nonce,
        cookie,
    });
    assert_eq!(deleted, Ok(id));
    let account = AccountId(id);
    let emptied = play.admin(|query| FromControl::Emptied { query, account });
    assert_eq!(emptied, Ok(id));
}

/// What `director` is told without anybody asking.
fn unasked(play: &mut Play) -> Vec<(u32, Epoch)> {
    let acts = play.acts().into_iter().map(|act| match act {
        Act::Director(message) => message,
        act => panic!("{act:?}"),
    });
    epochs(&acts.collect::<Vec<_>>())
}

fn confirm(play: &mut Play, id: u32) {
    play.desk.director_tells(&FromDirector::EpochRaised {
        account: AccountId(id),
        epoch: EPOCH_DELETED,
    });
}

#[test]
fn a_directory_whose_removal_nobody_confirmed_is_removed_by_the_next_director() {
    let mut play = play();
    delete(&mut play, "alice", 1);
    delete(&mut play, "bob", 2);
    confirm(&mut play, 2);
    assert_eq!(unasked(&mut play), []);
    // It died before it had removed Alice's, and so does the one after it.
    for _ in 0..2 {
        play.desk.director_has_gone();
        play.desk.director_has_come();
        assert_eq!(unasked(&mut play), [(1, EPOCH_DELETED)]);
    }
    // So do we.
    let mut play = at(&play.disk.restore_power());
    assert_eq!(unasked(&mut play), [(1, EPOCH_DELETED)]);
    confirm(&mut play, 1);
    assert_eq!(unasked(&mut play), []);
    let mut play = at(&play.disk.restore_power());
    assert_eq!(unasked(&mut play), []);
    assert_eq!(play.add("alice", "x"), Ok(3), "an id was given twice");
}

#[test]
fn only_the_epoch_of_the_deleted_confirms_a_removal() {
    let mut play = play();
    delete(&mut play, "alice", 1);
    for (account, epoch) in [(1, Epoch(1)), (2, EPOCH_DELETED), (99, EPOCH_DELETED)] {
        let account = AccountId(account);
        play.desk
            .director_tells(&FromDirector::EpochRaised { account, epoch });
    }
    assert_eq!(unasked(&mut play), []);
    assert_eq!(play.look("bob@example.org"), Standing::Deliverable);
    play.desk.director_has_come();
    assert_eq!(unasked(&mut play), [(1, EPOCH_DELETED)]);
}

#[test]
fn many_unconfirmed_removals_come_as_the_earlier_ones_are_confirmed() {
    const COUNT: u32 = 3 * RETOLD_MAX as u32;
    let mut play = at(&SimDisk::new(1));
    let id = |id| AccountId(id);
    (1..=COUNT).for_each(|number| play.desk.ledger.stage(Change::Empty { id: id(number) }));
    play.desk.director_has_come();
    let mut waiting = unasked(&mut play);
    assert_eq!(waiting.len(), RETOLD_MAX);
    for number in 1..=COUNT {
        assert_eq!(waiting.remove(0), (number, EPOCH_DELETED));
        confirm(&mut play, number);
        waiting.extend(unasked(&mut play));
        assert!(waiting.len() <= RETOLD_MAX);
    }
    assert_eq!(waiting, []);
}

#[test]
fn only_an_account_that_is_being_deleted_can_be_emptied() {
    let mut play = play();
    for account in [1, 99].map(AccountId) {
        assert_eq!(
            play.admin(|query| FromControl::Emptied { query, account }),
            Err(Refusal::NoSuchAccount)
        );
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut play = play();
    assert_eq!(play.add("Alice@EXAMPLE.org", "x"), Err(Refusal::Taken));
    assert_eq!(play.add("postmaster", "x"), Err(Refusal::Taken));
    assert_eq!(play.add("a b", "x"), Err(Refusal::BadName));
    assert_eq!(
        play.add("a@elsewhere.example", "x"),
        Err(Refusal::ForeignDomain)
    );
    let alias = |alias| {
        move |query| FromControl::AddAlias {
            query,
            name: text("alice"),
            alias: text(alias),
        }
    };
    assert_eq!(play.admin(alias("bob")), Err(Refusal::Taken));
    assert_eq!(
        play.admin(|query| FromControl::Kick {
            query,
            name: text("postmaster")
        }),
        Err(Refusal::NoSuchAccount)
    );
    assert_eq!(
        play.admin(|query| FromControl::RemoveAlias {
            query,
            alias: text("bob")
        }),
        Err(Refusal::NoSuchAccount)
    );
    let credential = Credential::Hashed {
        verifier: Verifier::Bcrypt {
            cost: 31,
            salt: [0; 16],
            hash: [0; 23],
        },
    };
    assert_eq!(
        play.admin(|query| FromControl::Add {
            query,
            name: text("c"),
            credential
        }),
        Err(Refusal::BadVerifier)
    );
    let more = (0..40).map(|n| {
        play.admin(|query| FromControl::AddAlias {
            query,
            name: text("bob"),
            alias: text(&format!("b{n}")),
        })
    });
    assert_eq!(
        more.filter(Result::is_err).collect::<Vec<_>>(),
        [Err(Refusal::TooManyAliases); 8]
    );
    play.desk.last_id = 2;
    assert_eq!(play.add("c", "x"), Err(Refusal::NoMoreIds));
}

#[test]
fn aliases_take_mail_until_they_are_removed() {
    let mut play = play();
    assert_eq!(
        play.admin(|query| FromControl::AddAlias {
            query,
            name: text("bob"),
            alias: text("@example.net")
        }),
        Ok(2)
    );
    assert_eq!(play.look("Postmaster+x@example.org"), Standing::Deliverable);
    assert_eq!(play.look("anybody@example.net"), Standing::Deliverable);
    assert_eq!(play.look("anybody@example.org"), Standing::Unknown);
    assert_eq!(
        play.admin(|query| FromControl::RemoveAlias {
            query,
            alias: text("postmaster")
        }),
        Ok(1)
    );
    assert_eq!(play.look("postmaster@example.org"), Standing::Unknown);
}

#[test]
fn a_delivery_ticket_is_for_the_recipients_account_and_says_the_detail() {
    let mut play = play();
    let (nonce, cookie) = (Nonce([4; 16]), Cookie(88));
    play.desk.lmtp(
        play.now,
        LMTP,
        FromLmtp::Deliver {
            nonce,
            cookie,
            address: text("alice+Lists@example.org"),
        },
    );
    let acts = play.acts();
    let [
        Act::Director(ToDirector::Grant { asker, ticket, .. }),
        Act::Lmtp(_, ToLmtp::Minted { detail, .. }),
    ] = &acts[..]
    else {
        panic!("{acts:?}")
    };
    assert_eq!(
        (*asker, ticket.claim.kind, ticket.claim.account),
        (LMTP, Kind::Delivery, AccountId(1))
    );
    assert_eq!(detail.as_slice(), b"Lists");
    play.desk.director_has_gone();
    play.desk.lmtp(
        play.now,
        LMTP,
        FromLmtp::Deliver {
            nonce,
            cookie,
            address: text("bob"),
        },
    );
    let standing = Standing::Unavailable;
    assert!(
        matches!(play.acts()[..], [Act::Lmtp(_, ToLmtp::NotMinted { standing: found, .. })] if found == standing)
    );
}

#[test]
fn an_import_of_many_is_one_sync_and_two_of_one_name_are_one_account() {
    let mut play = play();
    let verifier =
        decode("{PBKDF2}$1$l61pPOAziYrjECGj$1500$15b6e6ad08692863b0c1f71c25116190a8a2404c");
    let before = play.disk.calls();
    for query in 0..200 {
        let credential = Credential::Hashed {
            verifier: verifier.clone(),
        };
        let name = text(&format!("user{}", query % 100));
        play.desk.control(
            play.now,
            CONTROL,
            FromControl::Add {
                query,
                name,
                credential,
            },
        );
    }
    let acts = play.acts();
    let done = acts
        .iter()
        .filter(|act| matches!(act, Act::Control(_, ToControl::Done { .. })))
        .count();
    assert_eq!((acts.len(), done), (200, 100));
    assert!(
        play.disk.calls() - before < 10,
        "{} calls",
        play.disk.calls() - before
    );
}

#[test]
fn pages_are_bounded_in_bytes_and_go_through_every_account_once() {
    let mut play = play();
    let verifier =
        decode("{PBKDF2}$1$l61pPOAziYrjECGj$1500$15b6e6ad08692863b0c1f71c25116190a8a2404c");
    for account in 0..20 {
        let name = format!("user{account}");
        let credential = Credential::Hashed {
            verifier: verifier.clone(),
        };
        play.admin(|query| FromControl::Add {
            query,
            name: text(&name),
            credential,
        })
        .unwrap();
        for alias in 0..32 {
            let alias = text(&format!("{}{alias}u{account}", "a".repeat(290)));
            play.admin(|query| FromControl::AddAlias {
                query,
                name: text(&name),
                alias,
            })
            .unwrap();
        }
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let (answer, _) = play.ask_admin(|query| FromControl::List { query, after });
        let ToControl::Page { accounts, more, .. } = answer else {
            panic!("{answer:?}")
        };
        seen.extend(accounts.as_slice().iter().map(|account| account.id.0));
        let (bytes, _) = ipc::Message::into_datagram(ToControl::Page {
            query: 0,
            accounts,
            more,
        });
        assert!(bytes.len() <= <ToControl as ipc::Message>::BYTES_MAX);
        after = seen.last().copied().map(AccountId);
        if !more {
            break;
        }
    }
    assert_eq!(seen, (1..=22).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_refuses_the_change_and_nothing_of_it_is_seen() {
    let mut play = play();
    play.disk.plan(play.disk.calls(), Fault::Enospc);
    let (answer, told) = play.ask_admin(|query| FromControl::Kick {
        query,
        name: text("alice"),
    });
    assert!(matches!(
        answer,
        ToControl::Refused {
            refusal: Refusal::Storage,
            ..
        }
    ));
    assert!(told.is_empty());
    play.disk.forgive();
    assert_eq!(
        play.log_in(HOME, "|alice|alice").unwrap().claim.epoch,
        Epoch(0)
    );
}

#[test]
fn a_failed_sync_ends_the_process_with_nothing_said() {
    let mut play = play();
    (0..8).for_each(|later| play.disk.plan(play.disk.calls() + later, Fault::Eio));
    play.desk.control(
        play.now,
        CONTROL,
        FromControl::Kick {
            query: 1,
            name: text("alice"),
        },
    );
    assert_eq!(play.desk.settle().err(), Some(NotDurable::Poisoned));
}

#[test]
fn no_room_for_a_hash_is_unavailable_for_now() {
    let mut play = play();
    let cookie = play.opened(Transport::Tls { version: 0x0304 }, HOME);
    play.begin(cookie, "|alice|alice");
    let acts = play.desk.settle().unwrap();
    let [Act::Hash { job, .. }] = acts[..] else {
        panic!("{acts:?}")
    };
    play.desk.no_room(job);
    assert!(matches!(
        play.acts()[..],
        [Act::Login(
            _,
            ToLogin::Rejected {
                rejection: Rejection::Unavailable,
                ..
            }
        )]
    ));
    play.desk
        .hashed(play.now, job, Outcome::Right { better: None });
    assert!(play.acts().is_empty(), "answered twice");
}

#[test]
fn a_task_gets_one_ticket_of_its_kind_also_on_a_disabled_account_and_changes_nothing() {
    let mut play = play();
    let disabled = true;
    play.admin(|query| FromControl::SetDisabled {
        query,
        name: text("alice"),
        disabled,
    })
    .unwrap();
    for (kind, minted) in [
        (TaskKind::Work, Kind::Admin),
        (TaskKind::Verify, Kind::Verify),
    ] {
        let (nonce, cookie) = (play.nonce(), Cookie(78));
        let (answer, told) = play.ask_admin(|query| FromControl::Task {
            query,
            name: text("alice"),
            kind,
            nonce,
            cookie,
        });
        assert!(matches!(answer, ToControl::Done { .. }), "{answer:?}");
        let [ToDirector::Grant { asker, ticket, .. }] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!((*asker, ticket.claim.kind), (CONTROL, minted));
        assert_eq!((ticket.claim.nonce, ticket.claim.cookie), (nonce, cookie));
        assert_eq!(ticket.claim.epoch, Epoch(1));
    }
}

#[test]
fn there_is_no_task_on_an_account_that_is_not_there_or_without_a_director() {
    let mut play = play();
    let task = |name| {
        move |query| FromControl::Task {
            query,
            name: text(name),
            kind: TaskKind::Work,
            nonce: Nonce([5; 16]),
            cookie: Cookie(1),
        }
    };
    assert_eq!(play.admin(task("carol")), Err(Refusal::NoSuchAccount));
    play.desk.director_has_gone();
    assert_eq!(play.admin(task("alice")), Err(Refusal::Unavailable));
}
