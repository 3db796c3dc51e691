//! The loop: one supervisor, some fronts, one question at a time from each.
//!
//! Invariants: nothing is answered before the supervisor said `Begin`; a front
//! that breaks the rules of its channel loses the channel and nothing else; a
//! message of the supervisor that its phase does not permit ends the process.

use crate::key::Key;
use crate::pair::{BadPair, Pair};
use crate::signer::Signer;
use ipc::channel::{Fault, Received};
use ipc::edge::front_keyholder::{FromKeyholder, ToKeyholder};
use ipc::edge::supervisor::{Edge, Event, Process, ToProcess, ToSupervisor};
use ipc::registry::{Registered, Registry};
use ipc::slice::{Keyholder as Rules, Slice};
use ipc::start::{self, Given, NotStarted, SupervisorChannel};
use ipc::{Bytes, Instance};
use rustix::io::Errno;
use sandbox::Entered;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Fronts at once. The supervisor starts a few; a channel of a dead one goes as
/// soon as its end is seen.
const FRONTS_MAX: usize = 64;

/// The longest wait for an event. Nothing is due then; the wait goes on.
const WAIT: Duration = Duration::from_secs(3600);

/// Why the loop is over.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The supervisor said so, or has gone.
    Stopped,
    /// What the supervisor gave us cannot be used; it has been told why.
    Refused,
    /// The start came to nothing.
    NotStarted(NotStarted),
    /// The supervisor said what its phase does not permit.
    Unpermitted,
    /// The supervisor's channel failed.
    Channel(Fault),
    /// The kernel failed us.
    Kernel(Errno),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::PeerGone => Self::Stopped,
            fault => Self::Channel(fault),
        }
    }
}

/// Serves until the end. Wants the proof that the process is confined.
pub fn serve(_confined: &Entered, supervisor: SupervisorChannel) -> End {
    run(supervisor)
}

fn run(supervisor: SupervisorChannel) -> End {
    match Service::begin(supervisor) {
        Ok(mut service) => loop {
            if let Err(end) = service.turn() {
                return end;
            }
        },
        Err(end) => end,
    }
}

#[derive(Debug, Clone, Copy)]
enum Peer {
    Supervisor,
    Front(Instance),
}

type Front = Registered<FromKeyholder, ToKeyholder>;

struct Service {
    registry: Registry<Peer>,
    supervisor: Registered<ToSupervisor, ToProcess>,
    fronts: BTreeMap<Instance, Front>,
    signer: Signer,
    /// Files that came for the next slice.
    provided: Pair,
    /// What `Commit` will apply.
    next: Option<(Rules, Option<Key>)>,
}

impl Service {
    fn begin(mut supervisor: SupervisorChannel) -> Result<Self, End> {
        let given = start::collect(&mut supervisor).map_err(End::NotStarted)?;
        let mut registry = Registry::new().map_err(End::Kernel)?;
        let socket = supervisor.into_socket();
        let mut supervisor = registry.register(Peer::Supervisor, socket)?;
        let (signer, edges) = match usable(given) {
            Ok(usable) => usable,
            Err(why) => {
                registry.send(&mut supervisor, refused(why))?;
                return Err(End::Refused);
            }
        };
        registry.send(&mut supervisor, ToSupervisor::Running)?;
        let fronts = BTreeMap::new();
        let (provided, next) = (Pair::default(), None);
        let mut service = Self {
            registry,
            supervisor,
            fronts,
            signer,
            provided,
            next,
        };
        for (edge, instance, socket) in edges {
            service.connect(edge, instance, socket)?;
        }
        Ok(service)
    }

    /// One wait, and what it brought: one message from each that has one, so that
    /// no front can keep the others waiting.
    fn turn(&mut self) -> Result<(), End> {
        for peer in self.registry.wait(WAIT).map_err(End::Kernel)? {
            match peer {
                Peer::Supervisor => self.hear_supervisor()?,
                Peer::Front(instance) => self.hear_front(instance)?,
            }
        }
        Ok(())
    }

    fn hear_supervisor(&mut self) -> Result<(), End> {
        self.registry.flush(&mut self.supervisor)?;
        match self.supervisor.channel.receive()? {
            Received::Message(message) => self.obey(message),
            Received::Nothing => Ok(()),
            Received::Closed => Err(End::Stopped),
        }
    }

    fn obey(&mut self, message: ToProcess) -> Result<(), End> {
        match message {
            ToProcess::Connect {
                edge,
                instance,
                socket,
            } => self.connect(edge, instance, socket),
            ToProcess::Provide { purpose, file } => {
                self.provided.take(purpose, file);
                Ok(())
            }
            ToProcess::Prepare {
                slice: Slice::Keyholder { slice },
            } => self.prepare(slice),
            ToProcess::Commit => self.commit(),
            ToProcess::Discard => {
                (self.next, self.provided) = (None, Pair::default());
                Ok(())
            }
            ToProcess::Stop => Err(End::Stopped),
            _ => Err(End::Unpermitted),
        }
    }

    fn prepare(&mut self, rules: Rules) -> Result<(), End> {
        self.next = None;
        let answer = match std::mem::take(&mut self.provided).key() {
            Ok(key) => {
                self.next = Some((rules, key));
                ToSupervisor::Prepared
            }
            Err(why) => refused(why),
        };
        Ok(self.registry.send(&mut self.supervisor, answer)?)
    }

    fn commit(&mut self) -> Result<(), End> {
        let (rules, key) = self.next.take().ok_or(End::Unpermitted)?;
        match key {
            Some(key) => self.signer = Signer::new(key, rules.tls12),
            None => self.signer.allow_tls12(rules.tls12),
        }
        Ok(())
    }

    fn connect(&mut self, edge: Edge, instance: Instance, socket: OwnedFd) -> Result<(), End> {
        self.disconnect(instance);
        if edge != Edge::FrontKeyholder || self.fronts.len() >= FRONTS_MAX {
            return Err(End::Unpermitted);
        }
        let front = self.registry.register(Peer::Front(instance), socket)?;
        self.fronts.insert(instance, front);
        Ok(())
    }

    fn disconnect(&mut self, instance: Instance) {
        if let Some(front) = self.fronts.remove(&instance) {
            self.registry.forget(&front);
        }
    }

    /// A front that closed is forgotten; one that broke the rules, too, and the
    /// supervisor hears of it.
    fn hear_front(&mut self, instance: Instance) -> Result<(), End> {
        let Some(front) = self.fronts.get_mut(&instance) else {
            return Ok(());
        };
        match converse(&self.registry, &self.signer, front) {
            Ok(Turn::Done) => Ok(()),
            Ok(Turn::Refused) => self.report(Event::RefusedToSign {
                instance: instance.0,
            }),
            Err(fault) => {
                self.disconnect(instance);
                if fault == Fault::PeerGone {
                    return Ok(());
                }
                self.report(Event::PeerFault {
                    peer: Process::Front,
                    instance: instance.0,
                })
            }
        }
    }

    /// Tells the supervisor, unless it is behind: a front that asks for the
    /// forbidden without end must not fill our queue, and so end us.
    fn report(&mut self, event: Event) -> Result<(), End> {
        if self.supervisor.channel.wants_to_send() {
            return Ok(());
        }
        let report = ToSupervisor::Report { event };
        Ok(self.registry.send(&mut self.supervisor, report)?)
    }
}

enum Turn {
    Done,
    Refused,
}

/// Answers one question. A question that comes while the last answer has not
/// even left is a second one at once, and at fault.
fn converse(registry: &Registry<Peer>, signer: &Signer, front: &mut Front) -> Result<Turn, Fault> {
    registry.flush(front)?;
    let question = match front.channel.receive()? {
        Received::Message(_) if front.channel.wants_to_send() => {
            return Err(Fault::PeerDoesNotRead);
        }
        Received::Message(question) => question,
        Received::Nothing => return Ok(Turn::Done),
        Received::Closed => return Err(Fault::PeerGone),
    };
    let answer = signer.answer(question);
    let refused = matches!(answer, FromKeyholder::Refused);
    registry.send(front, answer)?;
    Ok(if refused { Turn::Refused } else { Turn::Done })
}

type Edges = Vec<(Edge, Instance, OwnedFd)>;

/// The key and its rule, and whom to serve.
fn usable(given: Given) -> Result<(Signer, Edges), BadPair> {
    let Slice::Keyholder { slice } = given.slice else {
        return Err(BadPair::Half);
    };
    let mut pair = Pair::default();
    for (purpose, file) in given.files {
        pair.take(purpose, file);
    }
    let key = pair.key()?.ok_or(BadPair::Half)?;
    Ok((Signer::new(key, slice.tls12), given.edges))
}

fn refused(why: BadPair) -> ToSupervisor {
    // All our reasons are shorter than the maximum.
    ToSupervisor::Refused {
        reason: Bytes::new(why.to_string()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{samples, scheme};
    use crate::pair::samples::file;
    use ipc::Channel;
    use ipc::edge::supervisor::FileUse;
    use ipc::epoll::Epoll;
    use rcgen::KeyPair;
    use std::thread::JoinHandle;
    use std::time::Duration;

    type Asker = Channel<ToKeyholder, FromKeyholder>;

    /// The supervisor's side of a running keyholder.
    struct House {
        supervisor: Channel<ToProcess, ToSupervisor>,
        keyholder: JoinHandle<End>,
    }

    impl House {
        /// One whose supervisor has sent these before `Begin`.
        fn new(messages: Vec<ToProcess>) -> Self {
            let (ours, theirs) = ipc::channel::pair().unwrap();
            let mut house = Self {
                supervisor: Channel::adopt(ours).unwrap(),
                keyholder: std::thread::spawn(|| run(Channel::adopt(theirs).unwrap())),
            };
            assert!(matches!(house.hears(), ToSupervisor::Entered));
            for message in messages {
                house.says(message);
            }
            house.says(ToProcess::Begin);
            house
        }

        fn running(key: &KeyPair, tls12: bool) -> Self {
            let [certificate, private] = pair(key);
            let mut house = Self::new(vec![configure(tls12), certificate, private]);
            assert!(matches!(house.hears(), ToSupervisor::Running));
            house
        }

        fn says(&mut self, message: ToProcess) {
            self.supervisor.send(message).unwrap();
        }

        fn hears(&mut self) -> ToSupervisor {
            await_message(&mut self.supervisor).unwrap()
        }

        fn front(&mut self, instance: u32) -> Asker {
            let (ours, socket) = ipc::channel::pair().unwrap();
            self.says(ToProcess::Connect {
                edge: Edge::FrontKeyholder,
                instance: Instance(instance),
                socket,
            });
            Channel::adopt(ours).unwrap()
        }

        fn stops(mut self) -> End {
            self.says(ToProcess::Stop);
            self.keyholder.join().unwrap()
        }
    }

    /// The next message, or `None` when the other end closed. Fails after 10 s.
    fn await_message<Tx: ipc::Message, Rx: ipc::Message>(
        channel: &mut Channel<Tx, Rx>,
    ) -> Option<Rx> {
        let epoll = Epoll::new().unwrap();
        epoll.add(&*channel, 0).unwrap();
        loop {
            let ready = epoll.wait(Some(Duration::from_secs(10))).unwrap();
            assert!(!ready.is_empty(), "no message came");
            match channel.receive().unwrap() {
                Received::Message(message) => return Some(message),
                Received::Nothing => {}
                Received::Closed => return None,
            }
        }
    }

    fn configure(tls12: bool) -> ToProcess {
        ToProcess::Configure {
            slice: Slice::Keyholder {
                slice: Rules { tls12 },
            },
        }
    }

    fn prepare(tls12: bool) -> ToProcess {
        ToProcess::Prepare {
            slice: Slice::Keyholder {
                slice: Rules { tls12 },
            },
        }
    }

    fn provide(purpose: FileUse, text: &str) -> ToProcess {
        let file = file(text);
        ToProcess::Provide { purpose, file }
    }

    /// A key and its certificate, as the supervisor gives them.
    fn pair(key: &KeyPair) -> [ToProcess; 2] {
        let certificate = samples::certificate_of(key).pem();
        [
            provide(FileUse::Certificates, &certificate),
            provide(FileUse::PrivateKey, &key.serialize_pem()),
        ]
    }

    fn sign(scheme: u16, input: &[u8]) -> ToKeyholder {
        ToKeyholder::Sign {
            scheme,
            input: Bytes::new(input).unwrap(),
        }
    }

    fn asks(front: &mut Asker, question: ToKeyholder) -> FromKeyholder {
        front.send(question).unwrap();
        await_message(front).unwrap()
    }

    fn schemes(front: &mut Asker) -> Vec<u16> {
        match asks(front, ToKeyholder::Schemes) {
            FromKeyholder::Schemes { schemes } => schemes.into_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_front_learns_the_schemes_and_gets_a_signature() {
        let mut house = House::running(&samples::p256(), false);
        let mut front = house.front(7);
        assert_eq!(schemes(&mut front), [scheme::ECDSA_SECP256R1_SHA256]);
        let input = [
            &[b' '; 64],
            &b"TLS 1.3, server CertificateVerify\0"[..],
            &[5; 48],
        ]
        .concat();
        let answer = asks(&mut front, sign(scheme::ECDSA_SECP256R1_SHA256, &input));
        assert!(matches!(answer, FromKeyholder::Signed { .. }));
        assert_eq!(house.stops(), End::Stopped);
    }

    #[test]
    fn what_is_refused_is_reported_and_the_front_goes_on() {
        let mut house = House::running(&samples::p256(), false);
        let mut front = house.front(7);
        let answer = asks(&mut front, sign(scheme::ECDSA_SECP256R1_SHA256, b"hello"));
        assert!(matches!(answer, FromKeyholder::Refused));
        let report = house.hears();
        let event = Event::RefusedToSign { instance: 7 };
        assert!(matches!(report, ToSupervisor::Report { event: told } if told == event));
        assert_eq!(schemes(&mut front).len(), 1);
    }

    #[test]
    fn a_front_that_breaks_the_rules_is_cut_off_and_the_others_are_not() {
        let mut house = House::running(&samples::p256(), false);
        let mut good = house.front(1);
        let (ours, socket) = ipc::channel::pair().unwrap();
        house.says(ToProcess::Connect {
            edge: Edge::FrontKeyholder,
            instance: Instance(2),
            socket,
        });
        rustix::net::send(&ours, b"\xff", rustix::net::SendFlags::empty()).unwrap();
        let mut bad: Asker = Channel::adopt(ours).unwrap();
        assert!(await_message(&mut bad).is_none());
        let event = Event::PeerFault {
            peer: Process::Front,
            instance: 2,
        };
        assert!(matches!(house.hears(), ToSupervisor::Report { event: told } if told == event));
        assert_eq!(schemes(&mut good).len(), 1);
    }

    #[test]
    fn a_front_that_asks_without_reading_is_cut_off() {
        let mut house = House::running(&samples::p256(), false);
        let mut front = house.front(3);
        let cut_off = (0..10_000_000).any(|_| {
            rustix::thread::sched_yield();
            let _ = front.send(ToKeyholder::Schemes);
            front.flush() == Err(Fault::PeerGone)
        });
        assert!(cut_off);
        assert_eq!(schemes(&mut house.front(4)).len(), 1);
    }

    #[test]
    fn a_new_key_signs_from_commit_on_and_not_before() {
        let mut house = House::running(&samples::p256(), false);
        let mut front = house.front(1);
        for file in pair(&samples::ed25519()) {
            house.says(file);
        }
        house.says(prepare(false));
        assert!(matches!(house.hears(), ToSupervisor::Prepared));
        assert_eq!(schemes(&mut front), [scheme::ECDSA_SECP256R1_SHA256]);
        house.says(ToProcess::Commit);
        // The answer to the next preparation shows that the commit was heard.
        house.says(prepare(false));
        assert!(matches!(house.hears(), ToSupervisor::Prepared));
        assert_eq!(schemes(&mut front), [scheme::ED25519]);
    }

    #[test]
    fn a_bad_new_key_is_refused_and_the_old_one_signs_on() {
        let mut house = House::running(&samples::p256(), false);
        house.says(provide(FileUse::PrivateKey, "no key"));
        house.says(prepare(false));
        assert!(matches!(house.hears(), ToSupervisor::Refused { .. }));
        let [certificate, _] = pair(&samples::p256());
        let [_, foreign] = pair(&samples::p256());
        house.says(certificate);
        house.says(foreign);
        house.says(prepare(false));
        assert!(matches!(house.hears(), ToSupervisor::Refused { .. }));
        assert_eq!(
            schemes(&mut house.front(1)),
            [scheme::ECDSA_SECP256R1_SHA256]
        );
    }

    #[test]
    fn without_a_key_it_refuses_to_begin() {
        let mut house = House::new(vec![configure(false)]);
        assert!(matches!(house.hears(), ToSupervisor::Refused { .. }));
        assert_eq!(house.keyholder.join().unwrap(), End::Refused);
    }

    #[test]
    fn with_the_key_of_another_certificate_it_refuses_to_begin_and_says_so() {
        let [certificate, _] = pair(&samples::p256());
        let [_, foreign] = pair(&samples::p256());
        let mut house = House::new(vec![configure(false), certificate, foreign]);
        let ToSupervisor::Refused { reason } = house.hears() else {
            panic!("it took a foreign key")
        };
        assert_eq!(reason.as_slice(), BadPair::Strangers.to_string().as_bytes());
        assert_eq!(house.keyholder.join().unwrap(), End::Refused);
    }

    #[test]
    fn an_unpermitted_message_of_the_supervisor_ends_the_process() {
        let mut house = House::running(&samples::p256(), false);
        house.says(ToProcess::Commit);
        assert_eq!(house.keyholder.join().unwrap(), End::Unpermitted);
    }

    #[test]
    fn the_supervisors_end_is_its_own() {
        let house = House::running(&samples::p256(), false);
        drop(house.supervisor);
        assert_eq!(house.keyholder.join().unwrap(), End::Stopped);
    }
}
