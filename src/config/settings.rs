//! All that one configuration file decides, and what is decided where it is
//! silent.
//!
//! The values are the slices themselves; only what several slices share, or
//! what is decided by several keys, stands apart until [`crate::plan`] puts it
//! together.

use crate::mistake::Span;
use ipc::edge::config::{Address, PATH_BYTES_MAX, Supervision};
use ipc::slice::{
    Auth, Broker, Director, Folder, Front, Keyholder, Lmtp, LogLevel, Logging, Login,
    MessageLimits, Notice, Protocol, Quota, SpecialUse, TlsUse, Worker,
};
use ipc::{Bytes, List, Malformed};

/// One listener, and where the file says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// What is spoken.
    pub protocol: Protocol,
    /// Where.
    pub address: Address,
    /// When TLS begins.
    pub tls: TlsUse,
    /// Whether connections begin with a PROXY header.
    pub proxy: bool,
    /// Whether clients are asked for a certificate.
    pub client_certificates: bool,
    /// Its place in the file; empty for a default.
    pub span: Span,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the supervisor needs.
    pub supervision: Supervision,
    /// What every process logs.
    pub logging: Logging,
    /// Whether TLS 1.2 is allowed.
    pub tls12: bool,
    /// The PEM file of certificates.
    pub certificates: Option<Bytes<PATH_BYTES_MAX>>,
    /// The PEM file of the key.
    pub key: Option<Bytes<PATH_BYTES_MAX>>,
    /// The PEM file of those that sign clients' certificates.
    pub client_authorities: Option<Bytes<PATH_BYTES_MAX>>,
    /// The largest letter, from whichever side it comes.
    pub message_bytes_max: u64,
    /// Sessions of one account.
    pub sessions_per_account_max: u32,
    /// The listeners, if the file names any.
    pub listeners: Option<Vec<Listen>>,
    /// `front`'s slice.
    pub front: Front,
    /// `login`'s slice.
    pub login: Login,
    /// `auth`'s slice.
    pub auth: Auth,
    /// `director`'s slice.
    pub director: Director,
    /// A worker's slice.
    pub worker: Worker,
    /// `lmtp`'s slice.
    pub lmtp: Lmtp,
    /// Uids that may use the admin socket, if the file names any; else whoever
    /// started the set.
    pub admins: Option<List<u32, 16>>,
}

impl Settings {
    /// What an empty file decides.
    ///
    /// # Errors
    /// Never; the literals below fit their types, which only running them shows.
    pub fn defaults() -> Result<Self, Malformed> {
        let logging = Logging {
            level: LogLevel::Info,
            journal: false,
        };
        Ok(Self {
            supervision: supervision()?,
            tls12: false,
            certificates: None,
            key: None,
            client_authorities: None,
            message_bytes_max: 50 << 20,
            sessions_per_account_max: 50,
            listeners: None,
            front: front(&logging),
            login: login(&logging),
            auth: auth(&logging),
            director: director(&logging),
            worker: worker(&logging)?,
            lmtp: lmtp(&logging),
            admins: None,
            logging,
        })
    }

    /// `keyholder`'s slice.
    pub fn keyholder(&self) -> Keyholder {
        Keyholder { tls12: self.tls12 }
    }

    /// `broker`'s slice; in single mode every account has this one uid.
    pub fn broker(&self, single_uid: Option<u32>) -> Broker {
        match single_uid {
            Some(uid) => Broker {
                first_uid: uid,
                uids: 0,
            },
            None => Broker {
                first_uid: self.supervision.account_uid,
                uids: self.supervision.account_uids,
            },
        }
    }
}

/// Where a set with certificates listens by itself: the ports of RFC 8314,
/// RFC 9051 and RFC 1939, on both families, and a socket for the machine's own MTA.
pub fn default_listeners() -> Result<Vec<Listen>, crate::mistake::Objection> {
    const ADDRESSES: [(&str, Protocol, TlsUse); 9] = [
        ("0.0.0.0:143", Protocol::Imap, TlsUse::OnRequest),
        ("[::]:143", Protocol::Imap, TlsUse::OnRequest),
        ("0.0.0.0:993", Protocol::Imap, TlsUse::Immediate),
        ("[::]:993", Protocol::Imap, TlsUse::Immediate),
        ("0.0.0.0:110", Protocol::Pop3, TlsUse::OnRequest),
        ("[::]:110", Protocol::Pop3, TlsUse::OnRequest),
        ("0.0.0.0:995", Protocol::Pop3, TlsUse::Immediate),
        ("[::]:995", Protocol::Pop3, TlsUse::Immediate),
        ("/run/mailkeep/lmtp.sock", Protocol::Lmtp, TlsUse::Never),
    ];
    let listen = |(address, protocol, tls): (&str, Protocol, TlsUse)| {
        Ok(Listen {
            protocol,
            address: crate::value::address(address)?,
            tls,
            proxy: false,
            client_certificates: false,
            span: 0..0,
        })
    };
    ADDRESSES.into_iter().map(listen).collect()
}

fn supervision() -> Result<Supervision, Malformed> {
    let ranges = sandbox::IdRanges::default();
    Ok(Supervision {
        state: Bytes::new("/var/lib/mailkeep")?,
        control_socket: Bytes::new("/run/mailkeep/control.sock")?,
        process_uid: ranges.processes().0,
        account_uid: ranges.accounts().0,
        account_uids: ranges.accounts_count(),
        waivers: 0,
        fronts: 2,
        logins: 2,
        restart_milliseconds: 100,
    })
}

fn front(logging: &Logging) -> Front {
    Front {
        logging: logging.clone(),
        connections_max: 10_000,
        connections_per_prefix_max: 200,
        handshake_seconds: 30,
        tls12: false,
        proxies: List::default(),
    }
}

fn login(logging: &Logging) -> Login {
    Login {
        logging: logging.clone(),
        login_seconds: 120,
        sessions_max: 2_000,
        cleartext_on_loopback: false,
        starttls: false,
        scram: false,
        pop3_login_delay_seconds: 0,
    }
}

fn auth(logging: &Logging) -> Auth {
    Auth {
        logging: logging.clone(),
        domains: List::default(),
        detail_separator: Some(b'+'),
        remember_seconds: 300,
        failures_before_delay: 5,
        // RFC 9106 §4's second recommendation: 64 MiB, three passes.
        argon2_kib: 64 << 10,
        argon2_passes: 3,
        sessions_per_account_max: 0,
        scram: true,
        external: false,
        pop3_login_delay_seconds: 0,
    }
}

fn director(logging: &Logging) -> Director {
    Director {
        logging: logging.clone(),
        workers_max: 1_000,
        linger_seconds: 60,
    }
}

fn worker(logging: &Logging) -> Result<Worker, Malformed> {
    const FOLDERS: [(&str, SpecialUse); 5] = [
        ("Drafts", SpecialUse::Drafts),
        ("Sent", SpecialUse::Sent),
        ("Junk", SpecialUse::Junk),
        ("Trash", SpecialUse::Trash),
        ("Archive", SpecialUse::Archive),
    ];
    let folder = |(name, special_use)| {
        Ok(Folder {
            name: Bytes::new(name)?,
            special_use,
            subscribed: true,
        })
    };
    Ok(Worker {
        logging: logging.clone(),
        message_bytes_max: 0,
        // RFC 9051 §5.4: not below 30 minutes.
        idle_seconds: 30 * 60,
        sessions_max: 0,
        pop3_login_delay_seconds: 0,
        flag_sync_millis: 500,
        message_limits: MessageLimits::default(),
        quota: Quota::default(),
        notice: Notice::default(),
        folders: List::new(FOLDERS.into_iter().map(folder).collect::<Result<_, _>>()?)?,
    })
}

fn lmtp(logging: &Logging) -> Lmtp {
    Lmtp {
        logging: logging.clone(),
        hostname: Bytes::default(),
        message_bytes_max: 0,
        spool_bytes_max: 4 << 30,
        // RFC 5321 §4.5.3.1.8: at least 100.
        recipients_max: 1_000,
        sessions_max: 200,
        idle_seconds: 300,
        starttls: false,
    }
}
