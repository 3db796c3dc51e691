//! The house over real channels and real threads, with all its peers played.

use super::*;
use crate::desk::Keys;
use crate::ledger::tests::open;
use crate::names::tests::slice;
use ipc::channel::{Channel, Received};
use ipc::edge::auth_director::{ToAuth as FromDirector, ToDirector};
use ipc::edge::control_auth::{Credential, ToAuth as FromControl, ToControl};
use ipc::edge::front_auth::{Facts, ToFront};
use ipc::edge::front_service::Transport;
use ipc::edge::login_auth::{Mechanism, Rejection, ToAuth as FromLogin, ToLogin};
use ipc::slice::Protocol;
use ipc::ticket::{KEY_BYTES, MasterKey};
use ipc::{Cookie, Nonce, Secret};
use journal::sim::SimDisk;

struct Around {
    house: House<SimDisk>,
    supervisor: Channel<ToProcess, ToSupervisor>,
    front: Channel<Facts, ToFront>,
    login: Channel<FromLogin, ToLogin>,
    control: Channel<FromControl, ToControl>,
    director: Channel<FromDirector, ToDirector>,
}

fn connected<Tx: Message, Rx: Message>(
    house: &mut House<SimDisk>,
    edge: Edge,
    who: u32,
) -> Channel<Tx, Rx> {
    let (ours, theirs) = ipc::channel::pair().unwrap();
    house.connect(edge, Instance(who), ours);
    Channel::adopt(theirs).unwrap()
}

/// All peers are there, and alice, whose password is her name.
fn around() -> Around {
    let rules = Rules::new(&slice(&["example.org"])).unwrap();
    let master = MasterKey::new(Secret::from_array([5; KEY_BYTES])).unwrap();
    let keys = Keys {
        master,
        remembered: [1; 32],
        penalties: [2; 32],
        decoys: [3; 32],
    };
    let desk = Desk::new(rules, open(&SimDisk::new(1)), 1000, keys);
    let (ours, theirs) = ipc::channel::pair().unwrap();
    let mut house = House::new(desk, Pool::start().unwrap(), ours).unwrap();
    let mut around = Around {
        supervisor: Channel::adopt(theirs).unwrap(),
        front: connected(&mut house, Edge::FrontAuth, 1),
        login: connected(&mut house, Edge::LoginAuth, 2),
        control: connected(&mut house, Edge::ControlAuth, 3),
        director: connected(&mut house, Edge::AuthDirector, 4),
        house,
    };
    let credential = Credential::Password {
        password: Secret::new(b"alice".to_vec()).unwrap(),
    };
    let name = Bytes::new("alice").unwrap();
    around
        .control
        .send(FromControl::Add {
            query: 1,
            name,
            credential,
        })
        .unwrap();
    let added = hear(&mut around.house, &mut around.control);
    assert!(matches!(added, Some(ToControl::Done { query: 1, .. })));
    around
}

/// Turns the house until it says something here, or closes the channel.
fn hear<Tx: Message, Rx: Message>(
    house: &mut House<SimDisk>,
    channel: &mut Channel<Tx, Rx>,
) -> Option<Rx> {
    loop {
        match channel.receive() {
            Ok(Received::Message(message)) => return Some(message),
            Ok(Received::Nothing) => house.turn().unwrap(),
            Ok(Received::Closed) | Err(_) => return None,
        }
    }
}

fn opened(cookie: u64) -> Facts {
    Facts::Opened {
        cookie: Cookie(cookie),
        protocol: Protocol::Imap,
        transport: Transport::Tls { version: 0x0304 },
        address: [1; 16],
        port: 1,
        exporter: None,
        client_name: None,
    }
}

fn begin(nonce: u8, cookie: u64, password: &str) -> FromLogin {
    FromLogin::Begin {
        nonce: Nonce([nonce; 16]),
        front: Instance(1),
        cookie: Cookie(cookie),
        protocol: Protocol::Imap,
        mechanism: Mechanism::Plain,
        response: Secret::new(format!("\0alice\0{password}").into_bytes()).unwrap(),
    }
}

#[test]
fn what_front_said_before_the_question_is_known_however_much_it_was() {
    let mut around = around();
    for cookie in 0..100 {
        around.front.send(opened(cookie)).unwrap();
    }
    around.login.send(begin(1, 99, "alice")).unwrap();
    let answer = hear(&mut around.house, &mut around.login);
    assert!(
        matches!(answer, Some(ToLogin::Verified { .. })),
        "{answer:?}"
    );
    // The ticket was there first.
    let told = around.director.receive();
    assert!(matches!(
        told,
        Ok(Received::Message(ToDirector::Grant {
            asker: Instance(2),
            ..
        }))
    ));
}

#[test]
fn a_login_that_breaks_the_rules_loses_its_channel_and_others_do_not() {
    let mut around = around();
    let mut other: Channel<FromLogin, ToLogin> = connected(&mut around.house, Edge::LoginAuth, 9);
    around
        .login
        .send(FromLogin::Abort {
            nonce: Nonce([1; 16]),
        })
        .unwrap();
    assert!(hear(&mut around.house, &mut around.login).is_none());
    around.front.send(opened(7)).unwrap();
    other.send(begin(1, 7, "wrong")).unwrap();
    let answer = hear(&mut around.house, &mut other);
    assert!(matches!(
        answer,
        Some(ToLogin::Rejected {
            rejection: Rejection::Credentials,
            ..
        })
    ));
}

#[test]
fn facts_go_with_the_front_that_told_them() {
    let mut around = around();
    around.front.send(opened(7)).unwrap();
    drop(around.front);
    around.house.turn().unwrap();
    around.login.send(begin(1, 7, "alice")).unwrap();
    let answer = hear(&mut around.house, &mut around.login);
    assert!(matches!(
        answer,
        Some(ToLogin::Rejected {
            rejection: Rejection::Unavailable,
            ..
        })
    ));
}

#[test]
fn without_director_logins_are_unavailable_until_there_is_a_new_one() {
    let mut around = around();
    around.front.send(opened(7)).unwrap();
    drop(around.director);
    around.house.turn().unwrap();
    around.login.send(begin(1, 7, "alice")).unwrap();
    let answer = hear(&mut around.house, &mut around.login);
    assert!(matches!(
        answer,
        Some(ToLogin::Rejected {
            rejection: Rejection::Unavailable,
            ..
        })
    ));
    let mut director: Channel<FromDirector, ToDirector> =
        connected(&mut around.house, Edge::AuthDirector, 12);
    around.login.send(begin(2, 7, "alice")).unwrap();
    assert!(matches!(
        hear(&mut around.house, &mut around.login),
        Some(ToLogin::Verified { .. })
    ));
    assert!(matches!(
        director.receive(),
        Ok(Received::Message(ToDirector::Grant { .. }))
    ));
}

#[test]
fn a_second_channel_of_one_life_replaces_the_first() {
    let mut around = around();
    around.front.send(opened(7)).unwrap();
    around.house.turn().unwrap();
    let mut second: Channel<FromLogin, ToLogin> = connected(&mut around.house, Edge::LoginAuth, 2);
    assert!(hear(&mut around.house, &mut around.login).is_none());
    second.send(begin(1, 7, "alice")).unwrap();
    assert!(matches!(
        hear(&mut around.house, &mut second),
        Some(ToLogin::Verified { .. })
    ));
}

#[test]
fn a_bad_slice_is_refused_and_a_good_one_prepared() {
    let mut around = around();
    for (domains, good) in [(&[][..], false), (&["example.net"], true)] {
        let slice = Slice::Auth {
            slice: slice(domains),
        };
        around
            .supervisor
            .send(ToProcess::Prepare { slice })
            .unwrap();
        let answer = hear(&mut around.house, &mut around.supervisor);
        assert_eq!(matches!(answer, Some(ToSupervisor::Prepared)), good);
        assert_eq!(matches!(answer, Some(ToSupervisor::Refused { .. })), !good);
    }
    around.supervisor.send(ToProcess::Commit).unwrap();
    around.house.turn().unwrap();
    around.front.send(opened(7)).unwrap();
    around.login.send(begin(1, 7, "alice")).unwrap();
    let answer = hear(&mut around.house, &mut around.login);
    assert!(
        matches!(answer, Some(ToLogin::Rejected { .. })),
        "alice@example.org is not named by `alice` any more"
    );
}

#[test]
fn the_house_ends_when_it_is_told_or_alone() {
    let mut told = around();
    told.supervisor.send(ToProcess::Stop).unwrap();
    assert_eq!(told.house.serve(), End::Told);
    let mut alone = around();
    drop(alone.supervisor);
    assert_eq!(alone.house.serve(), End::Told);
}
