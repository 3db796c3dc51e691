//! What a process must be able to do: without it a refusal would prove nothing.

use super::Table;
use super::call::{LEAKED, call, place};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

pub const ATTEMPTS: Table = &[
    ("legitimate: create, write, sync, rename", writing),
    ("legitimate: open, look, list", reading),
    ("a file before", || {
        call(libc::SYS_write, [LEAKED, place(b"x"), 1])
    }),
];

fn writing() -> Result<i64, Errno> {
    let file = rustix::fs::openat(CWD, c"/new", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR)?;
    rustix::io::pwrite(&file, b"mail", 0)?;
    rustix::fs::fsync(&file)?;
    rustix::fs::renameat(CWD, c"/new", CWD, c"/old")?;
    Ok(0)
}

fn reading() -> Result<i64, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, c"/", flags, Mode::empty())?;
    rustix::fs::fstat(&root)?;
    let mut names = rustix::fs::Dir::new(root)?;
    names.try_for_each(|name| name.map(drop))?;
    Ok(0)
}
