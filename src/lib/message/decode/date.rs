//! The Date field (RFC 5322 §3.3, §4.3), leniently: time, seconds and zone may
//! be missing, and comments stand anywhere.

use crate::lexer::Lexer;
use crate::limits::DATE_BYTES_MAX;

/// A moment, and the day that the sender's clock showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderDate {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub utc_seconds: i64,
    /// Minutes east of UTC as written; 0 for unknown zones.
    pub offset_minutes: i32,
}

impl HeaderDate {
    /// Days since 1970-01-01 of the date as written: what SENTON, SENTBEFORE and
    /// SENTSINCE compare ("disregarding time and timezone", RFC 9051 §6.4.4).
    pub fn written_day(self) -> i64 {
        self.utc_seconds
            .saturating_add(i64::from(self.offset_minutes).saturating_mul(60))
            .div_euclid(86_400)
    }
}

/// `date-time = [ day-of-week "," ] date time [CFWS]`: reads a Date field's
/// value; none if it holds no date.
pub fn date(value: &[u8]) -> Option<HeaderDate> {
    dated(value, None)
}

/// The "sent date" of RFC 5256 §2.2, in seconds since 1970: a time that is none is
/// midnight.
pub fn sent_date(value: &[u8]) -> Option<i64> {
    dated(value, Some(0)).map(|date| date.utc_seconds)
}

/// With these seconds of the day if its time is none.
fn dated(value: &[u8], otherwise: Option<i64>) -> Option<HeaderDate> {
    let value = value.get(..DATE_BYTES_MAX).unwrap_or(value);
    let lexer = &mut Lexer::new(value);
    day_of_week(lexer);
    let day = number(lexer)?;
    dash(lexer);
    let month = month(lexer)?;
    dash(lexer);
    let year = year(lexer)?;
    let days = days_since_1970(year, month, day)?;
    let seconds = time_of_day(lexer).or(otherwise)?;
    let offset_minutes = zone(lexer);
    let local = days.checked_mul(86_400)?.checked_add(seconds)?;
    let offset_seconds = i64::from(offset_minutes).checked_mul(60)?;
    Some(HeaderDate {
        utc_seconds: local.checked_sub(offset_seconds)?,
        offset_minutes,
    })
}

/// `day-of-week = ([FWS] day-name) / obs-day-of-week`; which day isn't looked at.
fn day_of_week(lexer: &mut Lexer<'_>) {
    lexer.cfws();
    lexer.take_while(|byte| byte.is_ascii_alphabetic());
    lexer.cfws();
    lexer.take(b',');
}

/// A dash where a space belongs, as in `1-Jan-1999`.
fn dash(lexer: &mut Lexer<'_>) {
    lexer.cfws();
    lexer.take(b'-');
}

/// `1*DIGIT`, at most what four of them can say.
fn number(lexer: &mut Lexer<'_>) -> Option<i64> {
    lexer.cfws();
    digits(lexer).map(|(number, _)| number)
}

/// A number and how many digits wrote it.
fn digits(lexer: &mut Lexer<'_>) -> Option<(i64, usize)> {
    let digits = lexer.take_while(|byte| byte.is_ascii_digit());
    if digits.len() > 4 {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number, digits.len()))
}

/// `month = "Jan" / ... / "Dec"`, or the name in full.
fn month(lexer: &mut Lexer<'_>) -> Option<i64> {
    const NAMES: [&[u8; 3]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    lexer.cfws();
    let name = lexer.take_while(|byte| byte.is_ascii_alphabetic());
    let first = name.get(..3)?.to_ascii_lowercase();
    let index = NAMES.iter().position(|known| **known == *first)?;
    i64::try_from(index).ok()?.checked_add(1)
}

/// `year = 4*DIGIT`, `obs-year = 2*DIGIT`: of two digits those below 50 are
/// after 2000, three count from 1900 (RFC 5322 §4.3).
fn year(lexer: &mut Lexer<'_>) -> Option<i64> {
    lexer.cfws();
    match digits(lexer)? {
        (year, 0..=2) if year < 50 => year.checked_add(2000),
        (year, 0..=3) => year.checked_add(1900),
        (year, _) => Some(year),
    }
}

/// `time-of-day = hour ":" minute [ ":" second ]`, midnight if there is none.
fn time_of_day(lexer: &mut Lexer<'_>) -> Option<i64> {
    let Some(hour) = number(lexer) else {
        return Some(0);
    };
    let minute = after_colon(lexer)?;
    let second = after_colon(lexer).unwrap_or(0);
    let valid = hour < 24 && minute < 60 && second <= 60;
    let minutes = hour.checked_mul(60)?.checked_add(minute)?;
    // A leap second is the one before it: days have 86,400.
    let seconds = minutes.checked_mul(60)?.checked_add(second.min(59))?;
    valid.then_some(seconds)
}

fn after_colon(lexer: &mut Lexer<'_>) -> Option<i64> {
    lexer.cfws();
    if !lexer.take(b':') {
        return None;
    }
    number(lexer)
}

/// `zone = (FWS ( "+" / "-" ) 4DIGIT) / (FWS obs-zone)`: minutes east of UTC.
/// Military zones and unknown names mean nothing (RFC 5322 §4.3).
fn zone(lexer: &mut Lexer<'_>) -> i32 {
    lexer.cfws();
    let west = lexer.peek() == Some(b'-');
    if west || lexer.peek() == Some(b'+') {
        lexer.bump();
        let east = digits(lexer).map_or(0, |(number, _)| hours_and_minutes(number));
        return if west { east.saturating_neg() } else { east };
    }
    let name = lexer.take_while(|byte| byte.is_ascii_alphabetic());
    obs_zone(&name.to_ascii_uppercase())
}

fn hours_and_minutes(number: i64) -> i32 {
    let (hours, minutes) = (number.div_euclid(100), number.rem_euclid(100));
    if minutes > 59 {
        return 0;
    }
    let east = hours.saturating_mul(60).saturating_add(minutes);
    i32::try_from(east).unwrap_or(0)
}

/// `obs-zone = "UT" / "GMT" / "EST" / ...`.
fn obs_zone(name: &[u8]) -> i32 {
    let hours: i32 = match name {
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        _ => 0,
    };
    hours.saturating_mul(60)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; none if there is no
/// such day.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last.
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let month_from_march = month.checked_add(9)?.rem_euclid(12);
    let leap_days = year
        .div_euclid(4)
        .checked_sub(year.div_euclid(100))?
        .checked_add(year.div_euclid(400))?;
    let day_of_year = month_from_march
        .checked_mul(153)?
        .checked_add(2)?
        .div_euclid(5);
    year.checked_mul(365)?
        .checked_add(leap_days)?
        .checked_add(day_of_year)?
        .checked_add(day)?
        .checked_sub(719_469)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let every = |years| year.rem_euclid(years) == 0;
    match month {
        2 if every(4) && (!every(100) || every(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(value: &str) -> Option<(i64, i32)> {
        date(value.as_bytes()).map(|date| (date.utc_seconds, date.offset_minutes))
    }

    #[test]
    fn the_dates_of_rfc_5322_are_read() {
        for (value, seconds, offset) in [
            ("Fri, 21 Nov 1997 09:55:06 -0600", 880_127_706, -360),
            ("Tue, 1 Jul 2003 10:52:37 +0200", 1_057_049_557, 120),
            ("Thu, 13 Feb 1969 23:32:54 -0330", -27_723_426, -210),
            (
                "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)",
                -27_723_480,
                -210,
            ),
            ("21 Nov 97 09:55:06 GMT", 880_106_106, 0),
            (
                "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600",
                880_127_706,
                -360,
            ),
        ] {
            assert_eq!(read(value), Some((seconds, offset)), "{value}");
        }
    }

    #[test]
    fn obsolete_years_and_zones_are_read() {
        assert_eq!(read("1 Jan 49 00:00 UT"), read("1 Jan 2049 00:00 +0000"));
        assert_eq!(read("1 Jan 50 00:00 Z"), read("1 Jan 1950 00:00 -0000"));
        assert_eq!(read("1 Jan 103 00:00 EST"), read("1 Jan 2003 00:00 -0500"));
        assert_eq!(
            read("1-Jan-2003 00:00:00 pdt"),
            read("1 January 2003 00:00 -0700")
        );
    }

    #[test]
    fn a_day_is_enough() {
        assert_eq!(read("29 Feb 2000"), Some((951_782_400, 0)));
    }

    #[test]
    fn a_letter_with_a_day_has_a_sent_date() {
        let midnight = date(b"2 Jan 2000 +0100").unwrap().utc_seconds;
        for value in ["2 Jan 2000 24:00 +0100", "2 Jan 2000 1:99:00 +0100"] {
            assert_eq!(date(value.as_bytes()), None, "{value}");
            assert_eq!(sent_date(value.as_bytes()), Some(midnight), "{value}");
        }
        let noon = sent_date(b"2 Jan 2000 12:00 +0000");
        for zone in ["+0199", "Nowhere", ""] {
            let value = format!("2 Jan 2000 12:00 {zone}");
            assert_eq!(sent_date(value.as_bytes()), noon, "{zone}");
        }
        assert_eq!(sent_date(b"32 Jan 2000 12:00"), None);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for value in [
            "",
            "x",
            "Fri,",
            "1",
            "1 Foo 2000",
            "0 Jan 2000",
            "32 Jan 2000",
            "29 Feb 1900",
            "1 Jan",
            "1 Jan 2000 24:00",
            "1 Jan 2000 1",
            "11111111111111111111 Jan 2000",
            "1 Ja\u{e4} 2000",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn the_written_day_is_the_senders() {
        let day = |value: &str| date(value.as_bytes()).map(HeaderDate::written_day);
        assert_eq!(day("1 Jan 1970 23:59 -1200"), Some(0));
        assert_eq!(day("2 Jan 1970 00:00 +1400"), Some(1));
        assert_eq!(day("31 Dec 1969 00:00 +0000"), Some(-1));
    }

    proptest! {
        #[test]
        fn days_follow_each_other(year in 1_i64..9999, month in 1_i64..=12) {
            let last = days_since_1970(year, month, days_in_month(year, month));
            let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            prop_assert_eq!(last.map(|day| day + 1), days_since_1970(next_year, next_month, 1));
        }

        #[test]
        fn nothing_panics(value in prop::collection::vec(prop::sample::select(&b"0159 Jan,:+-(\\)Feb"[..]), 0..40)) {
            let _ = date(&value);
        }
    }
}
