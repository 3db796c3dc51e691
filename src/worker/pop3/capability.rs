//! CAPA (RFC 2449) and LANG (RFC 6856).

use super::client::Client;
use wire::pop3::LanguageRange;
use wire::pop3::response::{self, Capability};

impl Client {
    /// CAPA. RFC 2449, section 5: "Capabilities available in the AUTHORIZATION state MUST
    /// be announced in both states"; STLS excepts itself (RFC 2595, section 4). Which
    /// mechanisms these were, `login` has said.
    pub fn capa(&mut self) {
        let mut all = Capability::ALWAYS.to_vec();
        all.push(Capability::User);
        let mechanisms = self.mechanisms();
        all.extend((!mechanisms.is_empty()).then_some(Capability::Sasl(mechanisms)));
        let seconds = self.account().limits().pop3_login_delay_seconds;
        all.extend((seconds > 0).then_some(Capability::LoginDelay { seconds }));
        response::capabilities(self.out().buffer(), &all);
    }

    /// LANG. All that we say is ASCII in English, so nothing is to be remembered.
    pub fn lang(&mut self, range: Option<&LanguageRange>) {
        let Some(range) = range else {
            return response::languages(self.out().buffer());
        };
        match range.best() {
            Some(language) => response::language(self.out().buffer(), language),
            None => self.err(None, "That language is not spoken here"),
        }
    }
}
