//! Peers that die, and come back.

use super::*;

#[test]
fn a_dead_service_leaves_its_sessions_alone_and_newcomers_wait_for_the_next() {
    run(async {
        let mut trial = Trial::new(front_slice(), listener(TlsUse::Never)).await;
        let mut old = trial.tcp().await;
        let mut old_session = trial.session().await;
        let (dead, _) = ipc::channel::pair().unwrap();
        drop(std::mem::replace(
            &mut trial.login,
            AsyncChannel::adopt(dead).unwrap(),
        ));
        let _new = trial.tcp().await;
        trial.barrier().await;
        let login = connect(&trial.supervisor, Edge::FrontLogin, 10);
        trial.login = AsyncChannel::adopt(login).unwrap();
        assert_eq!(
            trial.session().await.transport,
            Transport::Cleartext { loopback: true }
        );
        old_session.socket.write_all(b"still here").await.unwrap();
        reads(&mut old, b"still here").await;
    });
}

#[test]
fn a_new_auth_is_told_of_the_sessions_that_there_are() {
    run(async {
        let mut trial = Trial::new(front_slice(), listener(TlsUse::Never)).await;
        let mut clients = Vec::new();
        let mut cookies = Vec::new();
        for _ in 0..20 {
            clients.push(trial.tcp().await);
            let given = trial.session().await;
            cookies.push(given.cookie);
            clients.push(TcpStream::from_std(detach(given.socket)).unwrap());
        }
        let auth = connect(&trial.supervisor, Edge::FrontAuth, 11);
        trial.auth = AsyncChannel::adopt(auth).unwrap();
        let mut told = Vec::new();
        while told.len() < cookies.len() {
            if let Facts::Opened { cookie, .. } = hear(&trial.auth).await {
                told.push(cookie);
            }
        }
        told.sort();
        cookies.sort();
        assert_eq!(told, cookies);
    });
}

/// Keeps a socket open among the clients.
fn detach(socket: UnixStream) -> std::net::TcpStream {
    OwnedFd::from(socket.into_std().unwrap()).into()
}

#[test]
fn a_restarted_keyholder_signs_for_those_who_waited() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        drop(connect(&trial.supervisor, Edge::FrontKeyholder, 12));
        let tcp = trial.tcp().await;
        let client = tls_over(tcp, &trial.certified.der);
        let restart = async {
            trial.barrier().await;
            let socket = connect(&trial.supervisor, Edge::FrontKeyholder, 13);
            play_keyholder(socket, &trial.certified.key);
        };
        let (client, ()) = tokio::join!(client, restart);
        assert!(client.is_ok());
    });
}
