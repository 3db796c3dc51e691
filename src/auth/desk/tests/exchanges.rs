//! SCRAM and EXTERNAL, with a client of the test's own at the other end of `login`.

use super::*;
use crate::scram::tests::Client;

const TLS: Transport = Transport::Tls { version: 0x0304 };
const EXPORTED: [u8; 32] = [3; 32];

fn said<const N: usize>(message: &[u8]) -> Secret<N> {
    Secret::new(message.to_vec()).unwrap()
}

impl Play {
    fn ask(&mut self, cookie: Cookie, mechanism: Mechanism, message: &[u8]) -> Nonce {
        let nonce = self.nonce();
        let begin = FromLogin::Begin {
            nonce,
            front: FRONT,
            cookie,
            protocol: Protocol::Imap,
            mechanism,
            response: said(message),
        };
        self.desk.login(self.now, LOGIN, begin).unwrap();
        nonce
    }

    fn go_on(&mut self, nonce: Nonce, message: &[u8]) -> Result<(), Misdeed> {
        let response = said(message);
        let message = FromLogin::Continue { nonce, response };
        self.desk.login(self.now, LOGIN, message)
    }

    /// The challenge, or why there is none; waits if it must.
    fn challenge(&mut self, nonce: Nonce) -> Result<Vec<u8>, Rejection> {
        match self.answers().as_slice() {
            [
                Act::Login(
                    _,
                    ToLogin::Challenge {
                        nonce: of,
                        challenge,
                    },
                ),
            ] if *of == nonce => Ok(challenge.as_slice().to_vec()),
            [
                Act::Login(
                    _,
                    ToLogin::Rejected {
                        nonce: of,
                        rejection,
                    },
                ),
            ] if *of == nonce => Err(*rejection),
            acts => panic!("{acts:?}"),
        }
    }

    fn answers(&mut self) -> Vec<Act> {
        let acts = self.acts();
        if !acts.is_empty() {
            return acts;
        }
        self.now = self.desk.next_due().expect("neither answered nor delayed");
        self.desk.pass(self.now);
        self.acts()
    }

    /// Whose ticket is given, or why none is.
    fn verdict(&mut self, nonce: Nonce) -> Result<u32, Rejection> {
        match self.answers().as_slice() {
            [
                Act::Director(ToDirector::Grant {
                    nonce: granted,
                    ticket,
                    ..
                }),
                Act::Login(_, ToLogin::Verified { nonce: verified }),
            ] => {
                assert_eq!((*granted, *verified), (nonce, nonce));
                Ok(ticket.claim.account.0)
            }
            [
                Act::Login(
                    _,
                    ToLogin::Rejected {
                        nonce: of,
                        rejection,
                    },
                ),
            ] => {
                assert_eq!(*of, nonce);
                Err(*rejection)
            }
            acts => panic!("{acts:?}"),
        }
    }

    /// The whole of an exchange over a connection that exports something.
    fn scram(&mut self, place: u8, client: &Client) -> Result<u32, Rejection> {
        let cookie = self.opened_with(TLS, place, Some(EXPORTED), None);
        let mechanism = match client.exporter {
            Some(_) => Mechanism::ScramSha256Plus,
            None => Mechanism::ScramSha256,
        };
        let nonce = self.ask(cookie, mechanism, &client.first());
        let challenge = self.challenge(nonce)?;
        let (last, signature) = client.last(&challenge).unwrap();
        self.go_on(nonce, &last).unwrap();
        assert_eq!(self.challenge(nonce)?, signature);
        self.go_on(nonce, b"").unwrap();
        self.verdict(nonce)
    }

    /// What a client is told before it has proved anything: salt and count.
    fn salt(&mut self, user: &str, authzid: &'static str) -> String {
        let cookie = self.opened(TLS, HOME);
        let client = Client {
            authzid,
            ..Client::unbound(user, "")
        };
        let nonce = self.ask(cookie, Mechanism::ScramSha256, &client.first());
        let challenge = String::from_utf8(self.challenge(nonce).unwrap()).unwrap();
        challenge.split_once(',').unwrap().1.to_owned()
    }

    fn external(&mut self, shown: Option<&str>, authzid: &str) -> Result<u32, Rejection> {
        let cookie = self.opened_with(TLS, HOME, None, shown);
        let nonce = self.ask(cookie, Mechanism::External, authzid.as_bytes());
        self.verdict(nonce)
    }
}

#[test]
fn whoever_knows_the_password_gets_in_bound_or_not() {
    let mut play = play();
    assert_eq!(play.scram(HOME, &Client::unbound("alice", "alice")), Ok(1));
    assert_eq!(
        play.scram(HOME, &Client::bound("Bob@Example.org", "bob", EXPORTED)),
        Ok(2)
    );
    let as_herself = Client {
        authzid: "ALICE@example.org",
        ..Client::unbound("alice+x", "alice")
    };
    assert_eq!(play.scram(HOME, &as_herself), Ok(1));
    let as_bob = Client {
        authzid: "bob",
        ..Client::unbound("alice", "alice")
    };
    for bad in [
        as_bob,
        Client::unbound("alice", "bob"),
        Client::unbound("postmaster", "alice"),
        Client::unbound("nobody", "alice"),
    ] {
        assert_eq!(
            play.scram(AWAY, &bad),
            Err(Rejection::Credentials),
            "{bad:?}"
        );
    }
}

/// ATTACKS P18.
#[test]
fn a_stripped_or_moved_binding_is_told_and_then_refused() {
    let mut play = play();
    let misled = Client {
        flag: "y",
        ..Client::unbound("alice", "alice")
    };
    let cookie = play.opened_with(TLS, HOME, Some(EXPORTED), None);
    let nonce = play.ask(cookie, Mechanism::ScramSha256, &misled.first());
    let told = play.challenge(nonce).unwrap();
    assert_eq!(told, b"e=server-does-support-channel-binding");
    play.go_on(nonce, b"").unwrap();
    assert_eq!(play.verdict(nonce), Err(Rejection::Credentials));

    let moved = Client::bound("alice", "alice", [4; 32]);
    let nonce = play.ask(cookie, Mechanism::ScramSha256Plus, &moved.first());
    let challenge = play.challenge(nonce).unwrap();
    play.go_on(nonce, &moved.last(&challenge).unwrap().0)
        .unwrap();
    assert_eq!(
        play.challenge(nonce).unwrap(),
        b"e=channel-bindings-dont-match"
    );
    play.go_on(nonce, b"").unwrap();
    assert_eq!(play.verdict(nonce), Err(Rejection::Credentials));
}

/// ATTACKS P5: nor does it change with a restart, or with how the name is written.
#[test]
fn a_name_that_nobody_has_has_a_salt_of_its_own_for_ever() {
    let mut play = play();
    let known = play.salt("alice", "");
    let unknown = play.salt("nobody", "");
    assert!(known.ends_with(",i=65536") && unknown.ends_with(",i=65536"));
    assert!(known.len() == unknown.len() && known != unknown);
    for (name, salt) in [("alice", &known), ("nobody", &unknown)] {
        let written = [
            format!("{name}@example.org"),
            name.to_uppercase(),
            format!("{name}+x"),
        ];
        for form in written {
            assert_eq!(play.salt(&form, ""), *salt, "{form}");
        }
        assert_eq!(play.salt(name, "bob"), *salt, "{name} as another");
    }
    let mut later = at(&play.disk.restart_process());
    assert_eq!(
        (later.salt("alice", ""), later.salt("nobody", "")),
        (known, unknown)
    );
}

/// ATTACKS P5.
#[test]
fn whether_anybody_has_the_name_makes_no_difference_to_what_a_guesser_sees() {
    let (mut known, mut unknown) = (play(), play());
    for _ in 0..8 {
        let answers = [
            known.scram(HOME, &Client::unbound("alice", "wrong")),
            unknown.scram(HOME, &Client::unbound("nobody", "wrong")),
        ];
        assert_eq!(answers, [Err(Rejection::Credentials); 2]);
        assert_eq!(known.now, unknown.now, "delayed differently");
    }
}

#[test]
fn a_wrong_proof_counts_as_a_wrong_password_does() {
    let mut play = play();
    for _ in 0..9 {
        let wrong = play.scram(HOME, &Client::unbound("alice", "wrong"));
        assert_eq!(wrong, Err(Rejection::Credentials));
    }
    let before = play.now;
    assert!(play.log_in(HOME, "|bob|wrong").is_err());
    assert!(play.now > before, "PLAIN is not slowed down");
    let before = play.now;
    assert_eq!(play.scram(HOME, &Client::unbound("alice", "alice")), Ok(1));
    assert_eq!(play.now, before, "a right password was delayed");
}

/// A penalised source has four answers under way at once, however it asks.
#[test]
fn guesses_under_way_are_bounded_for_a_source_that_guesses() {
    let mut play = play();
    for _ in 0..6 {
        assert!(
            play.scram(HOME, &Client::unbound("alice", "wrong"))
                .is_err()
        );
    }
    let client = Client::unbound("alice", "wrong");
    let asked: Vec<Nonce> = (0..5)
        .map(|_| {
            let cookie = play.opened(TLS, HOME);
            let nonce = play.ask(cookie, Mechanism::ScramSha256, &client.first());
            let challenge = play.challenge(nonce).unwrap();
            play.go_on(nonce, &client.last(&challenge).unwrap().0)
                .unwrap();
            nonce
        })
        .collect();
    let acts = play.acts();
    let [Act::Login(_, ToLogin::Rejected { nonce, rejection })] = acts.as_slice() else {
        panic!("{acts:?}")
    };
    assert_eq!((*nonce, *rejection), (asked[4], Rejection::Unavailable));
}

#[test]
fn an_imported_hash_has_no_keys_until_its_password_is_at_hand() {
    let mut play = play();
    let scheme = cost_of("carol");
    let credential = Credential::Hashed { verifier: scheme };
    let name = text("carol");
    let added = play.admin(|query| FromControl::Add {
        query,
        name,
        credential,
    });
    assert_eq!(added, Ok(3));
    let carol = Client::unbound("carol", "carol");
    let made_up = play.salt("carol", "");
    assert_eq!(play.scram(HOME, &carol), Err(Rejection::Credentials));
    assert!(play.log_in(HOME, "|carol|carol").is_ok());
    assert_ne!(play.salt("carol", ""), made_up);
    assert_eq!(play.scram(HOME, &carol), Ok(3));
    // A hash that is set later is of another password, for all that we know.
    let (name, credential) = (
        text("carol"),
        Credential::Hashed {
            verifier: cost_of("x"),
        },
    );
    let set = play.admin(|query| FromControl::SetCredential {
        query,
        name,
        credential,
    });
    assert_eq!(set, Ok(3));
    assert_eq!(play.scram(HOME, &carol), Err(Rejection::Credentials));
}

fn cost_of(password: &str) -> Verifier {
    let kept = crate::verifier::tests::cost().keep(password.as_bytes());
    kept.unwrap().verifier
}

#[test]
fn a_new_password_has_new_keys_and_a_disabled_account_none_that_open() {
    let mut play = play();
    let old = play.salt("alice", "");
    let (name, password) = (text("alice"), said(b"new"));
    let credential = Credential::Password { password };
    assert!(
        play.admin(|query| FromControl::SetCredential {
            query,
            name,
            credential
        })
        .is_ok()
    );
    assert_ne!(play.salt("alice", ""), old);
    assert!(
        play.scram(HOME, &Client::unbound("alice", "alice"))
            .is_err()
    );
    let client = Client::unbound("alice", "new");
    assert_eq!(play.scram(HOME, &client), Ok(1));
    let (name, disabled) = (text("alice"), true);
    assert!(
        play.admin(|query| FromControl::SetDisabled {
            query,
            name,
            disabled
        })
        .is_ok()
    );
    assert_eq!(play.scram(HOME, &client), Err(Rejection::Credentials));
}

#[test]
fn whoever_is_disabled_between_proof_and_ticket_gets_none() {
    let mut play = play();
    let client = Client::unbound("alice", "alice");
    let cookie = play.opened(TLS, HOME);
    let nonce = play.ask(cookie, Mechanism::ScramSha256, &client.first());
    let challenge = play.challenge(nonce).unwrap();
    play.go_on(nonce, &client.last(&challenge).unwrap().0)
        .unwrap();
    play.challenge(nonce).unwrap();
    let name = text("alice");
    assert!(
        play.admin(|query| FromControl::Kick { query, name })
            .is_ok()
    );
    play.go_on(nonce, b"").unwrap();
    assert_eq!(play.verdict(nonce), Err(Rejection::Credentials));
}

#[test]
fn only_who_was_challenged_goes_on_or_gives_up_and_only_once() {
    let mut play = play();
    let client = Client::unbound("alice", "alice");
    let cookie = play.opened(TLS, HOME);
    let nonce = play.ask(cookie, Mechanism::ScramSha256, &client.first());
    play.challenge(nonce).unwrap();
    let abort = |play: &mut Play, who, nonce| {
        let now = play.now;
        play.desk.login(now, who, FromLogin::Abort { nonce })
    };
    assert_eq!(
        abort(&mut play, Instance(70), nonce),
        Err(Misdeed::NoChallenge)
    );
    assert_eq!(abort(&mut play, LOGIN, nonce), Ok(()));
    assert_eq!(abort(&mut play, LOGIN, nonce), Err(Misdeed::NoChallenge));
    assert_eq!(play.go_on(nonce, b""), Err(Misdeed::NoChallenge));
    // While we have the word, nobody else has.
    let nonce = play.begin(cookie, "|alice|alice");
    assert_eq!(play.go_on(nonce, b""), Err(Misdeed::NoChallenge));
    assert_eq!(abort(&mut play, LOGIN, nonce), Err(Misdeed::NoChallenge));
}

#[test]
fn without_scram_no_name_has_any() {
    let mut play = play();
    let slice = ipc::slice::Auth {
        scram: false,
        ..slice(&["example.org"])
    };
    play.desk.apply(Rules::new(&slice).unwrap());
    let client = Client::unbound("alice", "alice");
    assert_eq!(play.scram(HOME, &client), Err(Rejection::Credentials));
}

#[test]
fn a_certificate_is_its_accounts_and_nobody_elses() {
    let mut play = play();
    assert_eq!(play.external(Some("Alice@example.org"), ""), Ok(1));
    assert_eq!(play.external(Some("bob"), "bob@example.org"), Ok(2));
    for (shown, authzid) in [
        (Some("alice"), "bob"),
        (Some("nobody"), ""),
        (Some("postmaster"), ""),
        (None, "alice"),
        (None, ""),
    ] {
        assert_eq!(play.external(shown, authzid), Err(Rejection::Credentials));
    }
}

/// A `front` that was taken over names whom it likes; where nobody asks for
/// certificates, it isn't heard.
#[test]
fn where_no_listener_asks_for_certificates_none_is_believed() {
    let mut play = play();
    let slice = ipc::slice::Auth {
        external: false,
        ..slice(&["example.org"])
    };
    play.desk.apply(Rules::new(&slice).unwrap());
    assert_eq!(
        play.external(Some("alice"), ""),
        Err(Rejection::Credentials)
    );
}
