//! THREAD (RFC 5256 §4), however many threads there are: piece by piece.

use super::put;

/// Writes `thread-data = "THREAD" [SP 1*thread-list]`. Whoever uses it sees to it that
/// what it opens is closed.
#[derive(Debug)]
#[must_use = "a THREAD that isn't ended leaves half a response"]
pub struct ThreadWriter {
    /// What stands before the next list.
    lead: &'static str,
}

impl ThreadWriter {
    /// Begins a THREAD.
    pub fn thread(out: &mut Vec<u8>) -> Self {
        put(out, "* THREAD");
        Self { lead: " " }
    }

    /// Begins a list.
    pub fn open(&mut self, out: &mut Vec<u8>) {
        put(out, std::mem::take(&mut self.lead));
        put(out, "(");
    }

    /// Ends a list.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        put(out, ")");
    }

    /// Between a message and what is below it.
    pub fn space(&mut self, out: &mut Vec<u8>) {
        put(out, " ");
    }

    /// A message.
    pub fn number(&mut self, out: &mut Vec<u8>, number: u32) {
        put(out, &number.to_string());
    }

    /// The end.
    pub fn end(self, out: &mut Vec<u8>) {
        put(out, "\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stand_close_and_without_any_there_is_no_space() {
        let mut out = Vec::new();
        ThreadWriter::thread(&mut out).end(&mut out);
        let mut writer = ThreadWriter::thread(&mut out);
        for number in [2, 3] {
            writer.open(&mut out);
            writer.number(&mut out, number);
            writer.space(&mut out);
            writer.number(&mut out, 6);
            writer.close(&mut out);
        }
        writer.end(&mut out);
        assert_eq!(out, b"* THREAD\r\n* THREAD (2 6)(3 6)\r\n");
    }
}
