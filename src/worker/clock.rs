//! The time of day, which no decision of order rests upon.

/// Seconds since 1970 in UTC.
pub fn seconds() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec
}
