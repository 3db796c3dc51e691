//! One running set.

use crate::binaries;
use crate::directory::{Directory, number};
use crate::record;
use crate::session::{PATIENCE, Session};
use crate::trace::{Host, To};
use rustix::process::{Pid, Signal};
use rustls::pki_types::CertificateDer;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// IMAP, in the clear until STARTTLS.
pub const IMAP: u16 = 10143;
/// IMAP over TLS.
pub const IMAPS: u16 = 10993;
/// POP3, in the clear until STLS.
pub const POP3: u16 = 10110;
/// POP3 over TLS.
pub const POP3S: u16 = 10995;
/// LMTP over TCP.
pub const LMTP: u16 = 10024;

/// How long the whole set may take to start or stop.
const START: Duration = Duration::from_secs(60);

/// What every account's password is, unless a test says otherwise.
pub const PASSWORD: &str = "correct horse battery";

/// One running set; it is ended when this goes.
#[derive(Debug)]
pub struct Set {
    child: Child,
    directory: Option<Directory>,
    address: Ipv4Addr,
    certificate: CertificateDer<'static>,
    log: File,
}

/// How a set ended that didn't start.
#[derive(Debug)]
pub struct Failed {
    /// Its exit code, if no signal ended it.
    pub code: Option<i32>,
    /// All that it said.
    pub log: String,
    /// Whether anything still waits for clients.
    pub listens: bool,
}

impl Set {
    /// Starts one with the tests' configuration.
    #[must_use]
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts one with further lines of configuration, of which the first may go on with
    /// `[accounts]`.
    #[must_use]
    pub fn with(further: &str) -> Self {
        Self::edited(&binaries::program("mailkeep"), further, |_, text| text)
    }

    /// Starts one of these programs, with a configuration that was made another, and
    /// whatever files that names.
    #[must_use]
    pub fn edited(
        mailkeep: &Path,
        further: &str,
        edit: impl FnOnce(&Directory, String) -> String,
    ) -> Self {
        let directory = Directory::new();
        let address = own_address();
        let certificate = write_certificate(&directory, address);
        let text = edit(&directory, configuration(&directory, address, further));
        let _ = directory.write("mailkeep.toml", text);
        let mut set = Self::begin(directory, address, certificate, &mailkeep.into(), &[]);
        let up = set.comes_up();
        assert!(up, "the set did not start:\n{}", set.log());
        set
    }

    /// Starts one that keeps its mail in another directory.
    #[must_use]
    pub fn on(state: &Path) -> Self {
        let directory = Directory::new();
        let address = own_address();
        let certificate = write_certificate(&directory, address);
        let own = format!("{}", directory.path().join("state").display());
        let elsewhere = state.join("state").display().to_string();
        let text = configuration(&directory, address, "").replace(&own, &elsewhere);
        let _ = directory.write("mailkeep.toml", text);
        Self::launch(directory, address, certificate)
    }

    /// Stops it as an operator would, and starts it again with what it keeps.
    ///
    /// # Panics
    /// If it doesn't stop or start.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.end();
        let directory = self.directory.take().expect("a running set has one");
        Self::launch(directory, self.address, self.certificate.clone())
    }

    /// Starts one through another program, which executes what its further arguments
    /// say.
    ///
    /// # Errors
    /// The log, if the set doesn't start.
    pub fn through(before: &[OsString], further: &str) -> Result<Self, String> {
        let directory = Directory::new();
        let address = own_address();
        let certificate = write_certificate(&directory, address);
        let _ = directory.write("mailkeep.toml", configuration(&directory, address, further));
        let mut set = Self::begin(directory, address, certificate, &mailkeep(), before);
        if set.comes_up() {
            Ok(set)
        } else {
            Err(set.log())
        }
    }

    /// Starts one through another program, and waits for the end that it is to come to
    /// by itself.
    ///
    /// # Panics
    /// If it doesn't end.
    #[must_use]
    pub fn failing(before: &[OsString], further: &str) -> Failed {
        let directory = Directory::new();
        let address = own_address();
        let certificate = write_certificate(&directory, address);
        let _ = directory.write("mailkeep.toml", configuration(&directory, address, further));
        let mailkeep = binaries::program("mailkeep").into_os_string();
        let mut set = Self::begin(directory, address, certificate, &mailkeep, before);
        let mut code = None;
        let ended = wait_for(START, || {
            let status = set.child.try_wait().expect("our child");
            code = status.and_then(|status| status.code());
            status.is_some()
        });
        assert!(ended, "it serves:\n{}", set.log());
        Failed {
            code,
            log: set.log(),
            listens: set.listens(),
        }
    }

    /// Whether anybody still waits at one of its sockets.
    fn listens(&self) -> bool {
        let ports = [IMAP, IMAPS, POP3, POP3S, LMTP].map(|port| self.at(port));
        let control = self.directory().path().join("control.sock");
        ports.iter().any(|port| TcpStream::connect(port).is_ok())
            || self.lmtp_socket().exists()
            || control.exists()
    }

    /// Starts one whose programs lie in another directory.
    ///
    /// # Panics
    /// If it doesn't start; with its log.
    #[must_use]
    pub fn of(programs: &Path, further: &str) -> Self {
        Self::edited(&programs.join("mailkeep"), further, |_, text| text)
    }

    /// # Panics
    /// If it doesn't start; with its log.
    fn launch(
        directory: Directory,
        address: Ipv4Addr,
        certificate: CertificateDer<'static>,
    ) -> Self {
        let mut set = Self::begin(directory, address, certificate, &mailkeep(), &[]);
        let up = set.comes_up();
        assert!(up, "the set did not start:\n{}", set.log());
        set
    }

    fn begin(
        directory: Directory,
        address: Ipv4Addr,
        certificate: CertificateDer<'static>,
        mailkeep: &OsString,
        before: &[OsString],
    ) -> Self {
        let log = directory.path().join("log");
        let log = File::options()
            .create(true)
            .read(true)
            .append(true)
            .open(log)
            .expect("the directory is ours");
        let mut words = record::through();
        words.extend_from_slice(before);
        words.push(mailkeep.clone());
        let child = Command::new(&words[0])
            .args(&words[1..])
            .args(["run", "--config"])
            .arg(directory.path().join("mailkeep.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log.try_clone().expect("a file"))
            .spawn()
            .expect("mailkeep starts");
        Self {
            child,
            directory: Some(directory),
            address,
            certificate,
            log,
        }
    }

    fn comes_up(&mut self) -> bool {
        let mut up = false;
        wait_for(START, || {
            up = self.mailkeep(&["status"]).status.success();
            up || self.child.try_wait().expect("our child").is_some()
        });
        up
    }

    /// Everything that the set has logged.
    ///
    /// # Panics
    /// If the log can't be read.
    #[must_use]
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        let mut log = &self.log;
        log.rewind().expect("a file");
        log.read_to_end(&mut text).expect("a file");
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Where the set keeps everything.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory().path().join("state")
    }

    /// A directory for the test's own files.
    ///
    /// # Panics
    /// Never while the set runs.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        self.directory.as_ref().expect("a running set has one")
    }

    /// The configuration file.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.directory().path().join("mailkeep.toml")
    }

    /// The certificate in PEM, for clients that want a file.
    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.directory().path().join("certificate.pem")
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The host that it listens on.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A port of it.
    #[must_use]
    pub fn at(&self, port: u16) -> SocketAddr {
        (self.address, port).into()
    }

    /// The Unix socket for a local MTA.
    #[must_use]
    pub fn lmtp_socket(&self) -> PathBuf {
        self.directory().path().join("lmtp.sock")
    }

    /// The supervisor's pid.
    #[must_use]
    pub fn supervisor(&self) -> u32 {
        self.child.id()
    }

    /// Runs the `mailkeep` command against this set.
    #[must_use]
    pub fn mailkeep(&self, arguments: &[&str]) -> Output {
        self.mailkeep_with(arguments, "")
    }

    /// Runs the `mailkeep` command with something on its standard input.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn mailkeep_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(binaries::program("mailkeep"))
            .arg("--socket")
            .arg(self.directory().path().join("control.sock"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mailkeep runs");
        // A command that has ended without reading is judged by its exit.
        let _ = command
            .stdin
            .take()
            .expect("piped")
            .write_all(input.as_bytes());
        command.wait_with_output().expect("mailkeep ends")
    }

    /// Adds an account with the tests' [`PASSWORD`].
    ///
    /// # Panics
    /// If it can't be added.
    pub fn add_user(&self, name: &str) {
        let added = self.mailkeep_with(&["user", "add", name], PASSWORD);
        assert!(
            added.status.success(),
            "{name}: {}\n{}",
            text(&added),
            self.log()
        );
    }

    /// `mailkeep status --json`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        let output = self.mailkeep(&["status", "--json"]);
        assert!(output.status.success(), "{}", text(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The pid of a kind of process.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn pid(&self, process: &str) -> u32 {
        let status = self.status();
        let processes = status["processes"].as_array().expect("an array");
        let found = processes.iter().find(|one| one["process"] == process);
        let pid = found.unwrap_or_else(|| panic!("no {process} in {status}"))["pid"].as_u64();
        pid.and_then(|pid| u32::try_from(pid).ok()).expect("a pid")
    }

    /// The pids of the living workers: the children of `broker`.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        crate::proc::children(self.pid("broker"))
    }

    /// An IMAP connection in the clear, the greeting read.
    #[must_use]
    pub fn imap(&self) -> Session {
        greeted(Session::clear(self.at(IMAP)), "* OK")
    }

    /// An IMAP connection over TLS, the greeting read.
    #[must_use]
    pub fn imaps(&self) -> Session {
        greeted(Session::tls(self.at(IMAPS), &self.certificate), "* OK")
    }

    /// A POP3 connection in the clear, the greeting read.
    #[must_use]
    pub fn pop3(&self) -> Session {
        greeted(Session::clear(self.at(POP3)), "+OK")
    }

    /// A POP3 connection over TLS, the greeting read.
    #[must_use]
    pub fn pop3s(&self) -> Session {
        greeted(Session::tls(self.at(POP3S), &self.certificate), "+OK")
    }

    /// An authenticated IMAP session over TLS.
    #[must_use]
    pub fn login(&self, name: &str) -> Session {
        let mut session = self.imaps();
        session.ok(&format!("login LOGIN {name} \"{PASSWORD}\""));
        session
    }

    /// As [`Self::login`], if anybody serves the account now.
    #[must_use]
    pub fn try_login(&self, name: &str) -> Option<Session> {
        let mut session = Session::tls(self.at(IMAPS), &self.certificate);
        session.read_line()?;
        let login = format!("a LOGIN {name} \"{PASSWORD}\"\r\n");
        session.try_send(login.as_bytes()).ok()?;
        loop {
            let line = session.read_line()?;
            if line.starts_with("a ") {
                return line.starts_with("a OK").then_some(session);
            }
        }
    }

    /// An LMTP connection over TCP, the greeting read.
    #[must_use]
    pub fn lmtp(&self) -> Session {
        greeted(Session::clear(self.at(LMTP)), "220 ")
    }

    /// Delivers a letter over LMTP and gives the last reply.
    ///
    /// # Panics
    /// If LMTP's dialogue goes another way.
    pub fn deliver(&self, recipient: &str, letter: &str) -> String {
        let mut session = self.lmtp();
        session.line("LHLO test.example");
        while session
            .read_line()
            .expect("an answer to LHLO")
            .starts_with("250-")
        {}
        for command in [
            "MAIL FROM:<sender@example.net>",
            &format!("RCPT TO:<{recipient}>"),
            "DATA",
        ] {
            session.line(command);
            let reply = session.read_line().expect("a reply");
            assert!(
                reply.starts_with('2') || reply.starts_with('3'),
                "{command}: {reply}"
            );
        }
        session.send(letter.as_bytes());
        session.send(b"\r\n.\r\n");
        session.read_line().expect("a reply to the letter")
    }

    /// Ends the set as an operator would, and gives its log.
    ///
    /// # Panics
    /// If it doesn't end in time or not with success.
    #[must_use]
    pub fn stop(mut self) -> String {
        self.end();
        self.log()
    }

    fn end(&mut self) {
        self.signal(Signal::TERM);
        let mut status = None;
        let ended = wait_for(START, || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        let clean = ended && status.is_some_and(|status| status.success());
        assert!(clean, "{status:?}:\n{}", self.log());
    }

    /// Sends the supervisor a signal.
    pub fn signal(&self, signal: Signal) {
        signal_pid(self.child.id(), signal);
    }
}

impl Host for Set {
    fn name(&self) -> &'static str {
        "mailkeep"
    }

    fn connect(&self, to: To) -> Session {
        match to {
            To::Imap => Session::clear(self.at(IMAP)),
            To::Imaps => Session::tls(self.at(IMAPS), &self.certificate),
            To::Pop3 => Session::clear(self.at(POP3)),
            To::Pop3s => Session::tls(self.at(POP3S), &self.certificate),
            To::Lmtp => Session::clear(self.at(LMTP)),
        }
    }

    fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            if !wait_for(PATIENCE, || !matches!(self.child.try_wait(), Ok(None))) {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        if std::thread::panicking() && self.directory.is_some() {
            eprintln!("the set's log:\n{}", self.log());
        }
    }
}

/// Sends a process a signal; one that has ended needs none.
pub fn signal_pid(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let _ = pid.map(|pid| rustix::process::kill_process(pid, signal));
}

/// Looks again and again until something holds or the time is over.
pub fn wait_for(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    holds()
}

/// What a command said.
#[must_use]
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn mailkeep() -> OsString {
    binaries::program("mailkeep").into_os_string()
}

fn greeted(mut session: Session, with: &str) -> Session {
    let greeting = session.read_line().expect("a greeting");
    assert!(greeting.starts_with(with), "{greeting}");
    session
}

/// The port by which an address is claimed: nothing else waits there.
const CLAIM: u16 = 10999;

/// How many addresses are looked at before we give up: more than all sets of one run.
const ADDRESSES_MAX: u32 = 4096;

/// An address of 127.0.0.0/8 that no other set has, in whichever test program.
///
/// A socket on it, held until this program ends, is the claim: numbers made of process
/// ids would come round again, and two sets on one address answer for each other.
pub(crate) fn own_address() -> Ipv4Addr {
    static CLAIMS: Mutex<Vec<TcpListener>> = Mutex::new(Vec::new());
    let first = std::process::id() << 6;
    let (address, claim) = (0..ADDRESSES_MAX)
        .map(|_| loopback(first.wrapping_add(number())))
        .find_map(|address| Some((address, TcpListener::bind((address, CLAIM)).ok()?)))
        .expect("an address that nobody has");
    CLAIMS.lock().expect("nobody panics with it").push(claim);
    address
}

/// An address of 127.0.0.0/8 of this number, neither the usual one nor a broadcast.
fn loopback(number: u32) -> Ipv4Addr {
    let [_, high, middle, low] = number.to_be_bytes();
    Ipv4Addr::new(127, high.max(1), middle, low.clamp(1, 254))
}

pub(crate) fn write_certificate(
    directory: &Directory,
    address: Ipv4Addr,
) -> CertificateDer<'static> {
    let names = vec!["localhost".to_owned(), address.to_string()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let _ = directory.write("certificate.pem", made.cert.pem());
    let key = directory.write("key.pem", made.signing_key.serialize_pem());
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(key, owner_only).expect("it is ours");
    made.cert.der().clone()
}

fn configuration(directory: &Directory, address: Ipv4Addr, further: &str) -> String {
    let at = |name: &str| directory.path().join(name).display().to_string();
    let further = further.replace("ADDRESS", &address.to_string());
    let uid = rustix::process::geteuid().as_raw();
    let without = if uid == 0 || further.contains("[confinement]") {
        ""
    } else {
        "[confinement]\nwithout = [\"separate-uids\"]\n"
    };
    format!(
        r#"
[store]
directory = "{state}"
[tls]
certificates = "{certificate}"
key = "{key}"
[admin]
socket = "{control}"
uids = [{uid}]
[passwords]
memory = "8 MiB"
passes = 1
[[listen]]
protocol = "imap"
address = "{address}:{IMAP}"
tls = "starttls"
[[listen]]
protocol = "imap"
address = "{address}:{IMAPS}"
tls = "immediate"
[[listen]]
protocol = "pop3"
address = "{address}:{POP3}"
tls = "starttls"
[[listen]]
protocol = "pop3"
address = "{address}:{POP3S}"
tls = "immediate"
[[listen]]
protocol = "lmtp"
address = "{address}:{LMTP}"
tls = "starttls"
[[listen]]
protocol = "lmtp"
address = "{lmtp}"
{without}
[accounts]
domains = ["example.org", "example.com"]
detail = "+"
{further}
"#,
        state = at("state"),
        certificate = at("certificate.pem"),
        key = at("key.pem"),
        control = at("control.sock"),
        lmtp = at("lmtp.sock"),
    )
}

/// The workspace's root, for tests that read the repository itself.
///
/// # Panics
/// Never: tests/ lies in the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    static WORKSPACE: OnceLock<PathBuf> = OnceLock::new();
    WORKSPACE.get_or_init(|| match std::env::var_os("MAILKEEP_WORKSPACE") {
        Some(copy) => copy.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("tests/ lies in the workspace")
            .to_owned(),
    })
}
