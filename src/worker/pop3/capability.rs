//! CAPA (RFC 2449) and LANG (RFC 6856).

use super::client::Client;
use wire::pop3::{Capability, Language, LanguageRange, response};

/// What we can do. RFC 2449, section 5: "Capabilities available in the AUTHORIZATION
/// state MUST be announced in both states"; STLS excepts itself (RFC 2595,
/// section 4).
pub const ALL: [Capability; 11] = [
    Capability::Top,
    Capability::Uidl,
    Capability::RespCodes,
    Capability::AuthRespCode,
    Capability::Pipelining,
    Capability::ExpireNever,
    Capability::Utf8User,
    Capability::Lang,
    Capability::User,
    Capability::SaslPlain,
    Capability::Implementation,
];

impl Client {
    /// CAPA.
    pub fn capa(&mut self) {
        self.ok(&"Capabilities follow");
        let delay = self.account().limits().pop3_login_delay_seconds;
        let delay = (delay > 0).then_some(Capability::LoginDelay(delay));
        for capability in ALL.into_iter().chain(delay) {
            response::item(self.out().buffer(), &capability);
        }
        response::end(self.out().buffer());
    }

    /// LANG. All that we say is ASCII in English, so nothing is to be remembered.
    pub fn lang(&mut self, range: Option<&LanguageRange>) {
        let Some(range) = range else {
            return self.languages();
        };
        match range.best() {
            Some(language) => self.ok(&format_args!("{} Understood", language.tag())),
            None => self.err(None, "That language is not spoken here"),
        }
    }

    fn languages(&mut self) {
        self.ok(&"Languages follow");
        for language in Language::ALL {
            let line = format_args!("{} {}", language.tag(), language.name());
            response::item(self.out().buffer(), &line);
        }
        response::end(self.out().buffer());
    }
}
