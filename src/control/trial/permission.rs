//! Who may ask for what: every request there is, from an admin, from somebody who is
//! none, and from one who isn't any more.

use super::*;
use ipc::codec::Message;
use ipc::edge::control_auth::{Credential, ToAuth};
use ipc::edge::control_supervisor::{ToControl, ToSupervisor};
use ipc::edge::task::{Limit, QuotaChange};

/// Whom `control` turns to first with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Auth,
    Supervisor,
}

/// Requests without a wildcard: who adds one says here whose matter it is.
macro_rules! requests {
    ($($pattern:pat => $word:literal, $first:ident, $example:expr;)+) => {
        fn word(request: &Request) -> &'static str {
            match request {
                $($pattern => $word,)+
            }
        }

        /// One of each.
        fn every_request() -> Vec<(First, Request)> {
            let requests = vec![$((First::$first, $example)),+];
            let words = requests.iter().map(|(_, request)| word(request));
            assert_eq!(words.collect::<Vec<_>>(), [$($word),+]);
            requests
        }
    };
}

const CHANGE: QuotaChange = QuotaChange {
    bytes: Limit::AsItIs,
    messages: Limit::AsItIs,
    mailboxes: Limit::AsItIs,
};

fn password() -> Credential {
    Credential::Password {
        password: ipc::Secret::from_array([b'x'; 1024]),
    }
}

requests! {
    Request::UserAdd { name: _, credential: _ } => "UserAdd", Auth,
        Request::UserAdd { name: text("a"), credential: password() };
    Request::UserPassword { name: _, credential: _ } => "UserPassword", Auth,
        Request::UserPassword { name: text("a"), credential: password() };
    Request::UserDelete { name: _ } => "UserDelete", Auth, Request::UserDelete { name: text("a") };
    Request::UserList => "UserList", Auth, Request::UserList;
    Request::AliasAdd { name: _, alias: _ } => "AliasAdd", Auth,
        Request::AliasAdd { name: text("a"), alias: text("b") };
    Request::AliasRemove { alias: _ } => "AliasRemove", Auth,
        Request::AliasRemove { alias: text("b") };
    Request::UserDisable { name: _, disabled: _ } => "UserDisable", Auth,
        Request::UserDisable { name: text("a"), disabled: true };
    Request::Kick { name: _ } => "Kick", Auth, Request::Kick { name: text("a") };
    Request::Status => "Status", Supervisor, Request::Status;
    Request::Reload => "Reload", Supervisor, Request::Reload;
    Request::Verify { name: _ } => "Verify", Auth, Request::Verify { name: text("a") };
    Request::Quota { name: _ } => "Quota", Auth, Request::Quota { name: text("a") };
    Request::SetQuota { name: _, change: _ } => "SetQuota", Auth,
        Request::SetQuota { name: text("a"), change: CHANGE };
    Request::Rewound { name: _ } => "Rewound", Auth, Request::Rewound { name: text("a") };
    Request::Repair { name: _ } => "Repair", Auth, Request::Repair { name: text("a") };
}

impl Trial {
    /// The next thing that the supervisor is asked is this client's as well.
    async fn supervisor_was_not_asked(&self) {
        let client = self.client();
        client.send(Request::Reload).unwrap();
        assert!(matches!(next(&self.supervisor).await, ToSupervisor::Reload));
        self.supervisor.send(ToControl::Reloaded).unwrap();
        assert!(matches!(next(&client).await, Answer::Done));
        client.send(Request::Status).unwrap();
        assert!(matches!(next(&self.supervisor).await, ToSupervisor::Status));
    }
}

#[test]
fn who_is_no_admin_may_ask_for_nothing_at_all() {
    run(async {
        let trial = Trial::new();
        let own = trial.house.slice.replace(slice(u32::MAX - 5));
        for (_, request) in every_request() {
            let told = word(&request);
            let stranger = trial.client();
            stranger.send(request).unwrap();
            let answer = next(&stranger).await;
            assert!(matches!(answer, Answer::NotPermitted), "{told}: {answer:?}");
        }
        trial.house.slice.replace(own);
        trial.nothing_was_asked().await;
        trial.supervisor_was_not_asked().await;
    });
}

/// An admin that the configuration has struck off, with a connection from before.
#[test]
fn who_is_no_admin_any_more_is_so_for_the_next_request() {
    run(async {
        let trial = Trial::new();
        for (_, request) in every_request() {
            let told = word(&request);
            let admin = trial.client();
            admin.send(kick("before")).unwrap();
            let ToAuth::Kick { query, .. } = next(&trial.auth).await else {
                panic!("not the kick");
            };
            let own = trial.house.slice.replace(slice(u32::MAX - 5));
            admin.send(request).unwrap();
            trial.auth.send(done(query, 1)).unwrap();
            assert!(matches!(next(&admin).await, Answer::Done), "{told}");
            let answer = next(&admin).await;
            assert!(matches!(answer, Answer::NotPermitted), "{told}: {answer:?}");
            trial.house.slice.replace(own);
        }
        trial.nothing_was_asked().await;
        trial.supervisor_was_not_asked().await;
    });
}

/// So the two tests above show that it was the asker who was refused.
#[test]
fn an_admin_may_ask_for_everything() {
    run(async {
        for (first, request) in every_request() {
            let trial = Trial::new();
            let admin = trial.client();
            admin.send(request).unwrap();
            match first {
                First::Auth => is_asked(&trial.auth).await,
                First::Supervisor => is_asked(&trial.supervisor).await,
            }
        }
    });
}

async fn is_asked<Tx: Message, Rx: Message>(channel: &AsyncChannel<Tx, Rx>) {
    let _whatever_it_is = next(channel).await;
}
