//! A process whose descriptors are used up, or all on their way to peers that don't read:
//! it waits without spinning, loses nothing, and goes on when there is room.

use super::*;
use harness::set::wait_for;
use ipc::edge::director_worker::ToWorker;

/// Births that nobody reads: so many descriptors are on their way.
const BIRTHS: u32 = 60;

/// Fewer than are on their way, so that the kernel lets none follow (ETOOMANYREFS,
/// unix(7)).
const ROOM: u64 = 40;

/// How long a process may be busy in a second of waiting.
const IDLE_MAX: Duration = Duration::from_millis(400);

type OfDirector<Tx, Rx> = Peer<Tx, Rx>;

/// `director` between its peers.
struct Between {
    stage: Stage,
    auth: OfDirector<auth_director::ToDirector, auth_director::ToAuth>,
    broker: OfDirector<director_broker::ToDirector, director_broker::ToBroker>,
    asker: OfDirector<ToDirectorFromAsker, ToAsker>,
    login: ipc::Instance,
}

impl Between {
    fn new() -> Self {
        let slice = slice::Director {
            logging: LOGGING,
            workers_max: 2 * BIRTHS,
            linger_seconds: 60,
        };
        let gifts = vec![Gift::Workers(worker_slice())];
        let mut stage = Stage::begin(&profile::DIRECTOR, Slice::Director { slice }, gifts);
        let login = instance();
        let auth = stage.peer(Edge::AuthDirector);
        let broker = stage.peer(Edge::DirectorBroker);
        let asker = Peer::of(stage.connect_as(Edge::LoginHandover, login));
        Self {
            stage,
            auth,
            broker,
            asker,
            login,
        }
    }

    fn offer(&mut self) -> Nonce {
        let nonce = nonce();
        self.asker.say(hand_over(nonce, session_work()));
        nonce
    }

    /// `director` opens no seal: any will do.
    fn grant(&mut self, nonce: Nonce, account: AccountId) {
        let mut ticket = forged(nonce);
        ticket.claim.account = account;
        let asker = self.login;
        self.auth.say(auth_director::ToDirector::Grant {
            asker,
            nonce,
            ticket,
        });
    }

    /// The account's worker, played by the test.
    fn worker(&mut self) -> Peer<director_worker::ToDirector, ToWorker> {
        let nonce = self.offer();
        self.grant(nonce, ACCOUNT_ID);
        let Some(director_broker::ToBroker::Birth { channel, .. }) = self.broker.hear() else {
            panic!("no birth");
        };
        let (account, created) = (ACCOUNT_ID, false);
        self.broker
            .say(director_broker::ToDirector::Born { account, created });
        let mut worker = Peer::of(channel);
        worker.say(director_worker::ToDirector::Ready { storage: None });
        assert_eq!(served(&mut worker), nonce);
        worker
    }
}

/// The nonce of the next session that a worker is given.
fn served(worker: &mut Peer<director_worker::ToDirector, ToWorker>) -> Nonce {
    loop {
        match worker.hear().expect("director lives") {
            ToWorker::Serve { ticket, .. } => return ticket.claim.nonce,
            ToWorker::Leave => panic!("it is sent away"),
            _ => {}
        }
    }
}

#[test]
fn a_director_whose_descriptors_are_all_on_their_way_waits_and_goes_on() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not checked: an ordinary user may not limit another process");
        return;
    }
    let mut between = Between::new();
    let mut worker = between.worker();
    for account in 0..BIRTHS {
        let nonce = between.offer();
        between.grant(nonce, AccountId(ACCOUNT + 1 + account));
    }
    // Taken while there is room for it.
    let last = between.offer();
    let held = || between.stage.descriptors().len();
    assert!(wait_for(PATIENCE, || held() > 2 * BIRTHS as usize));
    lists_workers(&mut between.stage);
    between.stage.limit_descriptors(ROOM);
    between.grant(last, ACCOUNT_ID);
    let before = between.stage.busy();
    let early = stage::is_readable(worker.as_fd(), Duration::from_secs(1));
    assert!(!early, "the kernel let one more follow");
    let busy = between.stage.busy().saturating_sub(before);
    assert!(busy < IDLE_MAX, "busy for {busy:?}");
    between.stage.limit_descriptors(16_384);
    assert_eq!(served(&mut worker), last);
}
