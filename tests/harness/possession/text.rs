//! A `syscall` instruction in a process's own text.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// The instruction's bytes. That they lie in the middle of another one is no matter.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// What is looked through at a time.
const WINDOW_BYTES: usize = 1 << 16;

/// The address of one.
///
/// # Panics
/// If it has none.
pub fn call(pid: u32, memory: &File) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it lives");
    let found = maps.lines().filter_map(executable);
    let found = found.into_iter().find_map(|range| within(memory, range));
    found.unwrap_or_else(|| panic!("no system call in the text of {pid}:\n{maps}"))
}

/// The range of a line of `maps`, if it can be executed.
fn executable(line: &str) -> Option<std::ops::Range<u64>> {
    let (range, rest) = line.split_once(' ')?;
    let (first, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let is_text = rest.as_bytes().get(2) == Some(&b'x') && !line.ends_with("[vsyscall]");
    is_text.then_some(number(first)?..number(end)?)
}

fn within(memory: &File, range: std::ops::Range<u64>) -> Option<u64> {
    // Windows overlap by a byte, for an instruction on their border.
    let mut windows = range.clone().step_by(WINDOW_BYTES - 1);
    windows.find_map(|start| {
        let len = WINDOW_BYTES.min(usize::try_from(range.end - start).ok()?);
        let mut bytes = vec![0; len];
        memory.read_exact_at(&mut bytes, start).ok()?;
        let at = bytes.windows(2).position(|pair| pair == SYSCALL)?;
        Some(start + u64::try_from(at).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::executable;

    #[test]
    fn only_what_can_be_executed_is_text() {
        let line = "7f0000001000-7f0000002000 r-xp 00001000 00:01 7 /memfd:mailkeep-worker";
        assert_eq!(executable(line), Some(0x7f00_0000_1000..0x7f00_0000_2000));
        assert_eq!(executable(&line.replace("r-xp", "rw-p")), None);
        let vsyscall = "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]";
        assert_eq!(executable(vsyscall), None);
    }
}
