//! The sample letters, and how they come in: over the set's own LMTP (RFC 2033),
//! as any letter does.

use super::Failure;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take: a letter's needs a worker's birth and a sync.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Bytes of a line of an answer (RFC 5321 §4.5.3.1.5: 512 at least).
const LINE_BYTES_MAX: u64 = 4096;

/// The letters, with bare line feeds; they leave with CRLF.
const LETTERS: [&str; 3] = [
    "From: Mailkeep <postmaster@example.org>
To: demo@example.org
Subject: Welcome to Mailkeep
Date: Thu, 1 Jan 2026 12:00:00 +0000
Message-ID: <welcome@example.org>

This letter came in through LMTP, was given to your own worker as a sealed
piece of memory, and was synced to the disk before LMTP said 250.

.A line that begins with a dot has come through as it was.
",
    "From: =?UTF-8?Q?J=C3=BCrgen_Gro=C3=9F?= <juergen@example.org>
To: demo@example.org
Subject: =?UTF-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=
Date: Thu, 1 Jan 2026 13:00:00 +0100
Message-ID: <cologne@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Sch=C3=B6ne Gr=C3=BC=C3=9Fe!
",
    "From: Reports <reports@example.org>
To: demo@example.org
Subject: Two parts
Date: Thu, 1 Jan 2026 14:00:00 +0000
Message-ID: <parts@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=\"between\"

--between
Content-Type: text/plain

The figures are attached.
--between
Content-Type: text/csv; name=\"figures.csv\"
Content-Disposition: attachment; filename=\"figures.csv\"

process,uid
worker,1900000001
--between--
",
];

/// Delivers the letters.
///
/// # Errors
/// [`Failure::Letter`] with what LMTP said.
pub fn deliver(socket: &Path, recipient: &str) -> Result<(), Failure> {
    let stream = UnixStream::connect(socket)
        .and_then(|stream| stream.set_read_timeout(Some(ANSWER_MAX)).map(|()| stream))
        .map_err(|error| Failure::Place(socket.to_owned(), error))?;
    converse(&stream, recipient).map_err(Failure::Letter)
}

fn converse<S>(stream: S, recipient: &str) -> Result<(), String>
where
    S: Copy + io::Read + Write,
{
    let mut talk = Talk {
        reader: BufReader::new(stream),
        writer: stream,
    };
    talk.expect("220")?;
    talk.say("LHLO localhost\r\n", "250")?;
    for letter in LETTERS {
        talk.say("MAIL FROM:<postmaster@example.org>\r\n", "250")?;
        talk.say(&format!("RCPT TO:<{recipient}>\r\n"), "250")?;
        talk.say("DATA\r\n", "354")?;
        talk.say(&as_data(letter), "250")?;
    }
    talk.say("QUIT\r\n", "221")
}

/// A letter as DATA carries it: CRLF, dots doubled, the final dot (RFC 5321
/// §4.5.2).
fn as_data(letter: &str) -> String {
    let line = |line: &str| {
        let dot = if line.starts_with('.') { "." } else { "" };
        format!("{dot}{line}\r\n")
    };
    letter
        .lines()
        .map(line)
        .chain([".\r\n".to_owned()])
        .collect()
}

struct Talk<S> {
    reader: BufReader<S>,
    writer: S,
}

impl<S: io::Read + Write> Talk<S> {
    fn say(&mut self, words: &str, code: &str) -> Result<(), String> {
        let said = self.writer.write_all(words.as_bytes());
        said.map_err(|error| error.to_string())?;
        self.expect(code)
    }

    /// Reads a whole answer: its last line has a space behind the code.
    fn expect(&mut self, code: &str) -> Result<(), String> {
        loop {
            let mut line = String::new();
            let read = io::Read::take(&mut self.reader, LINE_BYTES_MAX).read_line(&mut line);
            match read {
                Ok(0) => return Err("LMTP has closed the connection".to_owned()),
                Ok(_) if !line.starts_with(code) => return Err(line.trim_end().to_owned()),
                Ok(_) if line.get(3..4) == Some("-") => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_crlf_with_dots_doubled_and_ends_with_one() {
        assert_eq!(as_data("a\n.b\n\nc\n"), "a\r\n..b\r\n\r\nc\r\n.\r\n");
        for letter in LETTERS {
            let data = as_data(letter);
            assert!(!data.replace("\r\n", "").contains(['\r', '\n']));
            assert!(data.ends_with("\r\n.\r\n") && data.lines().all(|line| line.len() < 998));
        }
    }

    /// Answers every line with the next of these.
    fn server(answers: &'static [&'static str]) -> UnixStream {
        let (near, far) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(&far);
            for answer in answers {
                (&far).write_all(answer.as_bytes()).unwrap();
                let mut line = String::new();
                lines.read_line(&mut line).unwrap();
                let data = answer.starts_with("354");
                while data && line.trim_end() != "." {
                    line.clear();
                    lines.read_line(&mut line).unwrap();
                }
            }
            (&far).write_all(b"221 bye\r\n").unwrap();
        });
        near
    }

    #[test]
    fn three_letters_go_out_in_one_session() {
        let answers = &[
            "220 hello\r\n",
            "250-SIZE\r\n250 PIPELINING\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 done\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 done\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 done\r\n",
        ];
        assert_eq!(converse(&server(answers), "demo@example.org"), Ok(()));
    }

    #[test]
    fn a_refusal_is_told_in_its_own_words() {
        let server = server(&[
            "220 hello\r\n",
            "250 x\r\n",
            "250 ok\r\n",
            "550 5.1.1 who?\r\n",
        ]);
        assert_eq!(
            converse(&server, "demo@example.org"),
            Err("550 5.1.1 who?".to_owned())
        );
    }
}
