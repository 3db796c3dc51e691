//! From the text of a file to what the supervisor is told.
//!
//! Reading doesn't fail at the first mistake: it answers with settings and with
//! notes, and the settings are worth something only if the notes hold no mistake.

use crate::key::{self, Notes};
use crate::machine::Machine;
use crate::mistake::{Mistakes, Objection};
use crate::rules;
use crate::settings::{self, Listen, Settings};
use crate::source;
use crate::table;
use ipc::edge::config::FromConfig;
use ipc::edge::supervisor::FileUse;
use ipc::slice::{Control, Listener, Slice};
use ipc::{Bytes, List};
use toml::de::DeTable;

/// Reads a file's bytes, and holds them against the machine if there is one to
/// be seen. The text is for telling the places of mistakes.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(
    bytes: &[u8],
    machine: Option<&Machine>,
) -> Result<(String, Settings, Notes), Objection> {
    let mut mistakes = Mistakes::default();
    let text = source::text(bytes, &mut mistakes);
    let (settings, mut notes) = read_noting(&text, Notes::beginning(mistakes))?;
    if let Some(machine) = machine {
        machine.hold(&settings, &mut notes);
    }
    Ok((text, settings, notes))
}

/// Reads a file's text.
///
/// # Errors
/// An [`Objection`] if our own defaults don't hold, which is our mistake.
#[cfg(test)]
pub fn read(text: &str) -> Result<(Settings, Notes), Objection> {
    read_noting(text, Notes::default())
}

fn read_noting(text: &str, mut notes: Notes) -> Result<(Settings, Notes), Objection> {
    let mut settings = Settings::defaults().map_err(|_| our_mistake())?;
    let whole = notes.mistakes.count() == 0;
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let objection = Objection::new(
            error.message().to_owned(),
            "see https://toml.io for the grammar",
        );
        notes.mistakes.note(error.span().unwrap_or(0..0), objection);
    }
    key::read(table.get_ref(), table::FILE, "", &mut settings, &mut notes);
    // What a file lacks that can't be parsed is nobody's guess.
    if whole && errors.is_empty() {
        rules::hold(&settings, &mut notes);
    }
    Ok((settings, notes))
}

/// Who the set runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// Root: each process and account has its own uid.
    Root,
    /// An ordinary user, whose one uid serves for all.
    User(u32),
}

/// All that the supervisor is told.
///
/// # Errors
/// An [`Objection`] if something doesn't fit into its message.
pub fn messages(settings: Settings, runner: Runner) -> Result<Vec<FromConfig>, Objection> {
    let settings = complete(settings, runner)?;
    let mut messages = vec![FromConfig::Supervision {
        plan: settings.supervision.clone(),
    }];
    for slice in slices(&settings, runner) {
        messages.push(FromConfig::Slice { slice });
    }
    messages.extend(files(&settings));
    messages.extend(settings.listeners.into_iter().flatten().map(listener));
    messages.push(FromConfig::Complete);
    Ok(messages)
}

/// Fills in what follows from other settings.
fn complete(mut settings: Settings, runner: Runner) -> Result<Settings, Objection> {
    if settings.listeners.is_none() {
        settings.listeners = Some(settings::default_listeners()?);
    }
    let first_domain = settings
        .auth
        .domains
        .as_slice()
        .first()
        .cloned()
        .unwrap_or_default();
    if settings.lmtp.hostname.as_slice().is_empty() {
        settings.lmtp.hostname = first_domain;
    }
    if settings.admins.is_none() {
        let starter = match runner {
            Runner::Root => 0,
            Runner::User(uid) => uid,
        };
        settings.admins = List::new(vec![starter]).ok();
    }
    let certified = settings.certificates.is_some();
    let (tls12, size, sessions) = (
        settings.tls12,
        settings.message_bytes_max,
        settings.sessions_per_account_max,
    );
    settings.front.tls12 = tls12;
    settings.login.starttls = certified;
    settings.login.scram = settings.auth.scram;
    settings.auth.external = asks_for_certificates(&settings);
    settings.lmtp.starttls = certified;
    settings.lmtp.message_bytes_max = size;
    settings.worker.message_bytes_max = size;
    settings.worker.sessions_max = sessions;
    settings.auth.sessions_per_account_max = sessions;
    let delay = settings.auth.pop3_login_delay_seconds;
    settings.login.pop3_login_delay_seconds = delay;
    settings.worker.pop3_login_delay_seconds = delay;
    log_alike(&mut settings);
    Ok(settings)
}

fn asks_for_certificates(settings: &Settings) -> bool {
    let mut listeners = settings.listeners.iter().flatten();
    listeners.any(|one| one.client_certificates)
}

/// Every process logs alike.
fn log_alike(settings: &mut Settings) {
    let places = [
        &mut settings.front.logging,
        &mut settings.login.logging,
        &mut settings.auth.logging,
        &mut settings.director.logging,
        &mut settings.worker.logging,
        &mut settings.lmtp.logging,
    ];
    for place in places {
        *place = settings.logging.clone();
    }
}

fn slices(settings: &Settings, runner: Runner) -> [Slice; 9] {
    let single_uid = match runner {
        Runner::Root => None,
        Runner::User(uid) => Some(uid),
    };
    let control = Control {
        logging: settings.logging.clone(),
        admins: settings.admins.clone().unwrap_or_default(),
    };
    [
        Slice::Front {
            slice: settings.front.clone(),
        },
        Slice::Keyholder {
            slice: settings.keyholder(),
        },
        Slice::Login {
            slice: settings.login.clone(),
        },
        Slice::Auth {
            slice: settings.auth.clone(),
        },
        Slice::Director {
            slice: settings.director.clone(),
        },
        Slice::Broker {
            slice: settings.broker(single_uid),
        },
        Slice::Worker {
            slice: settings.worker.clone(),
        },
        Slice::Lmtp {
            slice: settings.lmtp.clone(),
        },
        Slice::Control { slice: control },
    ]
}

fn files(settings: &Settings) -> impl Iterator<Item = FromConfig> {
    let file = |purpose, path: &Option<Bytes<_>>| {
        path.clone().map(|path| FromConfig::File { purpose, path })
    };
    let all = [
        file(FileUse::Certificates, &settings.certificates),
        file(FileUse::PrivateKey, &settings.key),
        file(FileUse::ClientAuthorities, &settings.client_authorities),
    ];
    all.into_iter().flatten()
}

fn listener(listen: Listen) -> FromConfig {
    FromConfig::Listener {
        listener: Listener {
            protocol: listen.protocol,
            tls: listen.tls,
            proxy: listen.proxy,
            client_certificates: listen.client_certificates,
        },
        address: listen.address,
    }
}

fn our_mistake() -> Objection {
    Objection::new(
        "the built-in defaults don't hold",
        "report this as a bug of Mailkeep",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::Message as _;
    use ipc::edge::config::Address;
    use ipc::slice::{SpecialUse, TlsUse};
    use proptest::prelude::*;

    const SMALLEST: &str = "accounts.domains = ['example.org']\n\
        tls = { certificates = '/c.pem', key = '/k.pem' }\n";

    /// All that is wrong with a text, one line each, without the suggestions.
    fn mistakes(text: &str) -> Vec<String> {
        let (_, notes) = read(text).unwrap();
        let told = notes.mistakes.to_text("", text);
        let lines = told.lines().filter_map(|line| line.strip_prefix(':'));
        lines.map(str::to_owned).collect()
    }

    /// What is wrong once a working file goes on like this.
    fn after_smallest(text: &str) -> Vec<String> {
        mistakes(&format!("{SMALLEST}{text}"))
    }

    fn plan(text: &str, runner: Runner) -> Vec<FromConfig> {
        let (settings, notes) = read(text).unwrap();
        assert_eq!(notes.mistakes.to_text("", text), "");
        messages(settings, runner).unwrap()
    }

    fn slice<T>(messages: &[FromConfig], pick: fn(&Slice) -> Option<T>) -> T {
        let mut slices = messages.iter().filter_map(|message| match message {
            FromConfig::Slice { slice } => Some(slice),
            _ => None,
        });
        slices.find_map(pick).unwrap()
    }

    #[test]
    fn domains_and_a_certificate_are_enough() {
        let plan = plan(SMALLEST, Runner::Root);
        let listeners = plan
            .iter()
            .filter(|one| matches!(one, FromConfig::Listener { .. }))
            .count();
        let files = plan
            .iter()
            .filter(|one| matches!(one, FromConfig::File { .. }))
            .count();
        let slices = plan
            .iter()
            .filter(|one| matches!(one, FromConfig::Slice { .. }))
            .count();
        assert_eq!((listeners, files, slices), (9, 2, 9));
        assert!(matches!(plan.last(), Some(FromConfig::Complete)));
    }

    #[test]
    fn the_defaults_are_those_of_the_manual() {
        let plan = plan(SMALLEST, Runner::Root);
        let front = slice(&plan, |s| match s {
            Slice::Front { slice } => Some(slice.clone()),
            _ => None,
        });
        assert_eq!(
            (front.connections_max, front.connections_per_prefix_max),
            (10_000, 200)
        );
        assert_eq!((front.handshake_seconds, front.tls12), (30, false));
        let login = slice(&plan, |s| match s {
            Slice::Login { slice } => Some(slice.clone()),
            _ => None,
        });
        assert_eq!((login.login_seconds, login.sessions_max), (120, 2000));
        assert_eq!((login.cleartext_on_loopback, login.starttls), (false, true));
        assert!(login.scram);
        let auth = slice(&plan, |s| match s {
            Slice::Auth { slice } => Some(slice.clone()),
            _ => None,
        });
        assert_eq!(
            (auth.argon2_kib, auth.argon2_passes, auth.detail_separator),
            (65_536, 3, Some(b'+'))
        );
        assert_eq!(
            (auth.remember_seconds, auth.failures_before_delay),
            (300, 5)
        );
        assert_eq!(auth.sessions_per_account_max, 50);
        assert!(auth.scram && !auth.external);
        let worker = slice(&plan, |s| match s {
            Slice::Worker { slice } => Some(slice.clone()),
            _ => None,
        });
        assert_eq!(
            (
                worker.message_bytes_max,
                worker.idle_seconds,
                worker.sessions_max
            ),
            (50 << 20, 1800, 50)
        );
        assert_eq!(worker.flag_sync_millis, 500);
        assert_eq!(worker.quota, ipc::slice::Quota::default());
        let uses: Vec<SpecialUse> = worker
            .folders
            .as_slice()
            .iter()
            .map(|f| f.special_use)
            .collect();
        use SpecialUse::{Archive, Drafts, Junk, Sent, Trash};
        assert_eq!(uses, [Drafts, Sent, Junk, Trash, Archive]);
        let lmtp = slice(&plan, |s| match s {
            Slice::Lmtp { slice } => Some(slice.clone()),
            _ => None,
        });
        assert_eq!(lmtp.hostname.as_slice(), b"example.org");
        assert_eq!(
            (lmtp.message_bytes_max, lmtp.spool_bytes_max),
            (50 << 20, 4 << 30)
        );
        assert_eq!(
            (lmtp.recipients_max, lmtp.sessions_max, lmtp.idle_seconds),
            (1000, 200, 300)
        );
    }

    #[test]
    fn a_quota_is_what_the_file_says_and_nothing_else() {
        let text = format!("{SMALLEST}[quota]\nstorage = \"2 GiB\"\nmailboxes = 50\n");
        let plan = plan(&text, Runner::User(1000));
        let worker = slice(&plan, |s| match s {
            Slice::Worker { slice } => Some(slice.clone()),
            _ => None,
        });
        let quota = worker.quota;
        assert_eq!((quota.bytes, quota.mailboxes), (Some(2 << 30), Some(50)));
        assert_eq!(quota.messages, None);
    }

    #[test]
    fn what_the_server_says_of_itself_is_told_to_every_worker() {
        let said = "[metadata]\nadmin = \"mailto:p@example.org\"\ncomment = \"Grüße\"\n";
        let plan = plan(&format!("{SMALLEST}{said}"), Runner::User(1000));
        let notice = slice(&plan, |s| match s {
            Slice::Worker { slice } => Some(slice.notice.clone()),
            _ => None,
        });
        assert_eq!(notice.admin.as_slice(), b"mailto:p@example.org");
        assert_eq!(notice.comment.as_slice(), "Grüße".as_bytes());
    }

    #[test]
    fn a_delay_of_pop3_logins_is_known_to_who_enforces_and_to_who_announces_it() {
        let seconds = |text: &str| {
            let plan = plan(text, Runner::User(1000));
            slice(&plan, |s| match s {
                Slice::Auth { slice } => Some(slice.pop3_login_delay_seconds),
                _ => None,
            }) + slice(&plan, |s| match s {
                Slice::Login { slice } => Some(slice.pop3_login_delay_seconds),
                _ => None,
            }) + slice(&plan, |s| match s {
                Slice::Worker { slice } => Some(slice.pop3_login_delay_seconds),
                _ => None,
            })
        };
        assert_eq!(seconds(SMALLEST), 0);
        let delayed = format!("{SMALLEST}[pop3]\nlogin_delay = \"5 min\"\n");
        assert_eq!(seconds(&delayed), 3 * 300);
    }

    #[test]
    fn in_single_mode_one_uid_serves_for_all_and_may_ask() {
        let plan = plan(SMALLEST, Runner::User(1000));
        let broker = slice(&plan, |s| match s {
            Slice::Broker { slice } => Some(*slice),
            _ => None,
        });
        assert_eq!((broker.first_uid, broker.uids), (1000, 0));
        let control = slice(&plan, |s| match s {
            Slice::Control { slice } => Some(slice.clone()),
            _ => None,
        });
        assert_eq!(control.admins.as_slice(), [1000]);
    }

    #[test]
    fn a_listener_takes_what_its_address_suggests() {
        let text = format!(
            "{SMALLEST}listen = [\n\
             {{ protocol = 'imap', address = '[::]:993' }},\n\
             {{ protocol = 'imap', address = '0.0.0.0:143' }},\n\
             {{ protocol = 'lmtp', address = '/run/l', mode = 0o660 }},\n\
             ]"
        );
        let plan = plan(&text, Runner::Root);
        let told: Vec<_> = plan
            .iter()
            .filter_map(|message| match message {
                FromConfig::Listener { listener, address } => Some((listener.tls, address.clone())),
                _ => None,
            })
            .collect();
        let uses: Vec<TlsUse> = told.iter().map(|(tls, _)| *tls).collect();
        assert_eq!(uses, [TlsUse::Immediate, TlsUse::OnRequest, TlsUse::Never]);
        assert!(matches!(told[2].1, Address::Unix { mode: 0o660, .. }));
    }

    #[test]
    fn an_empty_file_lacks_domains_and_a_certificate() {
        assert_eq!(
            mistakes(""),
            [
                "1:1: no domain is named whose mail is kept here",
                "1:1: the usual listeners speak TLS, and no certificate is named",
            ]
        );
    }

    #[test]
    fn each_mistake_has_its_line_and_none_hides_another() {
        let text = "[accounts]\ndomains = ['Example.org']\n[limits]\nconections = 5\nidle = '1 min'\n\
            [tls]\ncertificates = 'c.pem'\nkey = 7\n[nonsense]\nx = 1\n";
        assert_eq!(
            mistakes(text),
            [
                "2:12: \"Example.org\" is not a domain of lower-case A-labels",
                "4:1: nobody knows the key \"limits.conections\"",
                "5:8: 60 is out of range",
                "7:16: \"c.pem\" is not an absolute path",
                "8:7: \"tls.key\" takes a string, and here stands integer",
                "9:2: nobody knows the key \"nonsense\"",
            ]
        );
    }

    #[test]
    fn syntax_has_places_too_and_lacks_are_not_guessed() {
        let told = mistakes("[log]\nlevel = \n");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("2:9: "), "{told:?}");
        assert!(mistakes("[log]\nlevel = 'info'\nlevel = 'warn'\n")[0].contains("duplicate key"));
    }

    #[test]
    fn bytes_that_are_no_text_are_a_mistake_where_they_begin() {
        let (text, _, notes) = read_bytes(b"[log]\n# \xff\n", None).unwrap();
        assert!(
            notes
                .mistakes
                .to_text("", &text)
                .starts_with(":2:3: the file is not UTF-8")
        );
    }

    #[test]
    fn two_listeners_at_one_address_are_told_at_the_second() {
        let listen = |second: &str| {
            after_smallest(&format!(
                "[[listen]]\nprotocol = 'imap'\naddress = '0.0.0.0:143'\n\
                 [[listen]]\nprotocol = 'imap'\naddress = '{second}'\n"
            ))
        };
        let told = ["6:1: another listener already has this address"];
        assert_eq!(listen("0.0.0.0:143"), told);
        assert_eq!(listen("127.0.0.1:143"), told);
        assert_eq!(listen("[::ffff:127.0.0.1]:143"), told);
        assert_eq!(listen("[::]:143"), [""; 0]);
        assert_eq!(listen("0.0.0.0:144"), [""; 0]);
    }

    #[test]
    fn cleartext_does_not_leave_the_machine() {
        let listen = |address: &str| {
            after_smallest(&format!(
                "listen = [{{ protocol = 'lmtp', address = '{address}', tls = 'never' }}]"
            ))
        };
        assert_eq!(
            listen("192.0.2.1:24"),
            ["3:11: cleartext only would leave this machine"]
        );
        assert_eq!(
            listen("systemd:lmtp"),
            ["3:11: cleartext only would leave this machine"]
        );
        assert_eq!(listen("127.0.0.1:24"), [""; 0]);
        assert_eq!(listen("/run/l"), [""; 0]);
    }

    #[test]
    fn what_cannot_stand_together_is_told() {
        let table = [
            (
                "listen = [{ address = '[::1]:143' }]",
                "this listener has no protocol",
            ),
            (
                "listen = [{ protocol = 'imap' }]",
                "this listener has no address",
            ),
            (
                "listen = [{ protocol = 'imap', address = '[::1]:1', mode = 0 }]",
                "only a Unix socket has a mode",
            ),
            (
                "listen = [{ protocol = 'imap', address = '[::1]:1', proxy = true }]",
                "no network is named from which",
            ),
            (
                "listen = [{ protocol = 'lmtp', address = '/l', proxy = true }]",
                "a Unix socket is for this machine",
            ),
            (
                "listen = [{ protocol = 'lmtp', address = '/l', tls = 'immediate' }]",
                "a Unix socket is for this machine",
            ),
            ("ids.accounts = 1899999001", "the ids of the processes"),
            (
                "ids.accounts_count = 4294967293",
                "the ids of the processes",
            ),
            (
                "limits.message_size = '1 GiB'\nlmtp.spool = '1 MiB'",
                "the largest message does not fit",
            ),
            (
                "limits.connections = 10",
                "one client may have more connections",
            ),
            (
                "accounts.folders = [{ name = 'A' }, { name = 'A' }]",
                "another folder has this name",
            ),
            (
                "accounts.folders = [{ name = 'A', use = 'sent' }, { name = 'B', use = 'sent' }]",
                "another folder has this use",
            ),
            (
                "accounts.folders = [{ use = 'sent' }]",
                "this folder has no name",
            ),
            (
                "confinement.without = ['landlok']",
                "\"landlok\" is not a layer",
            ),
            (
                "confinement.without = ['seccomp']",
                "\"seccomp\" is not a layer",
            ),
            ("log.level = 'loud'", "\"loud\" is not a word"),
        ];
        for (text, reason) in table {
            let told = after_smallest(text);
            assert!(
                told.iter().any(|one| one.contains(reason)),
                "{text}: {told:?}"
            );
        }
    }

    #[test]
    fn client_certificates_need_somebody_who_signs_them_and_somebody_who_shows_them() {
        let told = |protocol: &str, authorities: &str| {
            let text = format!(
                "accounts.domains = ['a.b']\n\
                 tls = {{ certificates = '/c.pem', key = '/k.pem' {authorities} }}\n\
                 listen = [{{ protocol = '{protocol}', address = '[::1]:1', client_certificates = true }}]"
            );
            mistakes(&text)
        };
        let named = ", client_authorities = '/a.pem'";
        assert_eq!(told("imap", named), [""; 0]);
        assert_eq!(
            told("imap", ""),
            ["3:11: nobody is named who signs clients' certificates"]
        );
        assert_eq!(
            told("lmtp", named),
            ["3:11: clients show certificates over TLS, and to log in"]
        );
    }

    #[test]
    fn a_value_that_is_bad_is_not_missing_too() {
        let told = after_smallest("listen = [{ protocol = 'imap', address = 'here' }]");
        assert_eq!(told, ["3:42: \"here\" is not an address to listen at"]);
    }

    #[test]
    fn certificates_and_key_come_together() {
        let told = mistakes("accounts.domains = ['a.b']\ntls.key = '/k'\nlisten = []");
        assert_eq!(
            told,
            ["2:11: tls.key is of no use without tls.certificates"]
        );
        let told = mistakes(
            "accounts.domains = ['a.b']\nlisten = [{ protocol = 'imap', address = '[::1]:1' }]",
        );
        assert_eq!(
            told,
            ["2:11: this listener speaks TLS, and no certificate is named"]
        );
    }

    #[test]
    fn as_many_and_as_long_domains_as_there_may_be_reach_auth_uncut() {
        let label = format!("{}.", "x".repeat(62));
        let long = |n| format!("'{}{}{n:03}'", label.repeat(3), "x".repeat(59));
        let long: Vec<String> = (0..256).map(long).collect();
        let text = format!("accounts.domains = [{}]\nlisten = []\n", long.join(", "));
        let (settings, notes) = read(&text).unwrap();
        assert_eq!(notes.mistakes.count(), 0);
        let sent = messages(settings, Runner::Root).unwrap();
        let arrived = sent.into_iter().find_map(|message| match message {
            FromConfig::Slice {
                slice: Slice::Auth { slice },
            } => Some(slice.domains.into_vec().len()),
            _ => None,
        });
        assert_eq!(arrived, Some(256));
    }

    proptest! {
        #[test]
        fn any_bytes_are_mistakes_or_a_plan(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (text, settings, notes) = read_bytes(&bytes, None).unwrap();
            prop_assert!(notes.mistakes.count() > 0 || messages(settings, Runner::Root).is_ok());
            let _ = (notes.mistakes.to_json(&text), notes.mistakes.to_text("f", &text));
        }

        /// Lines that are nearly right, in any order.
        #[test]
        fn any_lines_are_mistakes_or_a_plan_that_arrives(lines in prop::collection::vec(line(), 0..12)) {
            let text = format!("{}\n", lines.join("\n"));
            let (settings, notes) = read(&text).unwrap();
            if notes.mistakes.count() == 0 {
                for message in messages(settings, Runner::Root).unwrap() {
                    let (bytes, fds) = message.into_datagram();
                    let again = FromConfig::from_datagram(&bytes, fds).unwrap();
                    prop_assert_eq!(again.into_datagram().0, bytes);
                }
            }
        }
    }

    fn line() -> impl Strategy<Value = String> {
        let keys = prop::sample::select(vec![
            "accounts.domains",
            "tls.certificates",
            "tls.key",
            "tls.minimum",
            "limits.idle",
            "limits.connections",
            "lmtp.spool",
            "log.level",
            "ids.accounts",
            "confinement.without",
            "listen",
            "accounts.folders",
            "admin.uids",
        ]);
        let values = prop::sample::select(vec![
            "['a.example']",
            "'/p'",
            "'1.2'",
            "'40 min'",
            "7",
            "300",
            "'1 GiB'",
            "'debug'",
            "['landlock']",
            "[0, 5]",
            "[{ protocol = 'imap', address = '[::1]:9', tls = 'never' }]",
            "[{ name = 'X', use = 'all' }]",
            "[]",
            "true",
        ]);
        (keys, values).prop_map(|(key, value)| format!("{key} = {value}"))
    }
}
