//! What must hold of the file as a whole: what can't be missing, and what can't
//! stand together. Each rule is one function, and looks at nothing but the file.

use crate::key::Notes;
use crate::mistake::Objection;
use crate::settings::{Listen, Settings};
use crate::value;
use ipc::edge::config::Address;
use ipc::slice::{Protocol, TlsUse};
use sandbox::IdRanges;
use std::net::Ipv6Addr;

/// Every rule, in the order of the manual.
const RULES: [fn(&Settings, &mut Notes); 10] = [
    domains_are_named,
    certificates_and_key_go_together,
    tls_needs_certificates,
    client_certificates_need_authorities,
    no_two_listeners_meet,
    cleartext_stays_on_this_machine,
    unix_sockets_are_for_lmtp_alone,
    proxies_are_believed_from_somewhere,
    id_ranges_are_apart,
    limits_fit_into_each_other,
];

/// Holds the settings against every rule.
pub fn hold(settings: &Settings, notes: &mut Notes) {
    RULES.iter().for_each(|rule| rule(settings, notes));
}

fn domains_are_named(settings: &Settings, notes: &mut Notes) {
    let path = "accounts.domains";
    let given = !settings.auth.domains.as_slice().is_empty();
    // A list whose only domain was bad has been complained about already.
    let complained = notes.has(path) && notes.mistakes.count() > 0;
    if !given && !complained {
        let objection = Objection::new(
            "no domain is named whose mail is kept here",
            "add domains = [\"example.org\"] to [accounts]",
        );
        notes.object(path, objection);
    }
}

fn certificates_and_key_go_together(_: &Settings, notes: &mut Notes) {
    let pairs = [
        ("tls.certificates", "tls.key"),
        ("tls.key", "tls.certificates"),
    ];
    for (given, missing) in pairs {
        if notes.has(given) && !notes.has(missing) {
            let reason = format!("{given} is of no use without {missing}");
            notes.object(
                given,
                Objection::new(reason, format!("add {missing}, or take {given} out")),
            );
        }
    }
}

fn tls_needs_certificates(settings: &Settings, notes: &mut Notes) {
    if notes.has("tls.certificates") || notes.has("tls.key") {
        return;
    }
    let suggestion = "add certificates = \"/…\" and key = \"/…\" to [tls], or set tls = \"never\"";
    if settings.listeners.is_none() {
        let reason = "the usual listeners speak TLS, and no certificate is named";
        notes.object("tls", Objection::new(reason, suggestion));
    }
    for listener in settings
        .listeners
        .iter()
        .flatten()
        .filter(|one| one.tls != TlsUse::Never)
    {
        let reason = "this listener speaks TLS, and no certificate is named";
        notes
            .mistakes
            .note(listener.span.clone(), Objection::new(reason, suggestion));
    }
}

/// Without TLS there is no certificate, and an MTA over LMTP logs in nowhere.
fn client_certificates_need_authorities(settings: &Settings, notes: &mut Notes) {
    let asking = |one: &&Listen| one.client_certificates;
    for listener in settings.listeners.iter().flatten().filter(asking) {
        let objection = match listener {
            one if one.tls == TlsUse::Never || one.protocol == Protocol::Lmtp => Objection::new(
                "clients show certificates over TLS, and to log in",
                "take \"client_certificates\" out",
            ),
            _ if !notes.has("tls.client_authorities") => Objection::new(
                "nobody is named who signs clients' certificates",
                "add client_authorities = \"/…\" to [tls]",
            ),
            _ => continue,
        };
        notes.mistakes.note(listener.span.clone(), objection);
    }
}

fn no_two_listeners_meet(settings: &Settings, notes: &mut Notes) {
    let listeners: Vec<&Listen> = settings.listeners.iter().flatten().collect();
    for (index, listener) in listeners.iter().enumerate() {
        let earlier = listeners.iter().take(index);
        if earlier
            .clone()
            .any(|other| meet(&listener.address, &other.address))
        {
            let objection = Objection::new(
                "another listener already has this address",
                "take one of them out, or give it another port",
            );
            notes.mistakes.note(listener.span.clone(), objection);
        }
    }
}

/// Whether two sockets can't both be bound: one address, or one family's
/// "any" address and another of that family, with the same port.
fn meet(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (
            Address::Ip {
                address: a,
                port: p,
            },
            Address::Ip {
                address: b,
                port: q,
            },
        ) => {
            let (a, b) = (
                Ipv6Addr::from(*a).to_canonical(),
                Ipv6Addr::from(*b).to_canonical(),
            );
            let family = a.is_ipv4() == b.is_ipv4();
            p == q && family && (a == b || a.is_unspecified() || b.is_unspecified())
        }
        (Address::Unix { path: a, .. }, Address::Unix { path: b, .. }) => a == b,
        (one, other) => one == other,
    }
}

fn cleartext_stays_on_this_machine(settings: &Settings, notes: &mut Notes) {
    for listener in settings.listeners.iter().flatten() {
        if listener.tls == TlsUse::Never && !value::is_loopback(&listener.address) {
            let objection = Objection::new(
                "cleartext only would leave this machine",
                "set tls = \"starttls\" or \"immediate\", or listen at 127.0.0.1 or [::1]",
            );
            notes.mistakes.note(listener.span.clone(), objection);
        }
    }
}

fn unix_sockets_are_for_lmtp_alone(settings: &Settings, notes: &mut Notes) {
    let unix = |one: &&Listen| matches!(one.address, Address::Unix { .. });
    for listener in settings.listeners.iter().flatten().filter(unix) {
        let plain = !listener.proxy && listener.tls == TlsUse::Never;
        if !plain || listener.protocol != Protocol::Lmtp {
            let objection = Objection::new(
                "a Unix socket is for this machine's own MTA: LMTP, without a proxy and without TLS",
                "set protocol = \"lmtp\", and take \"proxy\" and \"tls\" out",
            );
            notes.mistakes.note(listener.span.clone(), objection);
        }
    }
}

fn proxies_are_believed_from_somewhere(settings: &Settings, notes: &mut Notes) {
    if !settings.front.proxies.as_slice().is_empty() || notes.has("proxy.networks") {
        return;
    }
    for listener in settings.listeners.iter().flatten().filter(|one| one.proxy) {
        let objection = Objection::new(
            "no network is named from which a PROXY header is believed",
            "add networks = [\"10.1.2.3\"] to [proxy]",
        );
        notes.mistakes.note(listener.span.clone(), objection);
    }
}

fn id_ranges_are_apart(settings: &Settings, notes: &mut Notes) {
    if ranges(settings).is_none() {
        let objection = Objection::new(
            "the ids of the processes (100 from ids.processes on) and of the accounts meet, or go beyond the highest id",
            "leave [ids] out, or choose ranges apart",
        );
        notes.object("ids", objection);
    }
}

/// The two ranges of ids, if they can be.
pub fn ranges(settings: &Settings) -> Option<IdRanges> {
    let plan = &settings.supervision;
    IdRanges::new(plan.process_uid, plan.account_uid, plan.account_uids)
}

fn limits_fit_into_each_other(settings: &Settings, notes: &mut Notes) {
    if settings.message_bytes_max > settings.lmtp.spool_bytes_max {
        let objection = Objection::new(
            "the largest message does not fit into the spool",
            "make lmtp.spool at least as large as limits.message_size",
        );
        notes.object("limits.message_size", objection);
    }
    if settings.front.connections_per_prefix_max > settings.front.connections_max {
        let objection = Objection::new(
            "one client may have more connections than all clients together",
            "make limits.connections_per_client at most limits.connections",
        );
        notes.object("limits.connections_per_client", objection);
    }
}
