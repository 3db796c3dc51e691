//! What a connection allows before authentication, whatever is spoken on it; and
//! how often it has gone wrong.
//!
//! Invariants: terms are fixed when the connection begins; no mechanism is taken
//! that they don't offer.

use ipc::edge::front_service::Transport;
use ipc::edge::login_auth::Rejection;
use ipc::slice;
use preauth::sasl::Mechanism;

/// Rejected credentials on one connection, after which it is closed. A person
/// mistypes twice; a guesser shall pay for a new connection.
pub const FAILURES_MAX: u8 = 3;

/// TLS 1.3, as on the wire.
const TLS13: u16 = 0x0304;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Passwords may be sent.
    pub passwords: bool,
    /// TLS can be begun.
    pub start_tls: bool,
    /// TLS is on.
    pub tls: bool,
    /// Least seconds between two POP3 logins of one account; `auth` holds clients
    /// to it. 0: none.
    pub pop3_login_delay_seconds: u32,
    /// SCRAM is spoken here.
    scram: bool,
    /// The TLS connection can be bound to (RFC 9266): it is of version 1.3.
    binding: bool,
    /// The client has shown a certificate that names it.
    certificate: bool,
}

impl Terms {
    /// The terms of a connection that came this way.
    #[must_use]
    pub fn new(
        transport: Transport,
        may_start_tls: bool,
        certificate: bool,
        settings: &slice::Login,
    ) -> Self {
        let (passwords, start_tls, version) = match transport {
            Transport::Tls { version } => (true, false, Some(version)),
            Transport::Cleartext { loopback } => (
                loopback && settings.cleartext_on_loopback,
                may_start_tls && settings.starttls,
                None,
            ),
        };
        Self {
            passwords,
            start_tls,
            tls: version.is_some(),
            pop3_login_delay_seconds: settings.pop3_login_delay_seconds,
            scram: settings.scram,
            binding: version == Some(TLS13),
            certificate: certificate && version.is_some(),
        }
    }

    /// Whether the mechanism can be used on this connection: no other is
    /// announced, nor taken.
    #[must_use]
    pub fn offers(self, mechanism: Mechanism) -> bool {
        self.passwords
            && match mechanism {
                Mechanism::Plain | Mechanism::Login => true,
                Mechanism::ScramSha256 => self.scram,
                Mechanism::ScramSha256Plus => self.scram && self.binding,
                Mechanism::External => self.certificate,
                Mechanism::Unknown => false,
            }
    }

    /// The mechanisms that can be used on this connection.
    #[must_use]
    pub fn mechanisms(self) -> Vec<Mechanism> {
        let offered = Mechanism::ALL.into_iter();
        offered.filter(|one| self.offers(*one)).collect()
    }
}

/// How often credentials were rejected on one connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Failures(u8);

impl Failures {
    /// With one more rejection. `None`: the client may not try again.
    #[must_use]
    pub fn after(self, why: Rejection) -> Option<Self> {
        let failed = u8::from(why == Rejection::Credentials);
        let failures = self.0.saturating_add(failed);
        (failures < FAILURES_MAX).then_some(Self(failures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{CLEAR, LOOPBACK, TLS, settings};

    #[test]
    fn passwords_are_allowed_in_tls_or_where_the_site_says_so_on_loopback() {
        let strict = slice::Login {
            cleartext_on_loopback: false,
            ..settings()
        };
        let lax = settings();
        let allowed = |transport, settings| Terms::new(transport, true, false, settings).passwords;
        assert!(allowed(TLS, &strict) && allowed(LOOPBACK, &lax));
        assert!(!allowed(LOOPBACK, &strict) && !allowed(CLEAR, &lax));
    }

    #[test]
    fn starttls_is_offered_only_if_front_and_the_site_can_do_it() {
        let without = slice::Login {
            starttls: false,
            ..settings()
        };
        assert!(Terms::new(CLEAR, true, false, &settings()).start_tls);
        assert!(!Terms::new(CLEAR, false, false, &settings()).start_tls);
        assert!(!Terms::new(CLEAR, true, false, &without).start_tls);
        assert!(!Terms::new(TLS, true, false, &settings()).start_tls);
    }

    #[test]
    fn what_cannot_be_used_here_is_not_announced_and_not_taken() {
        let offered = |transport, certificate, settings: &slice::Login| {
            let terms = Terms::new(transport, true, certificate, settings);
            Mechanism::ALL.map(|mechanism| terms.offers(mechanism))
        };
        let old = Transport::Tls { version: 0x0303 };
        let without = slice::Login {
            scram: false,
            ..settings()
        };
        let all = settings();
        assert_eq!(offered(TLS, true, &all), [true; 5]);
        assert_eq!(offered(TLS, false, &all), [true, true, false, true, true]);
        assert_eq!(offered(old, true, &all), [false, true, true, true, true]);
        assert_eq!(
            offered(TLS, false, &without),
            [false, false, false, true, true]
        );
        assert_eq!(
            offered(LOOPBACK, true, &all),
            [false, true, false, true, true]
        );
        assert_eq!(offered(CLEAR, true, &all), [false; 5]);
    }
}
