//! The fields that a letter gets on its way into a mailbox: Return-Path,
//! Delivered-To, Received (RFC 5321, section 4.4).

use ipc::Bytes;
use ipc::edge::delivery::TRACE_BYTES_MAX;
use wire::Address;
use wire::lmtp::ReversePath;

use crate::session::Envelope;

/// What of a letter's arrival is the same for all of its recipients.
#[derive(Debug)]
pub struct Arrival {
    /// Its envelope.
    pub envelope: Envelope,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Our name.
    pub hostname: String,
    /// What the log calls it.
    pub id: String,
    /// When, in seconds since 1970.
    pub unix_seconds: i64,
}

impl Arrival {
    /// The fields for one recipient; `None` if the addresses are so long that
    /// they don't fit.
    ///
    /// ```text
    /// Return-path-line = "Return-Path:" FWS Reverse-path CRLF
    /// Time-stamp-line  = "Received:" FWS Stamp CRLF
    /// Stamp            = From-domain By-domain Opt-info [CFWS] ";" FWS date-time
    /// Opt-info         = [Via] [With] [ID] [For] [Additional-Registered-Clauses]
    /// ```
    ///
    /// The peer's name is what it says of itself: its address is known to
    /// `front` and `auth` only, and the MTA before us has noted the client's.
    #[must_use]
    pub fn fields(&self, to: &Address) -> Option<Bytes<TRACE_BYTES_MAX>> {
        let from = match &self.envelope.from {
            ReversePath::Null => String::new(),
            ReversePath::Address(address) => address.to_string(),
        };
        let fields = format!(
            "Return-Path: <{from}>\r\n\
             Delivered-To: {to}\r\n\
             Received: from {peer}\r\n\
             \tby {host} (Mailkeep) with {with} id {id}\r\n\
             \tfor <{to}>;\r\n\
             \t{date}\r\n",
            peer = self.envelope.peer,
            host = self.hostname,
            with = self.protocol(),
            id = self.id,
            date = date_time(self.unix_seconds),
        );
        Bytes::new(fields).ok()
    }

    /// The names of RFC 3848 and RFC 6531, section 4.3.
    fn protocol(&self) -> &'static str {
        match (self.envelope.smtputf8, self.tls) {
            (false, false) => "LMTP",
            (false, true) => "LMTPS",
            (true, false) => "UTF8LMTP",
            (true, true) => "UTF8LMTPS",
        }
    }
}

/// `date-time = [ day-of-week "," ] date time` (RFC 5322, section 3.3), in UTC;
/// days to civil date after Howard Hinnant's `civil_from_days`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the clock's seconds are 2^63 at the most, their days 10^14: nothing here comes near"
)]
fn date_time(unix_seconds: i64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb",
    ];
    let (days, second) = (
        unix_seconds.div_euclid(86_400),
        unix_seconds.rem_euclid(86_400),
    );
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March is the first month, so that a leap day is a year's last.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = year_of_era + era * 400 + i64::from(month >= 10);
    let name = |names: &[&'static str], index: i64| {
        usize::try_from(index)
            .ok()
            .and_then(|index| names.get(index))
            .copied()
            .unwrap_or("")
    };
    format!(
        "{}, {day} {} {year:04} {:02}:{:02}:{:02} +0000",
        name(&WEEKDAYS, days.rem_euclid(7)),
        name(&MONTHS, month),
        second / 3_600,
        second / 60 % 60,
        second % 60,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(from: &str, smtputf8: bool, tls: bool) -> Arrival {
        let from = match from {
            "" => ReversePath::Null,
            address => ReversePath::Address(Address::parse(address).unwrap()),
        };
        let peer = "mx.example.net".into();
        Arrival {
            envelope: Envelope {
                peer,
                from,
                smtputf8,
                recipients: Vec::new(),
            },
            tls,
            hostname: "mail.example.org".into(),
            id: "00ff".into(),
            unix_seconds: 951_827_696,
        }
    }

    fn fields(arrival: &Arrival, to: &str) -> Option<String> {
        let fields = arrival.fields(&Address::parse(to).unwrap())?;
        Some(String::from_utf8(fields.into_vec()).unwrap())
    }

    #[test]
    fn the_fields_are_those_of_rfc_5321() {
        let fields = fields(
            &arrival("chris@bar.example", false, false),
            "pat+x@foo.example",
        );
        assert_eq!(
            fields.unwrap(),
            "Return-Path: <chris@bar.example>\r\n\
             Delivered-To: pat+x@foo.example\r\n\
             Received: from mx.example.net\r\n\
             \tby mail.example.org (Mailkeep) with LMTP id 00ff\r\n\
             \tfor <pat+x@foo.example>;\r\n\
             \tTue, 29 Feb 2000 12:34:56 +0000\r\n"
        );
    }

    #[test]
    fn a_report_of_failure_has_an_empty_path_and_utf8_and_tls_their_names() {
        let report = fields(&arrival("", false, true), "pat@foo.example").unwrap();
        assert!(report.starts_with("Return-Path: <>\r\n"));
        assert!(report.contains(" with LMTPS id "));
        let utf8 = fields(&arrival("用户@例え.jp", true, true), "用户@foo.example").unwrap();
        assert!(utf8.starts_with("Return-Path: <用户@例え.jp>\r\n"));
        assert!(utf8.contains(" with UTF8LMTPS id "));
    }

    #[test]
    fn dates_are_right_at_the_edges_of_months_and_years() {
        let known = [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (978_307_199, "Sun, 31 Dec 2000 23:59:59 +0000"),
            (978_307_200, "Mon, 1 Jan 2001 00:00:00 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
        ];
        for (seconds, date) in known {
            assert_eq!(date_time(seconds), date);
        }
    }

    #[test]
    fn the_longest_addresses_that_the_grammar_takes_fit() {
        let longest = format!("\"{}\"@{}", "\\\\".repeat(120), "d".repeat(250));
        assert!(fields(&arrival(&longest, false, false), &longest).is_some());
    }
}
