//! Dovecot's passwd-file: `name:{SCHEME}hash:uid:gid:gecos:home:shell:extra`, one
//! account a line. Of these only the name and the hash mean anything here.

use crate::password_scheme::{self, BadHash};
use ipc::edge::control_auth::Verifier;
use std::io::BufRead;

/// Bytes of one line. Ours are names and hashes; a longer line is another file.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A comment, or nothing.
    Nothing,
    /// An account.
    Account {
        /// Its login name.
        name: String,
        /// What its password is checked against.
        verifier: Verifier,
    },
}

/// Why a line was not understood.
#[derive(Debug, PartialEq, Eq)]
pub enum BadLine {
    /// There is no `:` behind the name.
    NoPassword,
    /// The hash.
    Hash(BadHash),
    /// It is not UTF-8, or longer than any line of such a file.
    NoText,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoPassword => f.write_str("expected name:{SCHEME}hash"),
            Self::Hash(bad) => bad.fmt(f),
            Self::NoText => f.write_str("the line is not text"),
        }
    }
}

/// The lines of a file, read one at a time.
pub fn lines(
    mut reader: impl BufRead,
) -> impl Iterator<Item = std::io::Result<Result<Line, BadLine>>> {
    std::iter::from_fn(move || next(&mut reader).transpose())
}

fn next(reader: &mut impl BufRead) -> std::io::Result<Option<Result<Line, BadLine>>> {
    let mut bytes = Vec::new();
    std::io::Read::take(&mut *reader, LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let whole = bytes.ends_with(b"\n") || (bytes.len() as u64) < LINE_BYTES_MAX;
    if !whole {
        // The rest of it is passed over, so that the next line begins right.
        reader.skip_until(b'\n')?;
        return Ok(Some(Err(BadLine::NoText)));
    }
    Ok(Some(
        std::str::from_utf8(&bytes)
            .map_err(|_| BadLine::NoText)
            .and_then(parse),
    ))
}

fn parse(line: &str) -> Result<Line, BadLine> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(Line::Nothing);
    }
    let (name, rest) = line.split_once(':').ok_or(BadLine::NoPassword)?;
    let hash = rest.split(':').next().unwrap_or_default();
    let verifier = password_scheme::parse(hash).map_err(BadLine::Hash)?;
    Ok(Line::Account {
        name: name.to_owned(),
        verifier,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<Result<Line, BadLine>> {
        lines(text).map(Result::unwrap).collect()
    }

    #[test]
    fn names_and_hashes_are_taken_and_the_rest_is_passed_over() {
        let hash = "{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
        let text = format!(
            "# comment\n\nalice@example.org:{hash}:1000:1000::/home/alice::userdb_quota=1G\nbob:{hash}"
        );
        let lines = read(text.as_bytes());
        assert!(matches!(
            &lines[..2],
            [Ok(Line::Nothing), Ok(Line::Nothing)]
        ));
        assert!(matches!(&lines[2], Ok(Line::Account { name, .. }) if name == "alice@example.org"));
        assert!(matches!(&lines[3], Ok(Line::Account { name, .. }) if name == "bob"));
    }

    #[test]
    fn a_line_that_is_no_text_or_far_too_long_costs_only_itself() {
        let mut text = vec![b'x'; 200_000];
        text.extend(b"\n\xff:x\n#\n");
        assert_eq!(
            read(&text),
            [
                Err(BadLine::NoText),
                Err(BadLine::NoText),
                Ok(Line::Nothing)
            ]
        );
    }
}
