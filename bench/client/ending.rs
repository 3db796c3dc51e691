//! Where an IMAP answer ends: at the line that begins with its tag. Nothing else of the
//! answer is parsed; the tags are such that no letter of ours has a line like that.

/// Bytes of the last line that are kept: no tagged line of a server is longer.
const KEPT_BYTES: usize = 2048;

/// Looks out for the end of one answer.
#[derive(Debug)]
pub(super) struct Ending {
    mark: Vec<u8>,
    tail: Vec<u8>,
}

impl Ending {
    /// The end of the answer to the command of this tag.
    pub fn of(tag: &str) -> Self {
        Self {
            mark: format!("{tag} ").into_bytes(),
            tail: Vec::with_capacity(2 * KEPT_BYTES),
        }
    }

    /// Looks at the next piece, and says whether the answer ends with it.
    pub fn is_in(&mut self, piece: &[u8]) -> bool {
        let news = &piece[piece.len().saturating_sub(KEPT_BYTES)..];
        let surplus = (self.tail.len() + news.len()).saturating_sub(KEPT_BYTES);
        self.tail.drain(..surplus.min(self.tail.len()));
        self.tail.extend_from_slice(news);
        self.line().is_some_and(|line| line.starts_with(&self.mark))
    }

    /// The tagged line behind its tag, if the answer has ended.
    pub fn said(&self) -> &[u8] {
        let line = self.line().and_then(|line| line.strip_prefix(&*self.mark));
        line.unwrap_or_default()
    }

    /// The last line, if it is whole.
    fn line(&self) -> Option<&[u8]> {
        let text = self.tail.strip_suffix(b"\r\n")?;
        let start = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
        Some(&text[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// After how many bytes the end is seen, if the answer comes in these pieces.
    fn ends_after(answer: &[u8], pieces: &[usize]) -> Option<usize> {
        let mut ending = Ending::of("q7");
        let mut at = 0_usize;
        for length in pieces.iter().copied().chain([usize::MAX]) {
            let end = at.saturating_add(length).min(answer.len());
            if end > at && ending.is_in(&answer[at..end]) {
                return Some(end);
            }
            at = end;
        }
        None
    }

    #[test]
    fn only_a_whole_line_with_the_tag_ends_an_answer() {
        assert_eq!(ends_after(b"q7 OK done\r\n", &[]), Some(12));
        for other in [
            &b"q7 OK done"[..],
            b"q77 OK done\r\n",
            b"* q7 OK done\r\n",
            b"q7 OK\r\n* 1 EXISTS\r\n",
        ] {
            assert_eq!(ends_after(other, &[]), None, "{other:?}");
        }
        let mut ending = Ending::of("q7");
        assert!(ending.is_in(b"* 1 EXISTS\r\nq7 NO [LIMIT] no\r\n"));
        assert_eq!(ending.said(), b"NO [LIMIT] no");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn the_end_is_seen_however_the_answer_is_cut(
            before in 0..6000usize, pieces in prop::collection::vec(1..3000usize, 0..12),
        ) {
            let mut answer = b"* 1 FETCH (FLAGS ())\r\n".repeat(before / 22);
            answer.extend_from_slice(b"q7 OK done\r\n");
            prop_assert_eq!(ends_after(&answer, &pieces), Some(answer.len()));
        }
    }
}
