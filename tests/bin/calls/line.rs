//! One line of what strace writes, with arguments as bare numbers.
//!
//! `PID  name(0x1, 0) = 0x2`; where another thread came between, in two lines, `PID
//! name(0x1, 0 <unfinished ...>` and `PID <... name resumed>) = 0x2`; in the end `PID
//! +++ exited with 0 +++`. Only execve and execveat are written in words.

/// What happened to a thread.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The thread.
    pub thread: u32,
    /// What it did.
    pub event: Event<'a>,
}

/// What a thread did.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// It entered a call, and may have returned already.
    Called(Call<'a>, Option<i64>),
    /// A call that it had entered returned.
    Returned(&'a str, Option<i64>),
    /// It is no more.
    Ended,
}

/// A call as it was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its arguments; 0 where it has none.
    pub arguments: [u64; 6],
    /// For execve and execveat, of which else only the flags are read, the name that the
    /// program is given.
    pub program: Option<&'a str>,
}

/// Reads a line; `None` if it tells of nothing that we follow.
pub fn parse(text: &str) -> Option<Line<'_>> {
    let (thread, rest) = text.split_once(' ')?;
    let thread = thread.parse().ok()?;
    let event = event(rest.trim_start())?;
    Some(Line { thread, event })
}

fn event(rest: &str) -> Option<Event<'_>> {
    if rest.starts_with("+++ ") {
        return Some(Event::Ended);
    }
    if let Some(resumed) = rest.strip_prefix("<... ") {
        let (name, rest) = resumed.split_once(" resumed>")?;
        return Some(Event::Returned(name, result(rest)));
    }
    let (name, rest) = rest.split_once('(')?;
    // Of one who is killed meanwhile strace can't say what it called.
    if name.contains('?') {
        return None;
    }
    let call = if name.starts_with("execve") {
        in_words(name, rest)
    } else {
        in_numbers(name, rest)
    };
    Some(Event::Called(call, result(rest)))
}

fn in_words<'a>(name: &'a str, rest: &'a str) -> Call<'a> {
    let first = rest
        .split_once("[\"")
        .and_then(|(_, list)| list.split_once('"'));
    let last = rest.rsplit_once(", ").map_or("", |(_, last)| last);
    let flags = last.split([')', ' ']).next().and_then(number);
    Call {
        name,
        arguments: [0, 0, 0, 0, flags.unwrap_or(0), 0],
        program: first.map(|(program, _)| program.rsplit('/').next().unwrap_or(program)),
    }
}

fn in_numbers<'a>(name: &'a str, rest: &str) -> Call<'a> {
    let end = rest.find([')', '<']).unwrap_or(rest.len());
    let mut arguments = [0; 6];
    for (place, word) in arguments.iter_mut().zip(rest[..end].split(", ")) {
        *place = number(word.trim()).unwrap_or(0);
    }
    Call {
        name,
        arguments,
        program: None,
    }
}

/// What a call returned; `None` as long as it hasn't, and if it never will.
fn result(rest: &str) -> Option<i64> {
    let (_, result) = rest.rsplit_once(" = ")?;
    let word = result.split(' ').next()?;
    match word.strip_prefix('-') {
        Some(digits) => Some(-i64::try_from(number(digits)?).ok()?),
        None => number(word)?.try_into().ok(),
    }
}

fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called<'a>(text: &'a str) -> (Call<'a>, Option<i64>) {
        match parse(text).expect("a line").event {
            Event::Called(call, result) => (call, result),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_has_its_name_its_arguments_and_its_result() {
        let (call, result) =
            called("3883  mmap(0, 0x2000, 0x3, 0x22, 0xffffffff, 0) = 0x7fab2df79000");
        assert_eq!(
            (call.name, call.arguments),
            ("mmap", [0, 0x2000, 3, 0x22, 0xffff_ffff, 0])
        );
        assert_eq!(result, Some(0x7fab_2df7_9000));
        let (_, refused) =
            called("1 access(0x7fab2dfad2a0, 0x4) = -1 ENOENT (No such file or directory)");
        assert_eq!(refused, Some(-1));
        let (call, never) = called("1 exit_group(0) = ?");
        assert_eq!((call.name, never), ("exit_group", None));
    }

    #[test]
    fn a_call_in_two_lines_is_entered_by_the_first_and_returns_with_the_second() {
        let (call, result) = called("3894  close(0xff <unfinished ...>");
        assert_eq!((call.name, call.arguments[0], result), ("close", 255, None));
        let line = parse("3883  <... clone resumed>)             = 0xf36").expect("a line");
        assert_eq!(line.event, Event::Returned("clone", Some(0xf36)));
    }

    #[test]
    fn a_program_is_known_by_its_name_without_its_path() {
        let (call, result) =
            called(r#"7 execveat(11, "", ["mailkeep-auth", "separate (1)"], 0x7ffc, 0x1000) = 0"#);
        assert_eq!((call.program, result), (Some("mailkeep-auth"), Some(0)));
        assert_eq!(call.arguments[4], 0x1000);
        let (call, _) =
            called(r#"7 execve("/a/b", ["/a/mailkeep-supervisor", "x"], 0x1 /* 3 vars */) = 0"#);
        assert_eq!(call.program, Some("mailkeep-supervisor"));
    }

    #[test]
    fn an_end_is_told_and_noise_is_not() {
        let line = parse("12 +++ killed by SIGSYS +++").expect("a line");
        assert_eq!((line.thread, line.event), (12, Event::Ended));
        assert_eq!(parse("strace: Process 7 attached"), None);
        assert_eq!(parse(""), None);
    }
}
