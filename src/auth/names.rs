//! Names of accounts and addresses, in the one form in which they are compared:
//! `local@domain`, the local part by PRECIS UsernameCaseMapped (RFC 8265,
//! section 3.3), the domain as lower-case A-labels (RFC 5890).
//!
//! Invariant: a [`Name`] is in that form, so equal names are equal bytes. Never
//! here: an account; that is `table`'s.

use ipc::Bytes;
use ipc::codec::{Decoder, Encoder, Field, Malformed};
use ipc::edge::lmtp_auth::ADDRESS_BYTES_MAX;
use ipc::slice;
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;

/// A name in the one form. An empty local part stands for every address of the
/// domain that nobody else has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Bytes<ADDRESS_BYTES_MAX>);

/// Why a text is no name here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    /// Empty, too long, not UTF-8, or of a form that PRECIS or IDNA forbids.
    NotAName,
    /// Its domain is not one of ours.
    ForeignDomain,
}

impl Name {
    /// As it is shown and stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// For a message.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes<ADDRESS_BYTES_MAX> {
        self.0.clone()
    }

    /// For the log, which escapes it.
    #[must_use]
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }

    fn join(local: &str, domain: &str) -> Result<Self, BadName> {
        let joined = format!("{local}@{domain}");
        Bytes::new(joined).map(Self).map_err(|_| BadName::NotAName)
    }
}

impl Field for Name {
    const LONGEST: usize = Bytes::<ADDRESS_BYTES_MAX>::LONGEST;
    fn encode(self, to: &mut Encoder) {
        self.0.encode(to);
    }
    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        Field::decode(from).map(Self)
    }
}

/// The domains whose names are known here, and how details are set off.
///
/// A domain that leaves the configuration takes its accounts' names with it:
/// they stay in the table, and can't be addressed until it is back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domains {
    domains: Vec<String>,
    separator: Option<u8>,
}

/// An address as it was written, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Candidates<'a> {
    /// The whole address.
    pub whole: Option<Name>,
    /// The address without its detail, and the detail.
    pub base: Option<(Name, &'a [u8])>,
    /// The domain's catch-all.
    pub catch_all: Option<Name>,
}

impl Domains {
    /// The configured ones. The first is the default for bare names.
    ///
    /// # Errors
    /// The reason, for the administrator.
    pub fn new(slice: &slice::Auth) -> Result<Self, &'static str> {
        let domains = slice.domains.as_slice().iter();
        let domains: Option<Vec<String>> = domains
            .map(|domain| canonical_domain(domain.as_slice()))
            .collect();
        match domains {
            Some(domains) if domains.is_empty() => Err("no domain is configured"),
            Some(domains) => Ok(Self {
                domains,
                separator: slice.detail_separator,
            }),
            None => Err("a configured domain is not a domain name"),
        }
    }

    /// A login name or address in the one form.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn name(&self, text: &[u8]) -> Result<Name, BadName> {
        let (local, domain) = self.split(text);
        let domain = self.ours(domain)?;
        Name::join(&canonical_local(local).ok_or(BadName::NotAName)?, domain)
    }

    /// A further address in the one form, which may be a catch-all: `@domain`.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn alias(&self, text: &[u8]) -> Result<Name, BadName> {
        match self.split(text) {
            (b"", domain) => Name::join("", self.ours(domain)?),
            _ => self.name(text),
        }
    }

    /// What an address may stand for, in the order in which it is looked for.
    #[must_use]
    pub fn candidates<'a>(&self, address: &'a [u8]) -> Candidates<'a> {
        let (local, domain) = self.split(address);
        let Ok(domain) = self.ours(domain) else {
            return Candidates {
                whole: None,
                base: None,
                catch_all: None,
            };
        };
        let join = |local: &[u8]| Name::join(&canonical_local(local)?, domain).ok();
        Candidates {
            whole: join(local),
            base: self
                .detail(local)
                .and_then(|(base, detail)| Some((join(base)?, detail))),
            catch_all: Name::join("", domain).ok(),
        }
    }

    /// A bare name has no domain and gets the default one.
    fn split<'a>(&self, text: &'a [u8]) -> (&'a [u8], Option<&'a [u8]>) {
        match text
            .iter()
            .rposition(|byte| *byte == b'@')
            .and_then(|at| text.split_at_checked(at))
        {
            Some((local, rest)) => (local, rest.get(1..)),
            None => (text, None),
        }
    }

    fn ours(&self, domain: Option<&[u8]>) -> Result<&str, BadName> {
        let found = match domain {
            None => self.domains.first(),
            Some(domain) => {
                let domain = canonical_domain(domain).ok_or(BadName::NotAName)?;
                self.domains.iter().find(|ours| **ours == domain)
            }
        };
        found.map(String::as_str).ok_or(BadName::ForeignDomain)
    }

    /// `local = base separator detail`, at the first separator.
    fn detail<'a>(&self, local: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let at = local
            .iter()
            .position(|byte| Some(*byte) == self.separator)?;
        let (base, rest) = local.split_at_checked(at)?;
        Some((base, rest.get(1..)?))
    }
}

/// An `@` within would make the joined form ambiguous for people.
fn canonical_local(local: &[u8]) -> Option<String> {
    let local = std::str::from_utf8(local)
        .ok()
        .filter(|local| !local.contains('@'))?;
    UsernameCaseMapped::enforce(local).ok().map(String::from)
}

fn canonical_domain(domain: &[u8]) -> Option<String> {
    let ascii = idna::domain_to_ascii_cow(domain, idna::AsciiDenyList::STD3).ok()?;
    let fits = (1..=slice::DOMAIN_BYTES_MAX).contains(&ascii.len());
    fits.then(|| ascii.into_owned())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use ipc::List;
    use ipc::slice::{LogLevel, Logging};
    use proptest::prelude::*;

    /// A slice with these domains.
    pub fn slice(domains: &[&str]) -> slice::Auth {
        let domains = domains
            .iter()
            .map(|domain| Bytes::new(*domain).unwrap())
            .collect();
        slice::Auth {
            logging: Logging {
                level: LogLevel::Error,
                journal: false,
            },
            domains: List::new(domains).unwrap(),
            detail_separator: Some(b'+'),
            remember_seconds: 300,
            failures_before_delay: 5,
            argon2_kib: 64,
            argon2_passes: 1,
            sessions_per_account_max: 10,
            scram: true,
            external: true,
            pop3_login_delay_seconds: 0,
        }
    }

    /// Two of our domains; `example.org` is the default.
    pub fn domains() -> Domains {
        Domains::new(&slice(&["example.org", "bücher.example"])).unwrap()
    }

    fn form(text: &str) -> Result<String, BadName> {
        domains().name(text.as_bytes()).map(|name| name.shown())
    }

    #[test]
    fn names_that_people_take_for_equal_have_one_form() {
        let equal = [
            ("alice", "alice@example.org"),
            ("ALICE@Example.ORG", "alice@example.org"),
            ("ａｌｉｃｅ", "alice@example.org"),
            ("Ju\u{308}rgen", "j\u{fc}rgen@example.org"),
            ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
            ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ];
        for (written, expected) in equal {
            assert_eq!(form(written).as_deref(), Ok(expected), "{written}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(ADDRESS_BYTES_MAX);
        let bad = [
            "",
            "@example.org",
            "a b",
            "a\0b",
            "a\r\nb",
            "a\u{202e}b",
            "a@b@example.org",
            "a@",
            "a@exa mple",
            "\u{5d0}1a",
            &long,
        ];
        for written in bad {
            assert_eq!(form(written), Err(BadName::NotAName), "{written:?}");
        }
        assert_eq!(domains().name(b"\xff"), Err(BadName::NotAName));
        assert_eq!(form("a@elsewhere.example"), Err(BadName::ForeignDomain));
    }

    #[test]
    fn only_an_alias_may_be_a_catch_all() {
        assert_eq!(
            domains()
                .alias(b"@Example.org")
                .map(|name| name.shown())
                .as_deref(),
            Ok("@example.org")
        );
        assert_eq!(domains().name(b"@example.org"), Err(BadName::NotAName));
    }

    #[test]
    fn a_detail_begins_at_the_first_separator_and_keeps_its_bytes() {
        let domains = domains();
        let candidates = domains.candidates(b"Alice+Some+Thing@example.org");
        let (base, detail) = candidates.base.unwrap();
        assert_eq!(
            (base.as_bytes(), detail),
            (&b"alice@example.org"[..], &b"Some+Thing"[..])
        );
        assert_eq!(domains.candidates(b"+x@example.org").base, None);
        assert_eq!(domains.candidates(b"alice@example.org").base, None);
    }

    #[test]
    fn a_slice_without_a_domain_is_refused() {
        assert!(Domains::new(&slice(&[])).is_err());
        assert!(Domains::new(&slice(&["not a domain"])).is_err());
    }

    proptest! {
        #[test]
        fn the_one_form_is_its_own_form(text in "\\PC{0,40}(@example\\.org)?") {
            if let Ok(name) = domains().name(text.as_bytes()) {
                prop_assert_eq!(domains().name(name.as_bytes()), Ok(name));
            }
        }

        #[test]
        fn no_bytes_panic_and_no_name_has_a_control_or_two_ats(text: Vec<u8>) {
            let _ = domains().candidates(&text);
            if let Ok(name) = domains().alias(&text) {
                let shown = name.shown();
                prop_assert!(!shown.chars().any(char::is_control));
                prop_assert_eq!(shown.matches('@').count(), 1);
            }
        }
    }
}
