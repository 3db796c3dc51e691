//! `lmtp`, taken over: it delivers what it likes to whom `auth` gives it a ticket for,
//! and learns who exists. It reads no mail, and nothing that it hands over can be
//! anything but a letter.

use crate::attempts::try_all;
use crate::house::{ALICE, BOB, House, PATIENCE};
use crate::siege::{self, GoesOn, is_cut};
use crate::speech::{self, Heard, ask, cookie, done, hear, hear_within, pair, say, stand_in};
use harness::possession::{Outcome, Possessed};
use harness::set::LMTP;
use ipc::edge::delivery::{Outcome as Kept, ToLmtp as FromWorker, ToWorker};
use ipc::edge::front_service::Transport;
use ipc::edge::handover::{Refusal, ToAsker, ToDirector, Work};
use ipc::edge::lmtp_auth::{Standing, ToAuth, ToLmtp};
use ipc::edge::supervisor::Edge;
use ipc::edge::task;
use ipc::slice::Protocol;
use ipc::{Bytes, Cookie, Message, Nonce};
use nix::libc;
use std::time::Duration;

/// Longer than an honest answer takes, if there is one.
const A_WHILE: Duration = Duration::from_millis(800);

/// A letter that nobody has sent.
const INVENTED: &[u8] = b"From: the-boss@example.org\r\nSubject: invented\r\n\r\nby lmtp\r\n";

/// An lmtp that was taken over, and its ends.
struct Taken {
    house: House,
    pid: u32,
    by: Possessed,
    auth: u32,
    director: u32,
}

impl Taken {
    fn over() -> Option<Self> {
        let house = House::open()?;
        let (pid, by) = house.possess("lmtp");
        let (auth, director) = (
            house.end(pid, Edge::LmtpAuth),
            house.end(pid, Edge::LmtpHandover),
        );
        Some(Self {
            house,
            pid,
            by,
            auth,
            director,
        })
    }

    fn look(&mut self, address: &str) -> Standing {
        let address = Bytes::new(address).expect("short");
        match ask(&mut self.by, self.auth, ToAuth::Look { query: 1, address }) {
            ToLmtp::Found { standing, .. } => standing,
            other => panic!("{other:?}"),
        }
    }

    fn mint(&mut self, nonce: Nonce, cookie: Cookie, address: &str) -> ToLmtp {
        let address = Bytes::new(address).expect("short");
        ask(
            &mut self.by,
            self.auth,
            ToAuth::Deliver {
                nonce,
                cookie,
                address,
            },
        )
    }

    fn hand_over(&mut self, nonce: Nonce, work: Work, socket: u32) {
        let offer = ToDirector::HandOver {
            nonce,
            work,
            socket: stand_in(),
        };
        say(&mut self.by, self.director, offer, &[socket]);
    }

    /// Our end of a pair at whose other end the account's worker waits for a letter.
    fn reach(&mut self, address: &str, number: u8) -> u32 {
        let nonce = Nonce([number; 16]);
        let (near, far) = pair(&mut self.by, libc::SOCK_SEQPACKET);
        let cookie = cookie(&mut self.by, far);
        let minted = self.mint(nonce, cookie, address);
        assert!(matches!(minted, ToLmtp::Minted { .. }), "{minted:?}");
        self.hand_over(nonce, Work::Delivery, far);
        let answer: ToAsker = hear(&mut self.by, self.director).message();
        assert!(matches!(answer, ToAsker::Taken { .. }), "{answer:?}");
        speech::close(&mut self.by, far);
        near
    }

    /// What a worker makes of a letter, and that it says nothing else.
    fn deliver(&mut self, over: u32, letter: u32, length: u64) -> Kept {
        let message = ToWorker::Letter {
            trace: Bytes::new("X-Trace: invented\r\n").expect("short"),
            detail: Bytes::default(),
            length,
            letter: stand_in(),
        };
        say(&mut self.by, over, message, &[letter]);
        let FromWorker::Done { outcome } = hear(&mut self.by, over).message();
        assert!(hear::<FromWorker>(&mut self.by, over).is_end());
        outcome
    }

    /// Memory as a file, with the invented letter in it.
    fn memory(&mut self) -> u32 {
        let name = self.by.place(b"letter\0");
        let flags = libc::MFD_ALLOW_SEALING | libc::MFD_NOEXEC_SEAL;
        let memory = done(self.by.call(libc::SYS_memfd_create, &[name, flags.into()]));
        self.write(memory, INVENTED);
        memory
    }

    fn sealed(&mut self) -> u32 {
        let memory = self.memory();
        let seals = u64::from(ipc::letter::SEALS.bits());
        let add = u64::try_from(libc::F_ADD_SEALS).expect("small");
        done(self.by.call(libc::SYS_fcntl, &[memory.into(), add, seals]));
        memory
    }

    fn open(&mut self, name: &str, flags: i32) -> u32 {
        let path = self.by.place(format!("{name}\0").as_bytes());
        let here = libc::AT_FDCWD as u64;
        done(
            self.by
                .call(libc::SYS_openat, &[here, path, flags as u64, 0o600]),
        )
    }

    fn write(&mut self, to: u32, bytes: &[u8]) {
        let at = self.by.place(bytes);
        let written = self
            .by
            .call(libc::SYS_write, &[to.into(), at, bytes.len() as u64]);
        assert_eq!(written, Outcome::Returned(bytes.len() as u64));
    }

    fn over_and_out(self) {
        self.house.end_of(self.pid, self.by);
        for name in [ALICE, BOB] {
            self.house.delivers(name, PATIENCE);
            self.house.serves(name, PATIENCE);
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length")
}

#[test]
fn a_taken_over_lmtp_gets_nothing_from_the_kernel_but_its_ledgers_calls() {
    let Some(house) = House::open() else { return };
    try_all(&house, "lmtp");
    house.serves(BOB, PATIENCE);
}

/// What it gets.
#[test]
fn a_taken_over_lmtp_delivers_what_it_likes_and_learns_who_exists() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    assert_eq!(taken.look(ALICE), Standing::Deliverable);
    assert_eq!(taken.look("nobody@example.org"), Standing::Unknown);
    let (pair, letter) = (taken.reach(ALICE, 1), taken.sealed());
    assert_eq!(
        taken.deliver(pair, letter, length(INVENTED)),
        Kept::Delivered
    );
    assert_eq!(taken.house.letters(ALICE), 2);
    taken.over_and_out();
}

#[test]
fn nothing_reaches_an_account_without_auths_ticket_for_that_very_pair() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let (near, far) = pair(&mut taken.by, libc::SOCK_SEQPACKET);
    // No ticket: nobody takes it.
    taken.hand_over(Nonce([1; 16]), Work::Delivery, far);
    let director = taken.director;
    let answer = hear_within::<ToAsker>(&mut taken.by, director, A_WHILE);
    assert!(matches!(answer, Heard::Nothing), "{answer:?}");
    // A ticket for one pair brings no other one to a worker.
    let (_, other) = pair(&mut taken.by, libc::SOCK_SEQPACKET);
    let cookie = cookie(&mut taken.by, other);
    for (number, socket) in [(2, far), (3, near)] {
        let nonce = Nonce([number; 16]);
        assert!(matches!(
            taken.mint(nonce, cookie, ALICE),
            ToLmtp::Minted { .. }
        ));
        taken.hand_over(nonce, Work::Delivery, socket);
        let answer: ToAsker = hear(&mut taken.by, director).message();
        let refusal = Refusal::BadTicket;
        assert!(
            matches!(answer, ToAsker::Refused { refusal: why, .. } if why == refusal),
            "{answer:?}"
        );
    }
    // Who may have no mail gets none.
    assert!(
        taken
            .house
            .set
            .mailkeep(&["user", "disable", BOB])
            .status
            .success()
    );
    for (number, address) in [(4, BOB), (5, "nobody@example.org"), (6, "../1@example.org")] {
        let answer = taken.mint(Nonce([number; 16]), cookie, address);
        assert!(
            matches!(answer, ToLmtp::NotMinted { .. }),
            "{address}: {answer:?}"
        );
    }
    assert!(
        taken
            .house
            .set
            .mailkeep(&["user", "enable", BOB])
            .status
            .success()
    );
    assert_eq!(taken.house.letters(ALICE), 1);
    taken.over_and_out();
}

#[test]
fn what_is_no_letter_or_of_another_length_is_not_kept() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let (sealed, unsealed) = (taken.sealed(), taken.memory());
    let file = taken.open("letter", libc::O_RDWR | libc::O_CREAT);
    taken.write(file, INVENTED);
    let root = taken.open("/", libc::O_RDONLY | libc::O_DIRECTORY);
    let true_length = length(INVENTED);
    let lies = [
        (unsealed, true_length),
        (file, true_length),
        (root, 4096),
        (taken.auth, 0),
        (sealed, true_length - 1),
        (sealed, true_length + 1),
        (sealed, 0),
        (sealed, u64::MAX),
        (sealed, 1 << 40),
    ];
    for (number, (letter, length)) in (1..).zip(lies) {
        let pair = taken.reach(ALICE, number);
        let outcome = taken.deliver(pair, letter, length);
        assert_eq!(outcome, Kept::BadLetter, "{letter}, {length}");
    }
    assert_eq!(taken.house.letters(ALICE), 1);
    taken.over_and_out();
}

/// Of a file the kernel doesn't say who else could write to it: whoever made it can keep
/// a way. So the worker reads each byte once, and what it has read is the letter,
/// whole, or there is none.
#[test]
fn a_letter_that_is_changed_while_it_is_read_is_kept_as_read_or_not_at_all() {
    const PIECES: u64 = 64;
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let writer = taken.open("letter", libc::O_RDWR | libc::O_CREAT);
    let reader = taken.open("letter", libc::O_RDONLY);
    let piece = [b'a'; 64 * 1024];
    let at = taken.by.place(&piece);
    for _ in 0..PIECES {
        let written = taken
            .by
            .call(libc::SYS_write, &[writer.into(), at, length(&piece)]);
        assert_eq!(written, Outcome::Returned(length(&piece)));
    }
    let send = |taken: &mut Taken, number| {
        let pair = taken.reach(ALICE, number);
        let message = ToWorker::Letter {
            trace: Bytes::default(),
            detail: Bytes::default(),
            length: PIECES * length(&piece),
            letter: stand_in(),
        };
        say(&mut taken.by, pair, message, &[reader]);
        pair
    };
    let rewritten = send(&mut taken, 1);
    for second in [libc::O_RDWR, libc::O_RDWR | libc::O_TRUNC] {
        let again = taken.open("letter", second);
        taken.write(again, b"changed");
    }
    let cut = send(&mut taken, 2);
    let FromWorker::Done { outcome } = hear(&mut taken.by, rewritten).message();
    assert!(
        matches!(outcome, Kept::Delivered | Kept::BadLetter),
        "{outcome:?}"
    );
    let FromWorker::Done { outcome } = hear(&mut taken.by, cut).message();
    assert_eq!(outcome, Kept::BadLetter);
    let checked = taken.house.set.mailkeep(&["verify", ALICE]);
    assert!(checked.status.success(), "{}", harness::set::text(&checked));
    taken.over_and_out();
}

/// The pair to a worker carries one word back. Whatever is said on it, no mail comes.
#[test]
fn no_mail_is_read_over_a_delivery() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let questions = [
        task::ToWorker::Count.into_datagram().0,
        task::ToWorker::Empty.into_datagram().0,
        b"a FETCH 1 BODY[]\r\n".to_vec(),
        vec![1],
    ];
    for (number, question) in (1..).zip(questions) {
        let pair = taken.reach(ALICE, number);
        let sent = taken.by.send(pair, &question, &[]);
        assert!(matches!(sent, Outcome::Returned(_)), "{sent:?}");
        assert!(
            hear::<FromWorker>(&mut taken.by, pair).is_end(),
            "{question:?}"
        );
    }
    // Two letters on one pair: the second is not even read.
    let (pair, letter) = (taken.reach(ALICE, 9), taken.sealed());
    assert_eq!(
        taken.deliver(pair, letter, length(INVENTED)),
        Kept::Delivered
    );
    assert!(!matches!(
        taken.by.send(pair, &[1], &[letter]),
        Outcome::Returned(_)
    ));
    assert_eq!(taken.house.letters(ALICE), 2);
    taken.over_and_out();
}

#[test]
fn who_delivers_brings_no_session_and_no_task() {
    let session = || Work::Session {
        protocol: Protocol::Imap,
        transport: Transport::Tls { version: 0x0304 },
        tag: Bytes::new("a").expect("short"),
        utf8: false,
        mechanisms: Bytes::default(),
        leftover: Bytes::default(),
    };
    for work in [session(), Work::Task, Work::Verify] {
        let Some(mut taken) = Taken::over() else {
            return;
        };
        let (_, far) = pair(&mut taken.by, libc::SOCK_SEQPACKET);
        taken.hand_over(Nonce([1; 16]), work, far);
        assert!(is_cut(&taken.house, &mut taken.by, taken.director));
        taken.over_and_out();
    }
}

#[test]
fn no_lie_of_a_taken_over_lmtp_about_form_costs_anybody_but_itself() {
    siege::tell_every_lie("lmtp");
}

#[test]
fn while_lmtp_stands_still_users_are_served_and_afterwards_letters_are() {
    let come = |house: &House| siege::knock(house, LMTP);
    siege::stand_still("lmtp", come, &[GoesOn::Sessions, GoesOn::Logins]);
}
