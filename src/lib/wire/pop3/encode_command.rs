//! Commands as a client would write them: for tests, fuzzing, and traces. Reading
//! what is written here gives the same command again.

use super::{Command, Number};

/// Appends the whole command with its CRLF.
pub fn encode_command(out: &mut Vec<u8>, command: &Command) {
    let line = match command {
        Command::Stat => "STAT".to_owned(),
        Command::List(which) => with_number("LIST", *which),
        Command::Uidl(which) => with_number("UIDL", *which),
        Command::Retr(Number(message)) => format!("RETR {message}"),
        Command::Top {
            message: Number(message),
            lines,
        } => format!("TOP {message} {lines}"),
        Command::Dele(Number(message)) => format!("DELE {message}"),
        Command::Rset => "RSET".to_owned(),
        Command::Noop => "NOOP".to_owned(),
        Command::Quit => "QUIT".to_owned(),
        Command::Capa => "CAPA".to_owned(),
        Command::Lang(None) => "LANG".to_owned(),
        Command::Lang(Some(range)) => format!("LANG {}", range.as_str()),
    };
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn with_number(name: &str, which: Option<Number>) -> String {
    match which {
        Some(Number(message)) => format!("{name} {message}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pop3::{LanguageRange, Reader};
    use proptest::prelude::*;

    fn commands() -> impl Strategy<Value = Command> {
        let which = || prop::option::of(any::<u32>().prop_map(Number));
        let range = "[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8}){0,2}|\\*";
        let range = range.prop_map(|range| LanguageRange::new(&range).unwrap());
        prop_oneof![
            Just(Command::Stat),
            Just(Command::Rset),
            Just(Command::Noop),
            Just(Command::Quit),
            Just(Command::Capa),
            which().prop_map(Command::List),
            which().prop_map(Command::Uidl),
            any::<u32>().prop_map(|message| Command::Retr(Number(message))),
            any::<u32>().prop_map(|message| Command::Dele(Number(message))),
            (any::<u32>(), any::<u64>()).prop_map(|(message, lines)| Command::Top {
                message: Number(message),
                lines
            }),
            prop::option::of(range).prop_map(Command::Lang),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(command in commands()) {
            let mut out = Vec::new();
            encode_command(&mut out, &command);
            let mut input = out.as_slice();
            prop_assert_eq!(Reader::new().advance(&mut input), Some(Ok(command)));
            prop_assert!(input.is_empty());
        }
    }
}
