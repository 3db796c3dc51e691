//! Dates: of SEARCH, by the day, and INTERNALDATE, by the second.
//!
//! Time is UTC seconds and the offset that was given with them; no zone is
//! ever looked up.

use std::fmt;

use preauth::imap::cursor::{Cursor, decimal};

use super::Parsed;
use super::refusal::{Refusal, expected};

/// `date-text = date-day "-" date-month "-" date-year`: a day that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// `date-time`: an instant, and how its sender's clock differed from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// Seconds since 1970 in UTC.
    pub unix_seconds: i64,
    /// Minutes east of UTC, of magnitude at most 1439.
    pub offset_minutes: i16,
}

impl Date {
    /// A day of the years 0 to 9999, if there is such a day.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let exists = year <= YEAR_MAX && (1..=days_of_month(year, month)?).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// The day that is so many days after 1970-01-01; the nearest that can be
    /// written if it is out of range.
    #[must_use]
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "days are clamped to a few million"
    )]
    pub fn from_days_since_epoch(days: i64) -> Self {
        let days = days.clamp(DAYS_MIN, DAYS_MAX) + DAYS_0000_03_01;
        let era = days.div_euclid(DAYS_OF_ERA);
        let day_of_era = days.rem_euclid(DAYS_OF_ERA);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year: u16::try_from(year).unwrap_or_default(),
            month: u8::try_from(month).unwrap_or(1),
            day: u8::try_from(day).unwrap_or(1),
        }
    }

    /// Days since 1970-01-01.
    #[must_use]
    #[expect(clippy::arithmetic_side_effects, reason = "a year has four digits")]
    pub fn days_since_epoch(self) -> i64 {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let march_month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * march_month + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * DAYS_OF_ERA + day_of_era - DAYS_0000_03_01
    }
}

impl DateTime {
    /// The day on the sender's own calendar, in days since 1970: what SEARCH compares (RFC
    /// 9051, section 6.4.4 disregards time and timezone).
    #[must_use]
    pub fn local_day(self) -> i64 {
        self.local_seconds().div_euclid(SECONDS_OF_DAY)
    }

    /// The same as a date.
    fn local_date(self) -> Date {
        Date::from_days_since_epoch(self.local_day())
    }

    /// Of the sender's clock; the nearest that can be written.
    fn local_seconds(self) -> i64 {
        let offset = i64::from(self.offset_minutes).saturating_mul(60);
        let local = self.unix_seconds.saturating_add(offset);
        local.clamp(SECONDS_MIN, SECONDS_MAX)
    }
}

/// `date = date-text / DQUOTE date-text DQUOTE`
pub(super) fn date(cursor: &mut Cursor<'_>) -> Parsed<Date> {
    let quoted = cursor.accept(b'"');
    let day = digits(cursor, 1..=2)?;
    let date = month_and_year(cursor, day)?;
    if quoted {
        cursor.byte(b'"', "a closing quote")?;
    }
    Ok(date)
}

/// `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`,
/// `date-day-fixed = (SP DIGIT) / 2DIGIT`
pub(super) fn date_time(cursor: &mut Cursor<'_>) -> Parsed<DateTime> {
    cursor.byte(b'"', "a date and time")?;
    let day = if cursor.accept(b' ') {
        digits(cursor, 1..=1)?
    } else {
        digits(cursor, 2..=2)?
    };
    let date = month_and_year(cursor, day)?;
    cursor.space()?;
    let time = time(cursor)?;
    cursor.space()?;
    let offset_minutes = zone(cursor)?;
    cursor.byte(b'"', "a closing quote")?;
    let local = date
        .days_since_epoch()
        .saturating_mul(SECONDS_OF_DAY)
        .saturating_add(time);
    Ok(DateTime {
        unix_seconds: local.saturating_sub(i64::from(offset_minutes).saturating_mul(60)),
        offset_minutes,
    })
}

/// `"-" date-month "-" date-year`, `date-year = 4DIGIT`
fn month_and_year(cursor: &mut Cursor<'_>, day: u8) -> Parsed<Date> {
    cursor.byte(b'-', "a date")?;
    let month = month(cursor)?;
    cursor.byte(b'-', "a date")?;
    let year = digits(cursor, 4..=4)?;
    Date::new(year, month, day).ok_or(expected("a day that exists"))
}

/// `date-month = "Jan" / "Feb" / ... / "Dec"`
fn month(cursor: &mut Cursor<'_>) -> Parsed<u8> {
    let name = cursor.take_while1(|byte| byte.is_ascii_alphabetic(), "a month")?;
    let at = MONTHS
        .iter()
        .position(|month| month.as_bytes().eq_ignore_ascii_case(name))
        .ok_or(expected("a month"))?;
    u8::try_from(at.saturating_add(1)).map_err(|_| expected("a month"))
}

/// `time = 2DIGIT ":" 2DIGIT ":" 2DIGIT`, in seconds of the day; `:60` is a
/// leap second.
fn time(cursor: &mut Cursor<'_>) -> Parsed<i64> {
    let hours: i64 = digits(cursor, 2..=2)?;
    cursor.byte(b':', "a time")?;
    let minutes: i64 = digits(cursor, 2..=2)?;
    cursor.byte(b':', "a time")?;
    let seconds: i64 = digits(cursor, 2..=2)?;
    if hours > 23 || minutes > 59 || seconds > 60 {
        return Err(expected("a time that exists"));
    }
    Ok(hours
        .saturating_mul(3600)
        .saturating_add(minutes.saturating_mul(60))
        .saturating_add(seconds))
}

/// `zone = ("+" / "-") 4DIGIT`, in minutes east
fn zone(cursor: &mut Cursor<'_>) -> Parsed<i16> {
    let west = match cursor.accept(b'+') {
        true => false,
        false => cursor.byte(b'-', "a zone").map(|()| true)?,
    };
    let number: i16 = digits(cursor, 4..=4)?;
    let (hours, minutes) = (number / 100, number % 100);
    if hours > 23 || minutes > 59 {
        return Err(expected("a zone that exists"));
    }
    let east = hours.saturating_mul(60).saturating_add(minutes);
    Ok(if west { east.saturating_neg() } else { east })
}

fn digits<N: TryFrom<u64>>(
    cursor: &mut Cursor<'_>,
    count: std::ops::RangeInclusive<usize>,
) -> Parsed<N> {
    let digits = cursor.take_while(|byte| byte.is_ascii_digit());
    let number = decimal(digits).filter(|_| count.contains(&digits.len()));
    number
        .and_then(|number| N::try_from(number).ok())
        .ok_or(NOT_DIGITS)
}

const NOT_DIGITS: Refusal = expected("a date");

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// `date-year = 4DIGIT` (RFC 9051): no later year can be written.
const YEAR_MAX: u16 = 9999;
const SECONDS_OF_DAY: i64 = 86_400;
/// Days of 400 years.
const DAYS_OF_ERA: i64 = 146_097;
/// From 0000-03-01, at which the arithmetic begins, to 1970-01-01.
const DAYS_0000_03_01: i64 = 719_468;
/// 0000-01-01, the first day that can be written, counted from 1970-01-01.
const DAYS_MIN: i64 = -719_528;
/// 9999-12-31, the last day that can be written.
const DAYS_MAX: i64 = 2_932_896;
/// The first second of the first day that can be written.
const SECONDS_MIN: i64 = DAYS_MIN * SECONDS_OF_DAY;
/// The last second of the last: a leap second behind it has no day to be in.
const SECONDS_MAX: i64 = (DAYS_MAX + 1) * SECONDS_OF_DAY - 1;

fn days_of_month(year: u16, month: u8) -> Option<u8> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if leap => Some(29),
        2 => Some(28),
        _ => None,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let month = MONTHS
            .get(usize::from(self.month.saturating_sub(1)))
            .unwrap_or(&"Jan");
        write!(out, "{}-{month}-{:04}", self.day, self.year)
    }
}

/// Without the quotes.
impl fmt::Display for DateTime {
    #[expect(clippy::arithmetic_side_effects, reason = "division by constants")]
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.local_seconds().rem_euclid(SECONDS_OF_DAY);
        let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
        let date = self.local_date().to_string();
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let zone = self.offset_minutes.unsigned_abs();
        let zone = zone / 60 * 100 + zone % 60;
        write!(
            out,
            "{date:>11} {hours:02}:{minutes:02}:{seconds:02} {sign}{zone:04}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Parsed<DateTime> {
        let mut cursor = Cursor::new(text.as_bytes());
        let read = date_time(&mut cursor)?;
        cursor.end()?;
        Ok(read)
    }

    #[test]
    fn known_instants() {
        let known = [
            ("17-Jul-1996 02:44:25 -0700", 837_596_665, -420),
            (" 7-Feb-1994 22:43:04 -0800", 760_689_784, -480),
            (" 1-Jan-1970 00:00:00 +0000", 0, 0),
            ("29-Feb-2000 23:59:59 +0530", 951_848_999, 330),
        ];
        for (text, unix_seconds, offset_minutes) in known {
            let date_time = DateTime {
                unix_seconds,
                offset_minutes,
            };
            assert_eq!(read(&format!("\"{text}\"")), Ok(date_time), "{text}");
            assert_eq!(date_time.to_string(), text);
        }
    }

    #[test]
    fn a_leap_second_begins_the_next_day_unless_there_is_none() {
        for (text, shown) in [
            ("30-Jun-2015 23:59:60 +0000", " 1-Jul-2015 00:00:00 +0000"),
            ("31-Dec-9999 23:59:60 -1200", "31-Dec-9999 23:59:59 -1200"),
        ] {
            let read = read(&format!("\"{text}\"")).unwrap();
            assert_eq!(read.to_string(), shown);
            assert_eq!(read.local_date().to_string(), shown[..11].trim_start());
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in [
            "\"29-Feb-1900 00:00:00 +0000\"",
            "\"31-Apr-2024 00:00:00 +0000\"",
            "\"00-Jan-2024 00:00:00 +0000\"",
            "\"01-Foo-2024 00:00:00 +0000\"",
            "\"01-Jan-2024 24:00:00 +0000\"",
            "\"01-Jan-2024 00:00:00 +2400\"",
            "\"01-Jan-2024 00:00:00 0000\"",
            "\"1-Jan-2024 00:00:00 +0000\"",
            "\"01-Jan-99999 00:00:00 +0000\"",
            "\"01-Jan-2024 00:00:00 +0000",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_of_search_comes_with_quotes_or_without() {
        for text in ["1-Feb-1994", "\"01-feb-1994\""] {
            let date = date(&mut Cursor::new(text.as_bytes())).unwrap();
            assert_eq!(date, Date::new(1994, 2, 1).unwrap());
            assert_eq!(date.days_since_epoch(), 8797);
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_read_as_it_is_written(
            unix_seconds in -62_000_000_000..253_000_000_000_i64,
            offset_minutes in -1439..=1439_i16,
        ) {
            let date_time = DateTime { unix_seconds, offset_minutes };
            prop_assert_eq!(read(&format!("\"{date_time}\"")), Ok(date_time));
        }

        #[test]
        fn days_and_dates_are_one_to_one(days in DAYS_MIN..=DAYS_MAX) {
            let date = Date::from_days_since_epoch(days);
            prop_assert_eq!(date.days_since_epoch(), days);
            prop_assert_eq!(Date::new(date.year, date.month, date.day), Some(date));
        }
    }
}
