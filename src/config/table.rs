//! The table of all keys that the configuration file may have: what each takes,
//! its range, and where it goes. docs/manual/configuration.md has a line for
//! each; a test holds the two together.

mod word;

use crate::key::{Items, Key, Takes};
use crate::mistake::Objection;
use crate::settings::{Listen, Settings};
use crate::value;
use ipc::edge::config::Address;
use ipc::slice::{DOMAINS_MAX, FOLDERS_MAX, Folder, NETWORKS_MAX, Protocol, SpecialUse, TlsUse};
use ipc::{Bytes, List};
use sandbox::{Layer, Waivers};
use std::ops::RangeInclusive;

/// Listeners of one set. Each is a socket in every `front`, and a set with more
/// is better served by a load balancer.
pub const LISTENERS_MAX: usize = 64;

/// Uids that may use the admin socket, as in `ipc::slice::Control`.
const ADMINS_MAX: usize = 16;

/// The ports of IMAP and POP3 with TLS from the first byte (RFC 8314 §3).
const IMMEDIATE_PORTS: [u16; 2] = [993, 995];

/// The longest that one may have to wait between two POP3 logins: a day, as `auth`
/// remembers no login for longer.
const POP3_LOGIN_DELAY_SECONDS_MAX: u64 = 86_400;

/// Ids that are ids at all (setresuid(2): the highest means "none").
const ID_MAX: u64 = u32::MAX as u64 - 2;

/// Messages of one account that a quota can allow: more than any store takes.
const QUOTA_MESSAGES_MAX: u64 = 1 << 32;

/// Mailboxes that a quota must allow: a new account has INBOX and its folders.
const QUOTA_MAILBOXES_MIN: u64 = FOLDERS_MAX as u64 + 1;

/// Mailboxes that a quota can allow: more than any store takes.
const QUOTA_MAILBOXES_MAX: u64 = 1 << 20;

/// The whole file.
pub const FILE: &[Key<Settings>] = &[
    Key {
        name: "store",
        takes: Takes::Table(STORE),
    },
    Key {
        name: "accounts",
        takes: Takes::Table(ACCOUNTS),
    },
    Key {
        name: "quota",
        takes: Takes::Table(QUOTA),
    },
    Key {
        name: "metadata",
        takes: Takes::Table(METADATA),
    },
    Key {
        name: "tls",
        takes: Takes::Table(TLS),
    },
    Key {
        name: "listen",
        takes: Takes::Tables(LISTENERS_MAX, listeners),
    },
    Key {
        name: "login",
        takes: Takes::Table(LOGIN),
    },
    Key {
        name: "pop3",
        takes: Takes::Table(POP3),
    },
    Key {
        name: "passwords",
        takes: Takes::Table(PASSWORDS),
    },
    Key {
        name: "limits",
        takes: Takes::Table(LIMITS),
    },
    Key {
        name: "lmtp",
        takes: Takes::Table(LMTP),
    },
    Key {
        name: "proxy",
        takes: Takes::Table(PROXY),
    },
    Key {
        name: "log",
        takes: Takes::Table(LOG),
    },
    Key {
        name: "processes",
        takes: Takes::Table(PROCESSES),
    },
    Key {
        name: "ids",
        takes: Takes::Table(IDS),
    },
    Key {
        name: "confinement",
        takes: Takes::Table(CONFINEMENT),
    },
    Key {
        name: "admin",
        takes: Takes::Table(ADMIN),
    },
];

const STORE: &[Key<Settings>] = &[
    Key {
        name: "directory",
        takes: Takes::Text(|s, text| put(&mut s.supervision.state, text.one(value::path))),
    },
    Key {
        name: "flag_sync",
        takes: Takes::Amount(value::milliseconds, 0..=60_000, |s, n| {
            s.worker.flag_sync_millis = n as u32
        }),
    },
];

const QUOTA: &[Key<Settings>] = &[
    Key {
        name: "storage",
        takes: Takes::Amount(value::bytes, (1 << 20)..=(1 << 50), |s, n| {
            s.worker.quota.bytes = Some(n)
        }),
    },
    Key {
        name: "messages",
        takes: Takes::Number(1..=QUOTA_MESSAGES_MAX, |s, n| {
            s.worker.quota.messages = Some(n)
        }),
    },
    Key {
        name: "mailboxes",
        takes: Takes::Number(QUOTA_MAILBOXES_MIN..=QUOTA_MAILBOXES_MAX, |s, n| {
            s.worker.quota.mailboxes = Some(n)
        }),
    },
];

const METADATA: &[Key<Settings>] = &[
    Key {
        name: "admin",
        takes: Takes::Text(|s, text| put(&mut s.worker.notice.admin, text.one(value::uri))),
    },
    Key {
        name: "comment",
        takes: Takes::Text(|s, text| put(&mut s.worker.notice.comment, text.one(value::note))),
    },
];

const ACCOUNTS: &[Key<Settings>] = &[
    Key {
        name: "domains",
        takes: Takes::Texts(DOMAINS_MAX, |s, texts| {
            put(
                &mut s.auth.domains,
                List::new(texts.each(value::domain)).ok(),
            );
        }),
    },
    Key {
        name: "detail",
        takes: Takes::Text(|s, text| put(&mut s.auth.detail_separator, text.one(value::separator))),
    },
    Key {
        name: "folders",
        takes: Takes::Tables(FOLDERS_MAX, folders),
    },
];

const TLS: &[Key<Settings>] = &[
    Key {
        name: "certificates",
        takes: Takes::Text(|s, text| s.certificates = text.one(value::path)),
    },
    Key {
        name: "key",
        takes: Takes::Text(|s, text| s.key = text.one(value::path)),
    },
    Key {
        name: "client_authorities",
        takes: Takes::Text(|s, text| s.client_authorities = text.one(value::path)),
    },
    Key {
        name: "minimum",
        takes: Takes::Text(|s, text| {
            put(
                &mut s.tls12,
                text.one(|t| value::word(t, &[("1.3", false), ("1.2", true)])),
            );
        }),
    },
    Key {
        name: "handshake",
        takes: Takes::Amount(value::seconds, 1..=600, |s, n| {
            s.front.handshake_seconds = n as u32
        }),
    },
];

const LOGIN: &[Key<Settings>] = &[
    Key {
        name: "time",
        takes: Takes::Amount(value::seconds, 5..=3600, |s, n| {
            s.login.login_seconds = n as u32
        }),
    },
    Key {
        name: "sessions",
        takes: Takes::Number(1..=20_000, |s, n| s.login.sessions_max = n as u32),
    },
    Key {
        name: "cleartext_on_loopback",
        takes: Takes::Switch(|s, on| s.login.cleartext_on_loopback = on),
    },
];

const POP3: &[Key<Settings>] = &[Key {
    name: "login_delay",
    takes: Takes::Amount(value::seconds, 0..=POP3_LOGIN_DELAY_SECONDS_MAX, |s, n| {
        s.auth.pop3_login_delay_seconds = n as u32
    }),
}];

const PASSWORDS: &[Key<Settings>] = &[
    Key {
        name: "memory",
        takes: Takes::Amount(value::bytes, (8 << 20)..=(256 << 20), |s, n| {
            s.auth.argon2_kib = (n >> 10) as u32;
        }),
    },
    Key {
        name: "passes",
        takes: Takes::Number(1..=20, |s, n| s.auth.argon2_passes = n as u32),
    },
    Key {
        name: "remember",
        takes: Takes::Amount(value::seconds, 0..=86_400, |s, n| {
            s.auth.remember_seconds = n as u32
        }),
    },
    Key {
        name: "scram",
        takes: Takes::Switch(|s, on| s.auth.scram = on),
    },
    Key {
        name: "failures",
        takes: Takes::Number(1..=1000, |s, n| s.auth.failures_before_delay = n as u32),
    },
];

/// Messages that one IMAP command may be limited to. Below a thousand clients would say
/// too many commands (RFC 9738); a million are all that a mailbox is measured with.
const MESSAGES_PER_COMMAND: RangeInclusive<u64> = 1_000..=1_000_000;

const LIMITS: &[Key<Settings>] = &[
    Key {
        name: "connections",
        takes: Takes::Number(1..=20_000, |s, n| s.front.connections_max = n as u32),
    },
    Key {
        name: "connections_per_client",
        takes: Takes::Number(1..=20_000, |s, n| {
            s.front.connections_per_prefix_max = n as u32
        }),
    },
    Key {
        name: "sessions_per_account",
        takes: Takes::Number(1..=1000, |s, n| s.sessions_per_account_max = n as u32),
    },
    Key {
        name: "message_size",
        takes: Takes::Amount(value::bytes, (64 << 10)..=(1 << 30), |s, n| {
            s.message_bytes_max = n
        }),
    },
    Key {
        name: "messages_per_command",
        takes: Takes::Number(MESSAGES_PER_COMMAND, |s, n| {
            s.worker.message_limits.per_command = Some(n as u32)
        }),
    },
    Key {
        name: "messages_per_copy",
        takes: Takes::Number(MESSAGES_PER_COMMAND, |s, n| {
            s.worker.message_limits.per_copy = Some(n as u32)
        }),
    },
    Key {
        name: "idle",
        takes: Takes::Amount(value::seconds, 1800..=86_400, |s, n| {
            s.worker.idle_seconds = n as u32
        }),
    },
    Key {
        name: "workers",
        takes: Takes::Number(1..=10_000, |s, n| s.director.workers_max = n as u32),
    },
    Key {
        name: "linger",
        takes: Takes::Amount(value::seconds, 0..=3600, |s, n| {
            s.director.linger_seconds = n as u32
        }),
    },
];

const LMTP: &[Key<Settings>] = &[
    Key {
        name: "hostname",
        takes: Takes::Text(|s, text| put(&mut s.lmtp.hostname, text.one(value::domain))),
    },
    Key {
        name: "spool",
        takes: Takes::Amount(value::bytes, (1 << 20)..=(1 << 40), |s, n| {
            s.lmtp.spool_bytes_max = n
        }),
    },
    Key {
        // RFC 5321 §4.5.3.1.8: at least 100.
        name: "recipients",
        takes: Takes::Number(100..=10_000, |s, n| s.lmtp.recipients_max = n as u32),
    },
    Key {
        name: "sessions",
        takes: Takes::Number(1..=1000, |s, n| s.lmtp.sessions_max = n as u32),
    },
    Key {
        name: "idle",
        takes: Takes::Amount(value::seconds, 10..=3600, |s, n| {
            s.lmtp.idle_seconds = n as u32
        }),
    },
];

const PROXY: &[Key<Settings>] = &[Key {
    name: "networks",
    takes: Takes::Texts(NETWORKS_MAX, |s, texts| {
        put(
            &mut s.front.proxies,
            List::new(texts.each(value::network)).ok(),
        );
    }),
}];

const LOG: &[Key<Settings>] = &[
    Key {
        name: "level",
        takes: Takes::Text(|s, text| put(&mut s.logging.level, text.one(word::log_level))),
    },
    Key {
        name: "journal",
        takes: Takes::Switch(|s, on| s.logging.journal = on),
    },
];

const PROCESSES: &[Key<Settings>] = &[
    Key {
        name: "fronts",
        takes: Takes::Number(1..=16, |s, n| s.supervision.fronts = n as u8),
    },
    Key {
        name: "logins",
        takes: Takes::Number(1..=16, |s, n| s.supervision.logins = n as u8),
    },
    Key {
        name: "restart",
        takes: Takes::Amount(value::milliseconds, 0..=30_000, |s, n| {
            s.supervision.restart_milliseconds = n as u32;
        }),
    },
];

const IDS: &[Key<Settings>] = &[
    Key {
        name: "processes",
        takes: Takes::Number(1..=ID_MAX, |s, n| s.supervision.process_uid = n as u32),
    },
    Key {
        name: "accounts",
        takes: Takes::Number(1..=ID_MAX, |s, n| s.supervision.account_uid = n as u32),
    },
    Key {
        name: "accounts_count",
        takes: Takes::Number(1..=ID_MAX, |s, n| s.supervision.account_uids = n as u32),
    },
];

const CONFINEMENT: &[Key<Settings>] = &[Key {
    name: "without",
    takes: Takes::Texts(Layer::ALL.len(), |s, texts| {
        let waivers: Waivers = texts.each(word::layer).into_iter().collect();
        s.supervision.waivers = waivers.bits();
    }),
}];

const ADMIN: &[Key<Settings>] = &[
    Key {
        name: "socket",
        takes: Takes::Text(|s, text| {
            put(
                &mut s.supervision.control_socket,
                text.one(value::socket_path),
            );
        }),
    },
    Key {
        name: "uids",
        takes: Takes::Numbers(ADMINS_MAX, 0..=ID_MAX, |s, uids| {
            s.admins = List::new(uids.into_iter().map(|uid| uid as u32).collect()).ok();
        }),
    },
];

/// What can be spoken at a listener.
const PROTOCOLS: [(&str, Protocol); 3] = [
    ("imap", Protocol::Imap),
    ("pop3", Protocol::Pop3),
    ("lmtp", Protocol::Lmtp),
];

/// What one `[[listen]]` says.
#[derive(Debug, Clone, Default)]
struct ListenDraft {
    protocol: Option<Protocol>,
    address: Option<Address>,
    tls: Option<TlsUse>,
    proxy: bool,
    client_certificates: bool,
    mode: Option<u32>,
}

const LISTEN: &[Key<ListenDraft>] = &[
    Key {
        name: "protocol",
        takes: Takes::Text(|draft, text| {
            draft.protocol = text.one(|word| value::word(word, &PROTOCOLS));
        }),
    },
    Key {
        name: "address",
        takes: Takes::Text(|draft, text| draft.address = text.one(value::address)),
    },
    Key {
        name: "tls",
        takes: Takes::Text(|draft, text| draft.tls = text.one(word::tls_use)),
    },
    Key {
        name: "proxy",
        takes: Takes::Switch(|draft, on| draft.proxy = on),
    },
    Key {
        name: "client_certificates",
        takes: Takes::Switch(|draft, on| draft.client_certificates = on),
    },
    Key {
        name: "mode",
        takes: Takes::Number(0..=0o777, |draft, n| draft.mode = Some(n as u32)),
    },
];

/// What one of `folders` says.
#[derive(Debug, Clone)]
struct FolderDraft {
    name: Option<Bytes<1024>>,
    special_use: SpecialUse,
    subscribed: bool,
}

const FOLDER: &[Key<FolderDraft>] = &[
    Key {
        name: "name",
        takes: Takes::Text(|draft, text| draft.name = text.one(value::folder)),
    },
    Key {
        name: "use",
        takes: Takes::Text(|draft, text| put(&mut draft.special_use, text.one(word::special_use))),
    },
    Key {
        name: "subscribed",
        takes: Takes::Switch(|draft, on| draft.subscribed = on),
    },
];

fn put<X>(place: &mut X, value: Option<X>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn listeners(settings: &mut Settings, items: &mut Items<'_, '_>) {
    let listeners = items.tables(LISTEN, &ListenDraft::default(), |draft, span, _| {
        listener(&draft, span)
    });
    settings.listeners = Some(listeners);
}

/// A listener needs a protocol and an address; the rest follows from these.
fn listener(draft: &ListenDraft, span: crate::mistake::Span) -> Result<Listen, Objection> {
    let missing = |key: &str, example: &str| {
        Objection::new(
            format!("this listener has no {key}"),
            format!("add {key} = \"{example}\""),
        )
    };
    let protocol = draft.protocol.ok_or_else(|| missing("protocol", "imap"))?;
    let mut address = draft
        .address
        .clone()
        .ok_or_else(|| missing("address", "[::]:993"))?;
    match (&mut address, draft.mode) {
        (Address::Unix { mode, .. }, Some(given)) => *mode = given,
        (_, Some(_)) => {
            return Err(Objection::new(
                "only a Unix socket has a mode",
                "take \"mode\" out",
            ));
        }
        (_, None) => {}
    }
    let tls = draft.tls.unwrap_or_else(|| usual_tls(&address));
    Ok(Listen {
        protocol,
        address,
        tls,
        proxy: draft.proxy,
        client_certificates: draft.client_certificates,
        span,
    })
}

fn usual_tls(address: &Address) -> TlsUse {
    match address {
        Address::Unix { .. } => TlsUse::Never,
        Address::Ip { port, .. } if IMMEDIATE_PORTS.contains(port) => TlsUse::Immediate,
        Address::Ip { .. } | Address::Systemd { .. } => TlsUse::OnRequest,
    }
}

fn folders(settings: &mut Settings, items: &mut Items<'_, '_>) {
    let blank = FolderDraft {
        name: None,
        special_use: SpecialUse::None,
        subscribed: true,
    };
    let folders = items.tables(FOLDER, &blank, |draft, _, others| folder(draft, others));
    put(&mut settings.worker.folders, List::new(folders).ok());
}

/// A folder needs a name of its own, and a use that no other has (RFC 6154 §2
/// lets several share one; clients don't cope).
fn folder(draft: FolderDraft, others: &[Folder]) -> Result<Folder, Objection> {
    let name = draft
        .name
        .ok_or_else(|| Objection::new("this folder has no name", "add name = \"Sent\""))?;
    let same_use = |other: &Folder| other.special_use == draft.special_use;
    if others.iter().any(|other| other.name == name) {
        return Err(Objection::new(
            "another folder has this name",
            "take one of them out",
        ));
    }
    if draft.special_use != SpecialUse::None && others.iter().any(same_use) {
        return Err(Objection::new(
            "another folder has this use",
            "give the use to one of them",
        ));
    }
    Ok(Folder {
        name,
        special_use: draft.special_use,
        subscribed: draft.subscribed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key of these tables, with its path.
    fn paths<T>(keys: &'static [Key<T>], above: &str) -> Vec<String> {
        let mut all = Vec::new();
        for key in keys {
            let path = if above.is_empty() {
                key.name.to_owned()
            } else {
                format!("{above}.{}", key.name)
            };
            match key.takes {
                Takes::Table(inner) => all.extend(paths(inner, &path)),
                _ => all.push(path),
            }
        }
        all
    }

    #[test]
    fn the_manual_has_a_line_for_every_key() {
        let manual = include_str!("../../docs/manual/configuration.md");
        let mut keys = paths(FILE, "");
        keys.extend(paths(LISTEN, "listen"));
        keys.extend(paths(FOLDER, "accounts.folders"));
        for path in keys {
            let line = format!("| `{path}` |");
            assert!(
                manual.contains(&line),
                "docs/manual/configuration.md has no line {line}"
            );
        }
    }

    #[test]
    fn the_manual_names_every_layer() {
        let manual = include_str!("../../docs/manual/configuration.md");
        for layer in Layer::ALL {
            let line = format!("| `{}` |", layer.name());
            assert!(
                manual.contains(&line),
                "docs/manual/configuration.md has no line {line}"
            );
        }
    }

    #[test]
    fn no_table_has_a_key_twice() {
        let mut keys = paths(FILE, "");
        keys.sort();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
