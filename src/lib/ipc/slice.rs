//! Slices of the configuration: what each process is told, and no more.
//!
//! `mailkeep-config` reads the one TOML file and emits these; the supervisor
//! passes each to its process without looking inside. Times are in seconds or
//! milliseconds as their names say; sizes in bytes.

use crate::codec::{Bytes, List};
use crate::{choice, record};

/// The longest slice, in bytes: `auth`'s, with [`DOMAINS_MAX`] of the longest
/// domains.
pub const SLICE_BYTES_MAX: usize = 66 * 1024;

/// Networks in one list of the configuration.
pub const NETWORKS_MAX: usize = 64;

/// Folders that a new account gets.
pub const FOLDERS_MAX: usize = 32;

/// Bytes of each thing that the server says of itself: a line or two.
pub const NOTICE_BYTES_MAX: usize = 1024;

/// Local domains (`auth` compares each address with all of them).
pub const DOMAINS_MAX: usize = 256;

/// Bytes of a domain name (RFC 1035 §2.3.4).
pub const DOMAIN_BYTES_MAX: usize = 255;

choice! {
    /// Which protocol a listener or session speaks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Protocol {
        1 => Imap,
        2 => Pop3,
        3 => ManageSieve,
        4 => Lmtp,
        /// The admin socket; `edge::admin` is spoken there.
        5 => Admin,
    }
}

choice! {
    /// When a listener speaks TLS.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum TlsUse {
        /// Never; for a local MTA or tests.
        1 => Never,
        /// When the client asks (STARTTLS).
        2 => OnRequest,
        /// From the first byte.
        3 => Immediate,
    }
}

choice! {
    /// How much is logged.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum LogLevel {
        1 => Error,
        2 => Warn,
        3 => Info,
        4 => Debug,
    }
}

impl LogLevel {
    /// As `eventlog` counts: 1 error to 4 debug, as on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Error => 1,
            Self::Warn => 2,
            Self::Info => 3,
            Self::Debug => 4,
        }
    }
}

record! {
    /// Addresses that share their first `prefix` bits. IPv4 is mapped into IPv6
    /// (::ffff:a.b.c.d), so `prefix` counts from the mapped address.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Network {
        /// The first address.
        address: [u8; 16],
        /// How many leading bits count, 0 to 128.
        prefix: u8,
    }
}

impl Network {
    /// Whether an address lies in the network.
    #[must_use]
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        let mapped = match address {
            std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            std::net::IpAddr::V6(v6) => v6,
        };
        let shift = 128u32.saturating_sub(u32::from(self.prefix));
        let head = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
        head(u128::from(mapped)) == head(u128::from_be_bytes(self.address))
    }
}

record! {
    /// How one listener is to be served. Travels with the listening socket.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Listener {
        /// What is spoken there.
        protocol: Protocol,
        /// When TLS begins.
        tls: TlsUse,
        /// Whether each connection begins with a PROXY v2 header, which is
        /// believed from the configured networks only.
        proxy: bool,
        /// Whether clients are asked for a certificate, which they need not have.
        client_certificates: bool,
    }
}

record! {
    /// What every process is told.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Logging {
        /// How much is logged.
        level: LogLevel,
        /// Whether lines carry systemd's `<N>` priority instead of a time.
        journal: bool,
    }
}

record! {
    /// For `front`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Front {
        logging: Logging,
        /// Connections at once, in all.
        connections_max: u32,
        /// Connections at once from one /32 (IPv4) or /64 (IPv6).
        connections_per_prefix_max: u32,
        /// From the first byte to the end of the TLS handshake.
        handshake_seconds: u32,
        /// Whether TLS 1.2 is allowed beside 1.3.
        tls12: bool,
        /// Networks whose PROXY headers are believed.
        proxies: List<Network, NETWORKS_MAX>,
    }
}

record! {
    /// For `keyholder`. The key files travel beside it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Keyholder {
        /// Whether the key may sign for TLS 1.2, whose input cannot be checked.
        tls12: bool,
    }
}

record! {
    /// For `login`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Login {
        logging: Logging,
        /// From the start of the session to authentication.
        login_seconds: u32,
        /// Unauthenticated sessions at once in one `login` process; the oldest
        /// goes first.
        sessions_max: u32,
        /// Whether passwords may cross a cleartext connection from loopback.
        cleartext_on_loopback: bool,
        /// Whether STARTTLS can be offered (there is a certificate).
        starttls: bool,
        /// Whether SCRAM is offered.
        scram: bool,
        /// POP3: the least time between two logins of one account, to be
        /// announced. 0: none.
        pop3_login_delay_seconds: u32,
    }
}

record! {
    /// For `auth`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Auth {
        logging: Logging,
        /// Domains whose mail is kept here. The first is the default for bare
        /// login names.
        domains: List<Bytes<DOMAIN_BYTES_MAX>, DOMAINS_MAX>,
        /// Separates the detail in `user+detail@domain`; none: no details.
        detail_separator: Option<u8>,
        /// How long a success is remembered; 0: not at all.
        remember_seconds: u32,
        /// Failed attempts from one /32 or /64 within five minutes before
        /// answers slow down.
        failures_before_delay: u32,
        /// Argon2id: memory in KiB.
        argon2_kib: u32,
        /// Argon2id: passes.
        argon2_passes: u32,
        /// Sessions that one account may have at once.
        sessions_per_account_max: u32,
        /// Whether SCRAM's keys are kept beside the hash, and taken.
        scram: bool,
        /// Whether any listener asks for client certificates. If none does, no
        /// `front` can have seen one.
        external: bool,
        /// POP3: the least time between two logins of one account. 0: none.
        pop3_login_delay_seconds: u32,
    }
}

record! {
    /// For `director`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Director {
        logging: Logging,
        /// Workers alive at once.
        workers_max: u32,
        /// How long a worker stays after its last session.
        linger_seconds: u32,
    }
}

record! {
    /// For `broker`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Broker {
        /// The uid of account 0; an account's uid is this plus its id. In single
        /// mode it is the one uid of all.
        first_uid: u32,
        /// How many uids there are from there on. 0: single mode, one uid for all.
        uids: u32,
    }
}

choice! {
    /// RFC 6154's uses of a folder.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum SpecialUse {
        0 => None,
        1 => Archive,
        2 => Drafts,
        3 => Junk,
        4 => Sent,
        5 => Trash,
        6 => All,
        7 => Flagged,
        8 => Important,
    }
}

record! {
    /// A folder that a new account gets.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Folder {
        /// UTF-8, components separated by `/`, checked by `config`.
        name: Bytes<1024>,
        /// What it is for.
        special_use: SpecialUse,
        /// Whether it is subscribed.
        subscribed: bool,
    }
}

record! {
    /// How much an account may keep for which nothing else was decided.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Quota {
        /// Bytes of all its letters. None: no limit.
        bytes: Option<u64>,
        /// Messages in all its mailboxes.
        messages: Option<u64>,
        /// Mailboxes, INBOX among them.
        mailboxes: Option<u64>,
    }
}

record! {
    /// How many messages one IMAP command may take (RFC 9738).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct MessageLimits {
        /// Any command: MESSAGELIMIT. None: no limit.
        per_command: Option<u32>,
        /// COPY alone: SAVELIMIT. Of no meaning beside a limit of any command.
        per_copy: Option<u32>,
    }
}

record! {
    /// What the server says of itself to every user (RFC 5464 §6.2). Empty: nothing.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Notice {
        /// `/shared/admin`: a URI by which the administrator is reached.
        admin: Bytes<NOTICE_BYTES_MAX>,
        /// `/shared/comment`.
        comment: Bytes<NOTICE_BYTES_MAX>,
    }
}

record! {
    /// For every `worker`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Worker {
        logging: Logging,
        /// The largest letter that APPEND takes.
        message_bytes_max: u64,
        /// IMAP: how long a session may be silent (RFC 9051 §5.4: 30 minutes at
        /// least).
        idle_seconds: u32,
        /// Sessions of this account at once.
        sessions_max: u32,
        /// POP3: the least time between two logins, to be announced. 0: none.
        pop3_login_delay_seconds: u32,
        /// How long after its OK a change of flags may reach the disk. It
        /// survives the worker's death at once, a power cut after this. 0: it
        /// is on the disk before its OK.
        flag_sync_millis: u32,
        /// IMAP: messages of one command.
        message_limits: MessageLimits,
        /// For accounts without a quota of their own.
        quota: Quota,
        /// IMAP: for GETMETADATA.
        notice: Notice,
        /// What a new account gets beside INBOX.
        folders: List<Folder, FOLDERS_MAX>,
    }
}

record! {
    /// For `lmtp`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Lmtp {
        logging: Logging,
        /// The name that LHLO is answered with and Received fields carry.
        hostname: Bytes<DOMAIN_BYTES_MAX>,
        /// The largest letter taken.
        message_bytes_max: u64,
        /// Bytes of all letters in the spool at once; beyond, 452.
        spool_bytes_max: u64,
        /// Recipients of one letter.
        recipients_max: u32,
        /// Sessions at once.
        sessions_max: u32,
        /// How long a client may be silent (RFC 5321 §4.5.3.2.7: 5 minutes).
        idle_seconds: u32,
        /// Whether STARTTLS can be offered.
        starttls: bool,
    }
}

record! {
    /// For `control`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Control {
        logging: Logging,
        /// Uids that may use the admin socket.
        admins: List<u32, 16>,
    }
}

choice! {
    /// One process's slice.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Slice {
        1 => Front { slice: Front, },
        2 => Keyholder { slice: Keyholder, },
        3 => Login { slice: Login, },
        4 => Auth { slice: Auth, },
        5 => Director { slice: Director, },
        6 => Broker { slice: Broker, },
        7 => Worker { slice: Worker, },
        8 => Lmtp { slice: Lmtp, },
        9 => Control { slice: Control, },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_below_its_prefix_only() {
        let loopback = Network {
            address: std::net::Ipv4Addr::new(127, 0, 0, 0)
                .to_ipv6_mapped()
                .octets(),
            prefix: 104,
        };
        assert!(loopback.contains("127.9.8.7".parse().unwrap()));
        assert!(!loopback.contains("128.0.0.1".parse().unwrap()));
        let all = Network {
            address: [0; 16],
            prefix: 0,
        };
        assert!(all.contains("::1".parse().unwrap()));
    }
}
