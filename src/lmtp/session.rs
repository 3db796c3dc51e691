//! One dialogue with an MTA (RFC 2033), without any input or output of its own.
//!
//! Bytes go in, [`Step`]s come out for whoever does the work, and replies
//! collect in a buffer that is to be written before anything is waited for.
//! Invariants: every RCPT that was accepted gets exactly one reply behind the
//! letter's end, in order; 250 is said only when the caller says that the letter
//! is kept. After STARTTLS a new `Session` begins: this one has no way back.

use ipc::edge::lmtp_auth::Standing;
use wire::Address;
use wire::lmtp::{
    Command, Event, Extension, ForwardPath, LineFault, MailParameters, Reader, Reply, ReversePath,
};

/// Mistakes of one peer before it is sent away: an MTA makes none.
pub const MISTAKES_MAX: u32 = 20;

/// What holds for every session until the next reload.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Our name.
    pub hostname: String,
    /// The largest letter, in bytes.
    pub message_bytes_max: u64,
    /// Recipients of one letter.
    pub recipients_max: usize,
}

/// How the client came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// It speaks TLS already.
    pub tls: bool,
    /// It may ask for TLS.
    pub may_start_tls: bool,
    /// It just did, so that it is not greeted again (RFC 3207, section 4.2).
    pub after_starttls: bool,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'i> {
    /// Read more.
    More,
    /// Find out who this is, then say [`Session::found`].
    Look(Address),
    /// A letter begins.
    Begin,
    /// Its next bytes. If they can't be kept, say [`Session::cannot_keep`].
    Bytes(&'i [u8]),
    /// The letter is whole: deliver it, then [`Session::answer`] for each
    /// recipient in order.
    Deliver(Envelope),
    /// The letter is not to be delivered.
    Forget,
    /// Write what there is to write, and make way for TLS.
    StartTls,
    /// Write what there is to write, and close.
    Close,
}

/// Who a letter is from, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the peer calls itself.
    pub peer: String,
    /// The sender.
    pub from: ReversePath,
    /// Whether addresses may be in UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// The recipients that were accepted; never empty.
    pub recipients: Vec<Address>,
}

/// Why the rest of a letter is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotKeep {
    /// The disk, or the spool's share of it, is full.
    NoRoom,
    /// The kernel failed us.
    Failed,
}

impl CannotKeep {
    /// What each recipient is answered.
    #[must_use]
    pub fn reply(self) -> Reply<'static> {
        match self {
            Self::NoRoom => Reply::NoRoom,
            Self::Failed => Reply::TryLater,
        }
    }
}

/// One dialogue; see the module.
pub struct Session<'r> {
    rules: &'r Rules,
    way: Way,
    reader: Reader,
    state: State,
    mistakes: u32,
    out: Vec<u8>,
}

enum State {
    /// Nobody has said LHLO.
    Unknown,
    /// Between letters.
    Idle { peer: String },
    /// MAIL was accepted.
    Mail(Envelope),
    /// RCPT was asked for; `auth` is looking.
    Looking(Envelope, Address),
    /// 354 was said.
    Letter(Letter),
    /// Over.
    Closed,
}

struct Letter {
    envelope: Envelope,
    bytes: u64,
    /// What every recipient is to be answered at the end instead of a delivery.
    refusal: Option<Reply<'static>>,
}

impl<'r> Session<'r> {
    /// A session that has greeted, if it is to.
    #[must_use]
    pub fn new(rules: &'r Rules, way: Way) -> Self {
        let mut session = Self {
            rules,
            way,
            reader: Reader::new(),
            state: State::Unknown,
            mistakes: 0,
            out: Vec::new(),
        };
        if !way.after_starttls {
            session.say(Reply::Greeting {
                host: &rules.hostname,
            });
        }
        session
    }

    /// Consumes input up to the next step. [`Step::More`] means that it is used up.
    pub fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Step<'i> {
        loop {
            if matches!(self.state, State::Closed) {
                return Step::Close;
            }
            let Some(event) = self.reader.advance(input) else {
                return Step::More;
            };
            let step = match event {
                Event::Command(command) => self.command(command),
                Event::Refused(why) => self.mistake(Reply::Refused(why)),
                Event::Data(bytes) => self.bytes(bytes),
                Event::DataEnd(how) => self.end_of_letter(how),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// What is to be written.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Bytes to be written.
    #[must_use]
    pub fn output_bytes(&self) -> usize {
        self.out.len()
    }

    /// The answer to [`Step::Look`].
    pub fn found(&mut self, standing: Standing) {
        let State::Looking(mut envelope, address) = self.take_state() else {
            return;
        };
        match standing {
            Standing::Deliverable => {
                envelope.recipients.push(address);
                self.say(Reply::RecipientOk);
            }
            Standing::Unknown => self.say(Reply::NoSuchUser),
            Standing::Disabled => self.say(Reply::UserDisabled),
            Standing::Unavailable => self.say(Reply::TryLater),
        }
        self.state = State::Mail(envelope);
    }

    /// The letter's bytes could not be kept. The rest of it is read and dropped.
    pub fn cannot_keep(&mut self, why: CannotKeep) {
        self.refuse_letter(why.reply());
    }

    /// What became of the letter for the next recipient.
    pub fn answer(&mut self, reply: Reply<'_>) {
        self.say(reply);
    }

    /// Ends the dialogue from our side.
    pub fn end(&mut self, why: Reply<'_>) {
        self.say(why);
        self.state = State::Closed;
    }

    fn command(&mut self, command: Command) -> Option<Step<'static>> {
        match command {
            Command::Lhlo(peer) => self.lhlo(peer),
            Command::Mail { from, parameters } => return self.mail(from, parameters),
            Command::Rcpt {
                to: ForwardPath(address),
            } => return self.rcpt(address),
            Command::Data => return self.data(),
            Command::Rset => self.reset(),
            Command::Noop => self.say(Reply::Done),
            Command::Vrfy => self.say(Reply::CannotVerify),
            Command::StartTls => return self.starttls(),
            Command::Quit => self.end(Reply::Bye),
        }
        None
    }

    fn lhlo(&mut self, peer: String) {
        let mut extensions = vec![
            Extension::Pipelining,
            Extension::EightBitMime,
            Extension::SmtpUtf8,
            Extension::EnhancedStatusCodes,
            Extension::Size(self.rules.message_bytes_max),
        ];
        if self.way.may_start_tls {
            extensions.push(Extension::StartTls);
        }
        self.say(Reply::Lhlo {
            host: &self.rules.hostname,
            extensions: &extensions,
        });
        self.state = State::Idle { peer };
    }

    fn mail(&mut self, from: ReversePath, parameters: MailParameters) -> Option<Step<'static>> {
        let State::Idle { peer } = &self.state else {
            return self.mistake(Reply::BadSequence);
        };
        if parameters.size > Some(self.rules.message_bytes_max) {
            self.say(Reply::TooLarge);
            return None;
        }
        let (peer, smtputf8) = (peer.clone(), parameters.smtputf8);
        self.state = State::Mail(Envelope {
            peer,
            from,
            smtputf8,
            recipients: Vec::new(),
        });
        self.say(Reply::SenderOk);
        None
    }

    fn rcpt(&mut self, address: Address) -> Option<Step<'static>> {
        let State::Mail(envelope) = &self.state else {
            return self.mistake(Reply::BadSequence);
        };
        if envelope.recipients.len() >= self.rules.recipients_max {
            self.say(Reply::TooManyRecipients);
            return None;
        }
        if !envelope.smtputf8 && !address.is_ascii() {
            self.say(Reply::SmtpUtf8Missing);
            return None;
        }
        if let State::Mail(envelope) = self.take_state() {
            self.state = State::Looking(envelope, address.clone());
        }
        Some(Step::Look(address))
    }

    /// RFC 2033, section 4.2: without a recipient DATA must fail, so that there
    /// is never a letter without replies.
    fn data(&mut self) -> Option<Step<'static>> {
        match self.take_state() {
            State::Mail(envelope) if !envelope.recipients.is_empty() => {
                self.state = State::Letter(Letter {
                    envelope,
                    bytes: 0,
                    refusal: None,
                });
                self.reader.begin_data();
                self.say(Reply::SendLetter);
                Some(Step::Begin)
            }
            state @ State::Mail(_) => {
                self.state = state;
                self.mistake(Reply::NoRecipients)
            }
            state => {
                self.state = state;
                self.mistake(Reply::BadSequence)
            }
        }
    }

    fn reset(&mut self) {
        if let State::Mail(envelope) = &self.state {
            self.state = State::Idle {
                peer: envelope.peer.clone(),
            };
        }
        self.say(Reply::Done);
    }

    fn starttls(&mut self) -> Option<Step<'static>> {
        if self.way.tls {
            return self.mistake(Reply::BadSequence);
        }
        if !self.way.may_start_tls {
            self.say(Reply::TlsUnavailable);
            return None;
        }
        self.say(Reply::BeginTls);
        self.state = State::Closed;
        Some(Step::StartTls)
    }

    fn bytes<'i>(&mut self, bytes: &'i [u8]) -> Option<Step<'i>> {
        let State::Letter(letter) = &mut self.state else {
            return None;
        };
        letter.bytes = letter.bytes.saturating_add(bytes.len() as u64);
        if letter.refusal.is_some() {
            return None;
        }
        if letter.bytes > self.rules.message_bytes_max {
            self.refuse_letter(Reply::TooLarge);
            return Some(Step::Forget);
        }
        Some(Step::Bytes(bytes))
    }

    fn refuse_letter(&mut self, reply: Reply<'static>) {
        if let State::Letter(letter) = &mut self.state {
            letter.refusal = Some(reply);
        }
    }

    fn end_of_letter(&mut self, how: Result<(), LineFault>) -> Option<Step<'static>> {
        let State::Letter(Letter {
            envelope, refusal, ..
        }) = self.take_state()
        else {
            return None;
        };
        self.state = State::Idle {
            peer: envelope.peer.clone(),
        };
        let refusal = how.err().map(|_| Reply::BareLineEnd).or(refusal);
        let Some(reply) = refusal else {
            return Some(Step::Deliver(envelope));
        };
        for _ in &envelope.recipients {
            self.say(reply);
        }
        if how.is_err() {
            // A peer that writes such lines may see the letter's end elsewhere.
            self.state = State::Closed;
        }
        Some(Step::Forget)
    }

    fn mistake(&mut self, reply: Reply<'_>) -> Option<Step<'static>> {
        self.say(reply);
        self.mistakes = self.mistakes.saturating_add(1);
        if self.mistakes >= MISTAKES_MAX {
            self.end(Reply::TooManyErrors);
        }
        None
    }

    fn say(&mut self, reply: Reply<'_>) {
        reply.render(&mut self.out);
    }

    fn take_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Closed)
    }
}

#[cfg(test)]
mod tests {
    //! Dialogues in `traces/*.txt`, which say in their first lines how they are
    //! read.

    use super::*;
    use std::fs;
    use std::path::PathBuf;

    fn rules() -> Rules {
        Rules {
            hostname: "mail.example.org".into(),
            message_bytes_max: 1000,
            recipients_max: 3,
        }
    }

    /// Who is who in the traces, by the local part.
    fn standing(address: &Address) -> Standing {
        match address.local() {
            "nobody" => Standing::Unknown,
            "disabled" => Standing::Disabled,
            "unavailable" => Standing::Unavailable,
            _ => Standing::Deliverable,
        }
    }

    fn delivery(address: &Address) -> Reply<'static> {
        match address.local() {
            "full" => Reply::OverQuota,
            "crashing" => Reply::TryLater,
            _ => Reply::Delivered,
        }
    }

    /// What is said, if the client's bytes come in these pieces. Ends with `(closed)`
    /// or `(TLS)`, if the server ends it so.
    fn dialogue(way: Way, pieces: &[&[u8]], disk_is_full: bool) -> String {
        let rules = rules();
        let mut session = Session::new(&rules, way);
        let mut said = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            loop {
                let step = session.advance(&mut input);
                said.extend(session.take_output());
                match step {
                    Step::More => break,
                    Step::Look(address) => session.found(standing(&address)),
                    Step::Bytes(_) if disk_is_full => session.cannot_keep(CannotKeep::NoRoom),
                    Step::Begin | Step::Bytes(_) | Step::Forget => {}
                    Step::Deliver(envelope) => {
                        envelope
                            .recipients
                            .iter()
                            .for_each(|to| session.answer(delivery(to)));
                    }
                    Step::StartTls => return finish(said, "(TLS)"),
                    Step::Close => return finish(said, "(closed)"),
                }
                said.extend(session.take_output());
            }
        }
        finish(said, "")
    }

    fn finish(said: Vec<u8>, end: &str) -> String {
        String::from_utf8(said).unwrap() + end
    }

    struct Trace {
        way: Way,
        disk_is_full: bool,
        client: Vec<u8>,
        server: String,
    }

    /// Escapes of the traces: `\r`, `\n`, `\0`, `\xNN`, `\\`, and `\` at the end
    /// of a line for one without CRLF; `*N` behind a client's line repeats it.
    fn read(text: &str) -> Trace {
        let says = |remark: &str| text.lines().any(|line| line == remark);
        let tls = says("# over TLS");
        let mut trace = Trace {
            way: Way {
                tls,
                may_start_tls: !tls && !says("# without STARTTLS"),
                after_starttls: says("# after STARTTLS"),
            },
            disk_is_full: says("# the disk is full"),
            client: Vec::new(),
            server: String::new(),
        };
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match line.split_at(3) {
                ("C: ", said) => trace.client.extend(client_line(said)),
                ("S: ", "(closed)") => trace.server.push_str("(closed)"),
                ("S: ", "(TLS)") => trace.server.push_str("(TLS)"),
                ("S: ", said) => trace.server.push_str(&format!("{said}\r\n")),
                _ => panic!("neither C: nor S: but {line}"),
            }
        }
        trace
    }

    fn client_line(said: &str) -> Vec<u8> {
        let (said, times) = match said.rsplit_once(" *") {
            Some((said, times)) if times.parse::<usize>().is_ok() => (said, times.parse().unwrap()),
            _ => (said, 1),
        };
        let (said, end) = match said.strip_suffix('\\') {
            Some(said) if !said.ends_with('\\') => (said, ""),
            _ => (said, "\r\n"),
        };
        unescape(&format!("{said}{end}")).repeat(times)
    }

    fn unescape(said: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = said.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match (byte == b'\\').then(|| rest.next()).flatten() {
                None => byte,
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b'0') => 0,
                Some(b'\\') => b'\\',
                Some(b'x') => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                Some(other) => panic!("no escape: {other}"),
            });
        }
        bytes
    }

    fn traces() -> Vec<(PathBuf, Trace)> {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("traces");
        let mut traces: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), read(&fs::read_to_string(path).unwrap())))
            .collect();
        traces.sort_by(|a, b| a.0.cmp(&b.0));
        traces
    }

    #[test]
    fn every_trace_is_what_is_said() {
        let traces = traces();
        assert!(traces.len() >= 10);
        for (path, trace) in traces {
            let said = dialogue(trace.way, &[&trace.client], trace.disk_is_full);
            assert_eq!(said, trace.server, "in {}", path.display());
        }
    }

    #[test]
    fn a_trace_is_the_same_however_the_network_cuts_it() {
        for (path, trace) in traces() {
            let bytes: Vec<&[u8]> = trace.client.chunks(1).collect();
            let said = dialogue(trace.way, &bytes, trace.disk_is_full);
            assert_eq!(said, trace.server, "{} byte by byte", path.display());
            for cut in 0..trace.client.len().min(400) {
                let (first, second) = trace.client.split_at(cut);
                let said = dialogue(trace.way, &[first, second], trace.disk_is_full);
                assert_eq!(said, trace.server, "{} cut at {cut}", path.display());
            }
        }
    }

    #[test]
    fn what_is_behind_starttls_is_never_answered() {
        let way = Way {
            tls: false,
            may_start_tls: true,
            after_starttls: false,
        };
        let client = b"LHLO x\r\nSTARTTLS\r\nNOOP\r\nMAIL FROM:<evil@x>\r\n";
        let said = dialogue(way, &[client], false);
        assert!(said.ends_with("220 2.0.0 Begin TLS\r\n(TLS)"), "{said}");
    }
}
