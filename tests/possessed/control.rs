//! `control`, taken over: it does what an administrator may ask for, to anybody's
//! account. It gets no session, and no letter by way of a task.

use crate::attempts::try_all;
use crate::house::{ALICE, ALICE_ID, BOB, House, PATIENCE};
use crate::siege::{self, GoesOn, is_cut};
use crate::speech::{self, Heard, ask, cookie, hear, hear_within, pair, say, stand_in};
use harness::possession::{Outcome, Possessed};
use ipc::edge::control_auth::{Credential, Refusal, TaskKind, ToAuth, ToControl};
use ipc::edge::front_service::Transport;
use ipc::edge::handover::{self, ToAsker, ToDirector, Work};
use ipc::edge::supervisor::Edge;
use ipc::edge::{control_supervisor, delivery, task, verify};
use ipc::slice::Protocol;
use ipc::{Bytes, Message, Nonce, Secret};
use nix::libc;
use std::time::Duration;

/// Longer than an honest answer takes, if there is one.
const A_WHILE: Duration = Duration::from_millis(800);

type Address = Bytes<{ ipc::edge::lmtp_auth::ADDRESS_BYTES_MAX }>;

/// A control that was taken over, and its ends.
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
        let (pid, by) = house.possess("control");
        let (auth, director) = (
            house.end(pid, Edge::ControlAuth),
            house.end(pid, Edge::ControlHandover),
        );
        Some(Self {
            house,
            pid,
            by,
            auth,
            director,
        })
    }

    fn ask_auth(&mut self, question: ToAuth) -> ToControl {
        ask(&mut self.by, self.auth, question)
    }

    /// A pair of its own, for the cookie of whose far end `auth` mints a ticket.
    fn minted(&mut self, number: u8, kind: TaskKind) -> (Nonce, u32, u32) {
        let (near, far) = pair(&mut self.by, libc::SOCK_SEQPACKET);
        let nonce = Nonce([number; 16]);
        let cookie = cookie(&mut self.by, far);
        let answer = self.ask_auth(ToAuth::Task {
            query: number.into(),
            name: address(ALICE),
            kind,
            nonce,
            cookie,
        });
        assert!(
            matches!(
                answer,
                ToControl::Done {
                    account: ALICE_ID,
                    ..
                }
            ),
            "{answer:?}"
        );
        (nonce, near, far)
    }

    fn hand_over(&mut self, nonce: Nonce, work: Work, socket: u32) {
        let offer = ToDirector::HandOver {
            nonce,
            work,
            socket: stand_in(),
        };
        say(&mut self.by, self.director, offer, &[socket]);
    }

    fn answer(&mut self) -> ToAsker {
        hear(&mut self.by, self.director).message()
    }

    /// Our end of a pair at whose other end alice's worker waits for a task.
    fn reach(&mut self, number: u8) -> u32 {
        let (nonce, near, far) = self.minted(number, TaskKind::Work);
        self.hand_over(nonce, Work::Task, far);
        let answer = self.answer();
        assert!(matches!(answer, ToAsker::Taken { .. }), "{answer:?}");
        speech::close(&mut self.by, far);
        near
    }

    fn over_and_out(self) {
        self.house.end_of(self.pid, self.by);
        self.house.serves(BOB, PATIENCE);
        assert!(self.house.set.mailkeep(&["user", "list"]).status.success());
    }
}

fn address(name: &str) -> Address {
    Bytes::new(name).expect("short")
}

#[test]
fn a_taken_over_control_gets_nothing_from_the_kernel_but_its_ledgers_calls() {
    let Some(house) = House::open() else { return };
    try_all(&house, "control");
    house.serves(BOB, PATIENCE);
}

/// What it gets: what an administrator may do; so also an account, by a new password.
#[test]
fn a_taken_over_control_can_give_an_account_a_password_of_its_own_which_ends_the_owners_session() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let mut owner = taken.house.set.login(ALICE);
    let answer = taken.ask_auth(ToAuth::SetCredential {
        query: 1,
        name: address(ALICE),
        credential: Credential::Password {
            password: Secret::new(b"known to control".to_vec()).expect("short"),
        },
    });
    assert!(matches!(answer, ToControl::Done { .. }), "{answer:?}");
    let _its_last_words = owner.read_to_end();
    let mut thief = taken.house.set.imaps();
    thief.ok(&format!("a LOGIN {ALICE} \"known to control\""));
    taken.over_and_out();
}

#[test]
fn no_task_reaches_a_worker_without_auths_ticket_for_that_very_pair_and_kind() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let (near, far) = pair(&mut taken.by, libc::SOCK_SEQPACKET);
    taken.hand_over(Nonce([1; 16]), Work::Task, far);
    let director = taken.director;
    let answer = hear_within::<ToAsker>(&mut taken.by, director, A_WHILE);
    assert!(matches!(answer, Heard::Nothing), "{answer:?}");
    let (other_pair, _, _) = taken.minted(2, TaskKind::Work);
    taken.hand_over(other_pair, Work::Task, near);
    taken.is_refused();
    for (number, kind, work) in [
        (3, TaskKind::Verify, Work::Task),
        (4, TaskKind::Work, Work::Verify),
    ] {
        let (nonce, _, far) = taken.minted(number, kind);
        taken.hand_over(nonce, work, far);
        taken.is_refused();
    }
    taken.over_and_out();
}

impl Taken {
    fn is_refused(&mut self) {
        let answer = self.answer();
        let why = handover::Refusal::BadTicket;
        assert!(
            matches!(answer, ToAsker::Refused { refusal, .. } if refusal == why),
            "{answer:?}"
        );
    }
}

#[test]
fn a_taken_over_control_gets_no_session_and_delivers_nothing() {
    let session = Work::Session {
        protocol: Protocol::Imap,
        transport: Transport::Tls { version: 0x0304 },
        tag: Bytes::new("a").expect("short"),
        utf8: false,
        mechanisms: Bytes::default(),
        leftover: Bytes::default(),
    };
    for work in [session, Work::Delivery] {
        let Some(mut taken) = Taken::over() else {
            return;
        };
        let (nonce, _, far) = taken.minted(1, TaskKind::Work);
        taken.hand_over(nonce, work, far);
        assert!(is_cut(&taken.house, &mut taken.by, taken.director));
        taken.over_and_out();
    }
}

/// A task is answered with numbers. Whatever else is said on its pair ends it.
#[test]
fn no_letter_comes_by_way_of_a_task() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let counting = taken.reach(1);
    let counted: task::ToControl = ask(&mut taken.by, counting, task::ToWorker::Count);
    assert!(
        matches!(counted, task::ToControl::Counted { messages: 1, .. }),
        "{counted:?}"
    );
    let letter = delivery::ToWorker::Letter {
        trace: Bytes::default(),
        detail: Bytes::default(),
        length: 0,
        letter: stand_in(),
    };
    let lies = [
        letter.into_datagram().0,
        b"a FETCH 1 BODY[]\r\n".to_vec(),
        vec![7],
        vec![1, 1],
    ];
    for (number, lie) in (2..).zip(lies) {
        let pair = taken.reach(number);
        let sent = taken.by.send(pair, &lie, &[]);
        assert!(matches!(sent, Outcome::Returned(_)), "{sent:?}");
        assert!(
            hear::<task::ToControl>(&mut taken.by, pair).is_end(),
            "{lie:?}"
        );
    }
    // What a verifier says has no room for a byte of mail.
    const { assert!(<verify::ToControl as Message>::BYTES_MAX <= 128) };
    taken.over_and_out();
}

#[test]
fn auth_forgets_no_account_that_was_not_shut_and_emptied_first() {
    let Some(mut taken) = Taken::over() else {
        return;
    };
    let answer = taken.ask_auth(ToAuth::Emptied {
        query: 1,
        account: ALICE_ID,
    });
    let why = Refusal::NoSuchAccount;
    assert!(
        matches!(answer, ToControl::Refused { refusal, .. } if refusal == why),
        "{answer:?}"
    );
    taken.over_and_out();
}

/// Of the supervisor it gets a list, and what a reload of the same file does.
#[test]
fn a_taken_over_control_has_of_the_supervisor_what_an_administrator_has() {
    let Some(house) = House::open() else { return };
    let (pid, mut by) = house.possess("control");
    let supervisor = house.end(pid, Edge::ControlSupervisor);
    let question = control_supervisor::ToSupervisor::Status;
    let status: control_supervisor::ToControl = ask(&mut by, supervisor, question);
    assert!(
        matches!(status, control_supervisor::ToControl::Status { .. }),
        "{status:?}"
    );
    house.end_of(pid, by);
    house.serves(BOB, PATIENCE);
}

#[test]
fn no_lie_of_a_taken_over_control_about_form_costs_anybody_but_itself() {
    siege::tell_every_lie("control");
}

#[test]
fn while_control_stands_still_everybody_is_served() {
    let come = |house: &House| drop(house.command(&["status"]));
    siege::stand_still(
        "control",
        come,
        &[GoesOn::Sessions, GoesOn::Logins, GoesOn::Letters],
    );
}
