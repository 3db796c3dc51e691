//! What the letters say, and who writes them.

/// Plain words.
pub const PLAIN: &str = "the quick brown fox jumps over lazy dog server mailbox report budget \
    meeting schedule project review release invoice contract shipping order customer support \
    ticket update quarterly planning network storage index cache flag folder delivery message \
    sender recipient attachment draft archive deadline travel hotel flight conference agenda \
    minutes security patch kernel compiler library function thread latency throughput benchmark";

/// Words that need more than ASCII.
pub const FOREIGN: &str = "päivää smörgåsbord naïve façade größe übung señor año 東京 会議 資料 привет мир отчёт δοκιμή żółć";

/// First names.
pub const FIRST: &str = "Alice Bob Carol Dave Eve Frank Grace Heidi Ivan Judy Mallory Niaj \
    Olivia Peggy Rupert Sybil Trent Victor Walter";

/// Family names.
pub const LAST: &str = "Smith Jones Müller García Nguyen Virtanen Kowalski Rossi Tanaka Ivanov \
    Larsen Dubois Silva Novak";

/// Domains.
pub const DOMAINS: &str =
    "example.com example.org example.net corp.example lists.example mail.example";

/// A list's words.
pub fn of(list: &'static str) -> Vec<&'static str> {
    list.split_whitespace().collect()
}
