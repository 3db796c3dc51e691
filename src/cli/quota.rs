//! `mailkeep quota`: how much an account keeps, and how much it may.

use crate::admin_socket::{AdminSocket, Failure, bytes};
use crate::amount;
use clap::Args;
use ipc::edge::admin::{Answer, Request};
use ipc::edge::task::{Limit, Measure, Quota as Told, QuotaChange};
use std::path::Path;

/// Show how much an account keeps and may keep, or change that
///
/// A limit is a number, `none`, or `default`: what [quota] of the configuration says.
#[derive(Debug, Args)]
pub struct Quota {
    /// The account
    name: String,
    /// Bytes of all its letters, such as 500M or 5G
    #[arg(long, value_name = "LIMIT", value_parser = of_bytes)]
    bytes: Option<Limit>,
    /// Messages in all its mailboxes
    #[arg(long, value_name = "LIMIT", value_parser = of_number)]
    messages: Option<Limit>,
    /// Mailboxes, INBOX among them
    #[arg(long, value_name = "LIMIT", value_parser = of_number)]
    mailboxes: Option<Limit>,
    /// As one JSON document
    #[arg(long)]
    json: bool,
}

impl Quota {
    /// Asks, and shows.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(&self, socket: &Path) -> Result<(), Failure> {
        let mut admin = AdminSocket::connect(socket)?;
        admin.send(self.request()?)?;
        let Answer::Quota { quota } = admin.answer()? else {
            return Err(Failure::OutOfOrder);
        };
        match admin.answer()? {
            Answer::Done => self.show(&quota),
            _ => return Err(Failure::OutOfOrder),
        }
        Ok(())
    }

    fn request(&self) -> Result<Request, Failure> {
        let name = bytes(&self.name)?;
        let changes = [self.bytes, self.messages, self.mailboxes];
        if changes.iter().all(Option::is_none) {
            return Ok(Request::Quota { name });
        }
        let [bytes, messages, mailboxes] = changes.map(|change| change.unwrap_or(Limit::AsItIs));
        let change = QuotaChange {
            bytes,
            messages,
            mailboxes,
        };
        Ok(Request::SetQuota { name, change })
    }

    fn show(&self, quota: &Told) {
        if self.json {
            println!("{}", as_json(&self.name, quota));
            return;
        }
        let number = |number: u64| number.to_string();
        println!("{}", as_line("bytes", &quota.bytes, amount::show));
        println!("{}", as_line("messages", &quota.messages, number));
        println!("{}", as_line("mailboxes", &quota.mailboxes, number));
    }
}

fn as_line(what: &str, measure: &Measure, show: impl Fn(u64) -> String) -> String {
    let most = measure.most.map_or_else(|| "no limit".to_owned(), &show);
    let whose = if measure.own { "its own" } else { "default" };
    format!("{what:<10} {:>12} of {most} ({whose})", show(measure.used))
}

fn as_json(name: &str, quota: &Told) -> serde_json::Value {
    let measure = |measure: &Measure| serde_json::json!({ "used": measure.used, "limit": measure.most, "own": measure.own });
    serde_json::json!({
        "account": name,
        "bytes": measure(&quota.bytes),
        "messages": measure(&quota.messages),
        "mailboxes": measure(&quota.mailboxes),
    })
}

/// limit = amount / "none" / "default"
fn of_bytes(text: &str) -> Result<Limit, String> {
    limit(text, amount::parse)
}

/// limit = number / "none" / "default"
fn of_number(text: &str) -> Result<Limit, String> {
    limit(text, amount::plain)
}

fn limit(text: &str, parse: impl Fn(&str) -> Option<u64>) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit::Unlimited),
        "default" => Ok(Limit::Default),
        text => parse(text)
            .map(|most| Limit::Most { most })
            .ok_or_else(|| "a number, `none` or `default` is wanted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_none_or_default() {
        assert_eq!(of_bytes("5G"), Ok(Limit::Most { most: 5 << 30 }));
        assert_eq!(of_number("12"), Ok(Limit::Most { most: 12 }));
        assert_eq!(of_bytes("none"), Ok(Limit::Unlimited));
        assert_eq!(of_number("default"), Ok(Limit::Default));
        assert!(of_number("5G").is_err());
        assert!(of_bytes("-1").is_err());
    }

    #[test]
    fn a_line_says_whose_the_limit_is() {
        let measure = Measure {
            used: 3,
            most: Some(9),
            own: true,
        };
        let number = |number: u64| number.to_string();
        assert!(as_line("messages", &measure, number).ends_with("3 of 9 (its own)"));
        let free = Measure {
            most: None,
            own: false,
            ..measure
        };
        assert!(as_line("messages", &free, number).ends_with("3 of no limit (default)"));
    }
}
