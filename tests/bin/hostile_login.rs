//! A `login` that cheats. It enters the real profile, serves those who say LOGIN, and
//! lies when a client orders it: `tag LIE what`.
//!
//! `invent N`: hands N sockets over that nobody was verified on. `names N`: asks `auth`
//! for N names. `thief`: who is verified next, his session is for this client's socket.
//! `again`: hands the next verified socket over twice. `keep`: writes on a socket that it
//! has handed over. `garbage WHOM LENGTH`, `flood auth`, `panic WORDS`, `die`: as they say.
//! `COUNT` tells what came of it all.

#![allow(clippy::panic, reason = "it is told to")]

#[path = "hostile/accomplice.rs"]
mod accomplice;
#[path = "hostile/watch.rs"]
mod watch;

use accomplice::Accomplice;
use ipc::codec::Message;
use ipc::edge::front_service::{ToFront, ToService, Transport};
use ipc::edge::handover::{self, ToAsker, Work};
use ipc::edge::login_auth::{Mechanism, SASL_BYTES_MAX, ToAuth, ToLogin};
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::slice::Protocol;
use ipc::{Bytes, Channel, Cookie, Instance, Nonce, Secret};
use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use watch::{Registered, Watch, turn};

#[derive(Debug, Clone, Copy)]
enum Peer {
    Supervisor,
    Auth,
    Director,
    Front(Instance),
    Client(u64),
}

/// Names that are asked for at once: who reads no answers is cut off.
const AT_ONCE: u32 = 100;

/// One session.
struct Client {
    line: Accomplice,
    /// Nobody is, whose socket is being handed over: what he says is the worker's.
    watched: Option<u64>,
    front: Instance,
    cookie: Cookie,
    keeps: bool,
}

/// What came of the lies.
#[derive(Debug, Default)]
struct Count {
    guessed: u32,
    invented: u32,
    verified: u32,
    rejected: u32,
    taken: u32,
    refused: u32,
}

struct Login {
    watch: Watch<Peer>,
    supervisor: Registered<ToSupervisor, ToProcess>,
    auth: Option<Registered<ToAuth, ToLogin>>,
    auths_life: Option<Instance>,
    director: Option<Registered<handover::ToDirector, ToAsker>>,
    fronts: BTreeMap<Instance, Registered<ToFront, ToService>>,
    clients: BTreeMap<u64, Client>,
    next: u64,
    /// Who waits for what was asked under a nonce.
    asked: HashMap<Nonce, (u64, String)>,
    thief: Option<u64>,
    again: bool,
    /// Names that are still to be asked for.
    names: u32,
    count: Count,
}

fn main() -> ExitCode {
    let Ok(entered) = sandbox::enter(&sandbox::profile::LOGIN) else {
        return ExitCode::FAILURE;
    };
    let socket = entered.descriptor(3).expect("the table has it");
    let mut supervisor = Channel::adopt(socket).expect("a channel");
    let given = ipc::start::collect(&mut supervisor).expect("a start");
    supervisor.send(ToSupervisor::Running).expect("it listens");
    let mut watch = Watch::new();
    let supervisor = supervisor.into_socket();
    let supervisor = watch.register(Peer::Supervisor, supervisor);
    let mut login = Login {
        watch,
        supervisor,
        auth: None,
        auths_life: None,
        director: None,
        fronts: BTreeMap::new(),
        clients: BTreeMap::new(),
        next: 0,
        asked: HashMap::new(),
        thief: None,
        again: false,
        names: 0,
        count: Count::default(),
    };
    for (edge, who, socket) in given.edges {
        login.connect(edge, who, socket);
    }
    login.serve();
    ExitCode::SUCCESS
}

impl Login {
    fn serve(&mut self) {
        loop {
            for peer in self.watch.wait() {
                match peer {
                    Peer::Supervisor if self.is_over() => return,
                    Peer::Supervisor => {}
                    Peer::Auth => self.hear_auth(),
                    Peer::Director => self.hear_director(),
                    Peer::Front(who) => self.hear_front(who),
                    Peer::Client(number) => self.hear_client(number),
                }
            }
        }
    }

    fn connect(&mut self, edge: Edge, who: Instance, socket: OwnedFd) {
        let watch = &mut self.watch;
        match edge {
            Edge::LoginAuth => {
                self.auth = Some(watch.register(Peer::Auth, socket));
                self.auths_life = Some(who);
            }
            Edge::LoginHandover => self.director = Some(watch.register(Peer::Director, socket)),
            _ => {
                let front = watch.register(Peer::Front(who), socket);
                self.fronts.insert(who, front);
            }
        }
    }

    fn is_over(&mut self) -> bool {
        let (messages, open) = turn(&mut self.supervisor);
        let mut stop = open.is_err();
        for message in messages {
            match message {
                ToProcess::Connect {
                    edge,
                    instance,
                    socket,
                } => {
                    self.connect(edge, instance, socket);
                }
                ToProcess::Stop => stop = true,
                _ => {}
            }
        }
        stop
    }

    fn hear_front(&mut self, who: Instance) {
        let Some(front) = self.fronts.get_mut(&who) else {
            return;
        };
        let (messages, open) = turn(front);
        if open.is_err() {
            let gone = self.fronts.remove(&who);
            gone.iter().for_each(|gone| self.watch.forget(gone));
        }
        for ToService::Session { socket, .. } in messages {
            self.greet(who, socket);
        }
    }

    fn greet(&mut self, front: Instance, socket: OwnedFd) {
        let cookie = ipc::socket::cookie(&socket).expect("a socket");
        let (line, number) = (Accomplice::at(socket), self.next);
        self.next += 1;
        line.say("* OK ready");
        let client = Client {
            line,
            watched: None,
            front,
            cookie,
            keeps: false,
        };
        self.clients.insert(number, client);
        self.listen(number);
    }

    fn listen(&mut self, number: u64) {
        if let Some(client) = self.clients.get_mut(&number) {
            let watched = self.watch.watch(Peer::Client(number), &client.line);
            client.watched = Some(watched);
        }
    }

    fn turn_away_from(&mut self, number: u64) {
        if let Some(client) = self.clients.get_mut(&number)
            && let Some(watched) = client.watched.take()
        {
            self.watch.unwatch(watched, &client.line);
        }
    }

    fn hear_client(&mut self, number: u64) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        let Some(lines) = client.line.lines() else {
            return self.part(number);
        };
        for words in lines {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.obey(number, &words);
        }
    }

    fn part(&mut self, number: u64) {
        self.turn_away_from(number);
        self.clients.remove(&number);
    }

    fn obey(&mut self, number: u64, words: &[&str]) {
        match words {
            [tag, "LOGIN", name, password] => self.ask(number, tag, name, password),
            [tag, "LIE", lie @ ..] => {
                self.lie(number, lie);
                self.say(number, &format!("{tag} OK"));
            }
            [tag, "COUNT"] => {
                let count = format!("{tag} OK {:?}", self.count);
                self.say(number, &count);
            }
            _ => self.say(number, "* BAD"),
        }
    }

    fn say(&self, number: u64, line: &str) {
        let client = self.clients.get(&number);
        client.into_iter().for_each(|client| client.line.say(line));
    }

    fn lie(&mut self, number: u64, lie: &[&str]) {
        let times = |text: &str| text.parse::<u32>().expect("a number");
        match lie {
            ["invent", n] => (0..times(n)).for_each(|_| self.hand_over(number, draw(), "i")),
            ["names", n] => {
                self.names = times(n);
                (0..AT_ONCE).for_each(|_| self.ask_for_a_name(number));
            }
            ["thief"] => self.thief = Some(number),
            ["again"] => self.again = true,
            ["keep"] => {
                let client = self.clients.get_mut(&number);
                client.into_iter().for_each(|client| client.keeps = true);
            }
            ["garbage", whom, length] => self.garbage(whom, times(length)),
            ["flood", "auth"] => flood(&mut self.auth, || question(Cookie(1), Instance(1))),
            ["panic", words] => panic!("{words}"),
            ["external", name] => {
                let said = Secret::new(name.as_bytes().to_vec()).expect("short");
                self.ask_by(number, "x", Mechanism::External, said);
            }
            ["die"] => std::process::exit(1),
            other => panic!("no such lie: {other:?}"),
        }
    }

    fn ask_for_a_name(&mut self, number: u64) {
        if let Some(left) = self.names.checked_sub(1) {
            self.names = left;
            self.ask(number, "n", &format!("name{left}@example.org"), "password");
        }
    }

    fn garbage(&mut self, whom: &str, length: u32) {
        let bytes = vec![0xee; length as usize];
        let socket = match whom {
            "auth" => self.auth.as_ref().map(|auth| auth.channel.as_fd()),
            _ => self
                .director
                .as_ref()
                .map(|director| director.channel.as_fd()),
        };
        let sent = socket.map(|socket| {
            let flags = rustix::net::SendFlags::NOSIGNAL;
            rustix::net::send(socket, &bytes, flags)
        });
        assert!(sent.is_some(), "{whom} is not there");
    }

    fn ask(&mut self, number: u64, tag: &str, name: &str, password: &str) {
        let plain = format!("\0{name}\0{password}");
        let said = Secret::new(plain.into_bytes()).expect("short");
        self.ask_by(number, tag, Mechanism::Plain, said);
    }

    fn ask_by(
        &mut self,
        number: u64,
        tag: &str,
        mechanism: Mechanism,
        response: Secret<SASL_BYTES_MAX>,
    ) {
        let Some(client) = self.clients.get(&number) else {
            return;
        };
        let nonce = draw();
        let message = ToAuth::Begin {
            nonce,
            front: client.front,
            cookie: client.cookie,
            protocol: Protocol::Imap,
            mechanism,
            response,
        };
        let Some(auth) = &mut self.auth else {
            return client.line.say(&format!("{tag} NO auth is not there"));
        };
        self.asked.insert(nonce, (number, tag.to_owned()));
        let _cut_off = auth.channel.send(message);
        insist(auth);
    }

    fn hand_over(&mut self, number: u64, nonce: Nonce, tag: &str) {
        let (Some(client), Some(director)) = (self.clients.get(&number), &mut self.director) else {
            return;
        };
        let work = Work::Session {
            protocol: Protocol::Imap,
            transport: Transport::Tls { version: 0x0304 },
            tag: Bytes::new(tag).expect("short"),
            utf8: false,
            mechanisms: Bytes::default(),
            leftover: Bytes::default(),
        };
        let socket = client.line.as_fd().try_clone_to_owned();
        let socket = socket.expect("a descriptor");
        let message = handover::ToDirector::HandOver {
            nonce,
            work,
            socket,
        };
        let _cut_off = director.channel.send(message);
        insist(director);
    }

    fn hear_auth(&mut self) {
        for message in hear(&mut self.watch, &mut self.auth) {
            match message {
                ToLogin::Verified { nonce } => self.verified(nonce),
                ToLogin::Rejected { nonce, .. } => self.rejected(nonce),
                ToLogin::Challenge { .. } => {}
            }
        }
        if self.auth.is_none() {
            self.give_up();
            self.ask_for_another_auth();
        }
    }

    fn verified(&mut self, nonce: Nonce) {
        self.count.verified += 1;
        let Some((number, tag)) = self.asked.get(&nonce).cloned() else {
            return;
        };
        self.count.guessed += u32::from(tag == "n");
        let whose = self.thief.take().unwrap_or(number);
        if self.director.is_none() {
            return self.give_up();
        }
        self.hand_over(whose, nonce, &tag);
        if std::mem::take(&mut self.again) {
            self.hand_over(whose, nonce, &tag);
        }
        self.turn_away_from(whose);
    }

    fn rejected(&mut self, nonce: Nonce) {
        self.count.rejected += 1;
        match self.asked.remove(&nonce) {
            Some((number, tag)) if tag == "n" => self.ask_for_a_name(number),
            Some((number, tag)) => self.say(number, &format!("{tag} NO rejected")),
            None => {}
        }
    }

    fn hear_director(&mut self) {
        for message in hear(&mut self.watch, &mut self.director) {
            match message {
                ToAsker::Taken { nonce } => self.taken(nonce),
                ToAsker::Refused { nonce, .. } | ToAsker::Lost { nonce } => self.refused(nonce),
            }
        }
        if self.director.is_none() {
            self.give_up();
        }
    }

    /// As the real one does who has lost his channel; `director` does it for its askers.
    fn ask_for_another_auth(&mut self) {
        if let Some(instance) = self.auths_life.take() {
            let edge = Edge::LoginAuth;
            let torn = ToSupervisor::Torn { edge, instance };
            let _untold = self.supervisor.channel.send(torn);
        }
    }

    /// Nobody will answer any more.
    fn give_up(&mut self) {
        for (number, tag) in std::mem::take(&mut self.asked).into_values() {
            self.say(number, &format!("{tag} NO nobody answers"));
        }
    }

    fn taken(&mut self, nonce: Nonce) {
        let Some((number, _)) = self.asked.remove(&nonce) else {
            self.count.invented += 1;
            return;
        };
        self.count.taken += 1;
        match self.clients.get(&number) {
            Some(client) if client.keeps => client.line.say("* OK I am still here"),
            _ => self.part(number),
        }
    }

    fn refused(&mut self, nonce: Nonce) {
        self.count.refused += 1;
        if let Some((number, tag)) = self.asked.remove(&nonce) {
            self.say(number, &format!("{tag} NO refused"));
            self.listen_to_all();
        }
    }

    /// To those as well whose hand-over has failed.
    fn listen_to_all(&mut self) {
        let unheard = self
            .clients
            .iter()
            .filter(|(_, client)| client.watched.is_none() && !client.keeps);
        let unheard: Vec<u64> = unheard.map(|(number, _)| *number).collect();
        unheard.into_iter().for_each(|number| self.listen(number));
    }
}

/// What a peer has said; who has gone is forgotten.
fn hear<Tx: Message, Rx: Message>(
    watch: &mut Watch<Peer>,
    slot: &mut Option<Registered<Tx, Rx>>,
) -> Vec<Rx> {
    let Some(peer) = slot else {
        return Vec::new();
    };
    let (messages, open) = turn(peer);
    if open.is_err() {
        slot.take().iter().for_each(|gone| watch.forget(gone));
    }
    messages
}

/// Waits until everything has been sent, lest its own queue be too full for its lies.
fn insist<Tx: Message, Rx: Message>(peer: &mut Registered<Tx, Rx>) {
    while peer.channel.wants_to_send() && peer.channel.flush().is_ok() {
        std::hint::spin_loop();
    }
}

/// Says the same until it is cut off, and never reads.
fn flood<Tx: Message, Rx: Message>(slot: &mut Option<Registered<Tx, Rx>>, say: impl Fn() -> Tx) {
    const TIMES_MAX: u32 = 20_000;
    if let Some(peer) = slot {
        let _cut_off = (0..TIMES_MAX).find(|_| peer.channel.send(say()).is_err());
    }
}

fn question(cookie: Cookie, front: Instance) -> ToAuth {
    ToAuth::Begin {
        nonce: draw(),
        front,
        cookie,
        protocol: Protocol::Imap,
        mechanism: Mechanism::Plain,
        response: Secret::new(b"\0nobody\0nothing".to_vec()).expect("short"),
    }
}

fn draw() -> Nonce {
    Nonce::draw().expect("random bytes")
}
