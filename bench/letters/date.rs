//! Dates as mail writes them, always in UTC.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// RFC 5322's `date-time`, of seconds since 1970.
pub fn header(time: u64) -> String {
    let (year, month, day) = civil(time / 86_400);
    let weekday = DAYS[(time / 86_400 % 7) as usize];
    format!("{weekday}, {day:02} {month} {year} {} +0000", clock(time))
}

/// IMAP's `date-time` without its quotes, of seconds since 1970.
pub fn internal(time: u64) -> String {
    let (year, month, day) = civil(time / 86_400);
    format!("{day:02}-{month}-{year} {} +0000", clock(time))
}

fn clock(time: u64) -> String {
    let (hour, minute) = (time / 3600 % 24, time / 60 % 60);
    format!("{hour:02}:{minute:02}:{:02}", time % 60)
}

/// Year, month and day of a count of days since 1970 (Hinnant's `civil_from_days`, for
/// days that are not before it).
fn civil(days: u64) -> (u64, &'static str, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = year + era * 400 + u64::from(month < 2);
    (year, MONTHS[month as usize], day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(header(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(header(951_827_696), "Tue, 29 Feb 2000 12:34:56 +0000");
        assert_eq!(internal(1_577_836_800), "01-Jan-2020 00:00:00 +0000");
        assert_eq!(internal(1_609_459_199), "31-Dec-2020 23:59:59 +0000");
    }
}
