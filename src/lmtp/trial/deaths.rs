//! Peers that die, refuse or are silent: one answer each, and never 250.

use super::*;

/// The letter is complete; what then happens must be answered 451, once.
async fn is_put_off(trial: &Trial, mut client: Client) {
    client.hears("451 4.3.0 Try again later\r\n").await;
    client.says(b"QUIT\r\n").await;
    assert_eq!(client.hears_out().await, "221 2.0.0 Bye\r\n");
    assert_eq!(trial.spooled(), 0);
}

#[test]
fn an_auth_that_dies_puts_the_letter_off() {
    run(async {
        let mut trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
        client.says(DOT).await;
        let ToAuth::Deliver { .. } = hear(&trial.auth).await else {
            panic!("no delivery")
        };
        drop(std::mem::replace(&mut trial.auth, unconnected()));
        is_put_off(&trial, client).await;
    });
}

#[test]
fn a_director_that_dies_before_its_answer_leaves_it_to_whoever_has_the_socket() {
    run(async {
        for reached_the_worker in [false, true] {
            let mut trial = Trial::new(lmtp_slice()).await;
            let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
            client.says(DOT).await;
            trial.minted().await;
            let (_, socket) = trial.handed_over().await;
            drop(std::mem::replace(&mut trial.director, unconnected()));
            if reached_the_worker {
                let worker = Worker::adopt(socket).unwrap();
                given(&worker).await;
                done(&worker, Outcome::Delivered);
                client.hears("250 2.0.0 Kept\r\n").await;
            } else {
                drop(socket);
                is_put_off(&trial, client).await;
            }
        }
    });
}

#[test]
fn a_worker_that_is_soon_done_needs_no_answer_of_director() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        for _ in 0..3 {
            let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
            client.says(DOT).await;
            trial.minted().await;
            let (_, socket) = trial.handed_over().await;
            let worker = Worker::adopt(socket).unwrap();
            given(&worker).await;
            done(&worker, Outcome::Delivered);
            client.hears("250 2.0.0 Kept\r\n").await;
        }
    });
}

#[test]
fn a_director_that_dies_after_its_answer_changes_nothing() {
    run(async {
        let mut trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
        client.says(DOT).await;
        let (_, worker) = trial.worker().await;
        given(&worker).await;
        drop(std::mem::replace(&mut trial.director, unconnected()));
        done(&worker, Outcome::Delivered);
        client.hears("250 2.0.0 Kept\r\n").await;
    });
}

#[test]
fn a_hand_over_that_is_refused_or_lost_puts_the_letter_off() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        for lost in [false, true] {
            let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
            client.says(DOT).await;
            trial.minted().await;
            let (nonce, socket) = trial.handed_over().await;
            drop(socket);
            say(
                &trial.director,
                match lost {
                    false => ToAsker::Refused {
                        nonce,
                        refusal: Refusal::NoWorker,
                    },
                    true => ToAsker::Lost { nonce },
                },
            );
            is_put_off(&trial, client).await;
        }
    });
}

#[test]
fn a_worker_that_dies_or_breaks_the_rules_puts_the_letter_off() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        for breaks_rules in [false, true] {
            let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
            client.says(DOT).await;
            trial.minted().await;
            let (nonce, socket) = trial.handed_over().await;
            say(&trial.director, ToAsker::Taken { nonce });
            if breaks_rules {
                rustix::net::send(&socket, &[255], rustix::net::SendFlags::empty()).unwrap();
            } else {
                drop(socket);
            }
            is_put_off(&trial, client).await;
        }
    });
}

#[test]
fn a_silent_director_puts_the_letter_off_in_bounded_time() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
        client.says(DOT).await;
        trial.minted().await;
        let (nonce, _socket) = trial.handed_over().await;
        tokio::time::pause();
        client.hears("451 4.3.0 Try again later\r\n").await;
        tokio::time::resume();
        // What it says afterwards is nobody's.
        say(&trial.director, ToAsker::Taken { nonce });
        client.says(b"NOOP\r\n").await;
        client.hears("250 2.0.0 OK\r\n").await;
    });
}

#[test]
fn an_account_that_went_between_rcpt_and_the_letter_is_no_success() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
        client.says(DOT).await;
        let ToAuth::Deliver { nonce, .. } = hear(&trial.auth).await else {
            panic!("no delivery")
        };
        say(
            &trial.auth,
            ToLmtp::NotMinted {
                nonce,
                standing: Standing::Unknown,
            },
        );
        client.hears("550 5.1.1 No such user\r\n").await;
    });
}

/// A channel whose other end is closed.
fn unconnected<Tx: Message, Rx: Message>() -> AsyncChannel<Tx, Rx> {
    let (ours, _) = ipc::channel::pair().unwrap();
    AsyncChannel::adopt(ours).unwrap()
}
