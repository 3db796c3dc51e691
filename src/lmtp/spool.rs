//! Letters while they come in and go out.
//!
//! A small letter stays in memory and leaves as a sealed memfd. A large one goes
//! to a file of the spool, under a random name that only this process could open;
//! what leaves are descriptions opened read-only, one for each recipient, so that
//! no worker can change what another reads, or move its place in it. The name
//! goes when the last of them is open; what a former life has left, at start.
//!
//! Writes go to the page cache, at most [`PIECE_BYTES`] at once, and are not
//! synced: a letter is durable with the worker or not accepted. They can block
//! this one thread while the kernel writes back; a thread for them would cost
//! confinement a second thread to win milliseconds on a full disk.

use ipc::letter;
use rustix::fs::{self, AtFlags, Mode, OFlags, RawDir};
use rustix::io::Errno;
use std::cell::Cell;
use std::fmt::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

use crate::session::CannotKeep;

/// Bytes that are held before a file is made, and written to it at once.
pub const PIECE_BYTES: usize = 64 * 1024;

/// The directory, and how much of it is used.
#[derive(Debug)]
pub struct Spool {
    directory: OwnedFd,
    bytes_max: Cell<u64>,
    bytes: Cell<u64>,
}

impl Spool {
    /// Opens the spool and empties it.
    ///
    /// # Errors
    /// As openat(2), getdents64(2) and unlinkat(2).
    pub fn open(path: &Path, bytes_max: u64) -> Result<Rc<Self>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let directory = fs::openat(fs::CWD, path, flags, Mode::empty())?;
        empty(&directory)?;
        Ok(Rc::new(Self {
            directory,
            bytes_max: Cell::new(bytes_max),
            bytes: Cell::new(0),
        }))
    }

    /// Sets how much all letters may take together. What is there stays.
    pub fn limit(&self, bytes_max: u64) {
        self.bytes_max.set(bytes_max);
    }

    /// Makes ready for a letter.
    #[must_use]
    pub fn intake(self: &Rc<Self>) -> Intake {
        let reservation = Reservation {
            spool: Rc::clone(self),
            bytes: 0,
        };
        Intake {
            reservation,
            piece: Vec::new(),
            file: None,
            length: 0,
        }
    }
}

/// A letter's share of the spool, until nobody needs it.
#[derive(Debug)]
pub struct Reservation {
    spool: Rc<Spool>,
    bytes: u64,
}

impl Reservation {
    fn grow(&mut self, bytes: u64) -> Result<(), CannotKeep> {
        let all = self.spool.bytes.get().saturating_add(bytes);
        if all > self.spool.bytes_max.get() {
            return Err(CannotKeep::NoRoom);
        }
        self.spool.bytes.set(all);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.spool
            .bytes
            .set(self.spool.bytes.get().saturating_sub(self.bytes));
    }
}

fn empty(directory: &OwnedFd) -> Result<(), Errno> {
    let mut names = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let name = entry?.file_name().to_owned();
        if name.as_c_str() != c"." && name.as_c_str() != c".." {
            names.push(name);
        }
    }
    names
        .iter()
        .try_for_each(|name| fs::unlinkat(directory, name, AtFlags::empty()))
}

/// A letter that comes in. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Intake {
    reservation: Reservation,
    piece: Vec<u8>,
    file: Option<(File, OwnedFd)>,
    length: u64,
}

impl Intake {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`CannotKeep`]: drop the letter.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), CannotKeep> {
        self.length = self.length.saturating_add(bytes.len() as u64);
        while bytes.len() > self.room() {
            let (now, later) = bytes.split_at(self.room());
            self.piece.extend_from_slice(now);
            self.write_piece()?;
            bytes = later;
        }
        self.piece.extend_from_slice(bytes);
        Ok(())
    }

    /// How much the piece still takes.
    fn room(&self) -> usize {
        PIECE_BYTES.saturating_sub(self.piece.len())
    }

    /// The letter is whole.
    ///
    /// # Errors
    /// [`CannotKeep`]: it is lost.
    pub fn finish(mut self) -> Result<Letter, CannotKeep> {
        if self.file.is_some() {
            self.write_piece()?;
        }
        let place = match self.file {
            Some((file, _writer)) => Place::File(file),
            None => Place::Memory(letter::sealed(&self.piece).map_err(why)?),
        };
        Ok(Letter {
            place,
            length: self.length,
            reservation: Rc::new(self.reservation),
        })
    }

    fn write_piece(&mut self) -> Result<(), CannotKeep> {
        self.reservation.grow(self.piece.len() as u64)?;
        let (_, writer) = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::create(&self.reservation.spool)?),
        };
        write_all(writer, &self.piece)?;
        self.piece.clear();
        Ok(())
    }
}

fn write_all(to: &OwnedFd, mut bytes: &[u8]) -> Result<(), CannotKeep> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(0) => return Err(CannotKeep::Failed),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(why(errno)),
        }
    }
    Ok(())
}

fn why(errno: Errno) -> CannotKeep {
    match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => CannotKeep::NoRoom,
        _ => CannotKeep::Failed,
    }
}

/// A whole letter, that nobody can change any more. Dropped, it has no name.
#[derive(Debug)]
pub struct Letter {
    place: Place,
    length: u64,
    reservation: Rc<Reservation>,
}

#[derive(Debug)]
enum Place {
    Memory(OwnedFd),
    File(File),
}

impl Letter {
    /// Bytes in it.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// A description for one recipient, and the share of the spool that it holds
    /// until its reader is done.
    ///
    /// # Errors
    /// As openat(2) and fcntl(2).
    pub fn description(&self) -> Result<(OwnedFd, Rc<Reservation>), Errno> {
        let description = match &self.place {
            Place::Memory(memfd) => rustix::io::fcntl_dupfd_cloexec(memfd, 0)?,
            Place::File(file) => file.open_for_reading()?,
        };
        Ok((description, Rc::clone(&self.reservation)))
    }
}

/// A file of the spool, while it has a name.
#[derive(Debug)]
struct File {
    spool: Rc<Spool>,
    name: String,
}

impl File {
    fn create(spool: &Rc<Spool>) -> Result<(Self, OwnedFd), CannotKeep> {
        let name = random_name().map_err(why)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let writer = fs::openat(&spool.directory, &name, flags, letter::SPOOL_MODE).map_err(why)?;
        Ok((
            Self {
                spool: Rc::clone(spool),
                name,
            },
            writer,
        ))
    }

    fn open_for_reading(&self) -> Result<OwnedFd, Errno> {
        fs::openat(
            &self.spool.directory,
            &self.name,
            letter::READER_FLAGS,
            Mode::empty(),
        )
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Should it stay, the next start removes it.
        let _ = fs::unlinkat(&self.spool.directory, &self.name, AtFlags::empty());
    }
}

/// 128 random bits: nobody can have guessed it, and none comes twice.
pub fn random_name() -> Result<String, Errno> {
    let mut name = String::new();
    for byte in ipc::identity::random::<16>()? {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::PathBuf;

    /// A directory for one test, removed at its end.
    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("lmtp-{}", random_name().unwrap()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn spool(&self, bytes_max: u64) -> Rc<Spool> {
            Spool::open(&self.0, bytes_max).unwrap()
        }

        fn files(&self) -> usize {
            std::fs::read_dir(&self.0).unwrap().count()
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn take(spool: &Rc<Spool>, pieces: &[&[u8]]) -> Result<Letter, CannotKeep> {
        let mut intake = spool.intake();
        pieces.iter().try_for_each(|piece| intake.write(piece))?;
        intake.finish()
    }

    fn content(letter: &Letter) -> Vec<u8> {
        let (description, _) = letter.description().unwrap();
        let mut bytes = vec![0; usize::try_from(letter.length()).unwrap() + 1];
        let mut length = 0;
        loop {
            match rustix::io::pread(&description, &mut bytes[length..], length as u64).unwrap() {
                0 => break,
                read => length += read,
            }
        }
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn a_small_letter_makes_no_file_and_is_sealed() {
        let directory = Directory::new();
        let letter = take(&directory.spool(0), &[b"Subject: x\r\n", b"\r\n"]).unwrap();
        assert_eq!(directory.files(), 0);
        let (description, _) = letter.description().unwrap();
        assert_eq!(
            letter::check(&description, letter.length()),
            Ok(letter::Kept::InMemory)
        );
        assert_eq!(rustix::io::write(&description, b"x"), Err(Errno::PERM));
        assert_eq!(content(&letter), b"Subject: x\r\n\r\n");
    }

    #[test]
    fn of_a_large_letter_only_read_only_descriptions_leave_each_with_its_own_place() {
        let directory = Directory::new();
        let sent = vec![b'x'; 3 * PIECE_BYTES + 5];
        let spool = directory.spool(1 << 20);
        let letter = take(&spool, &[&sent]).unwrap();
        assert_eq!(directory.files(), 1);
        let ((one, share), (two, _)) =
            (letter.description().unwrap(), letter.description().unwrap());
        for description in [&one, &two] {
            assert_eq!(
                letter::check(description, letter.length()),
                Ok(letter::Kept::OnDisk)
            );
            let mode = fs::fcntl_getfl(description).unwrap() & OFlags::RWMODE;
            assert_eq!(mode, OFlags::RDONLY);
            assert_eq!(rustix::io::write(description, b"x"), Err(Errno::BADF));
        }
        fs::seek(&one, fs::SeekFrom::Start(100)).unwrap();
        assert_eq!(fs::tell(&two), Ok(0));
        assert!(content(&letter) == sent);

        drop(letter);
        assert_eq!(directory.files(), 0);
        assert_eq!(rustix::io::pread(&two, &mut [0_u8; 1], 0), Ok(1));
        assert_eq!(spool.bytes.get(), sent.len() as u64);
        drop(share);
        assert_eq!(spool.bytes.get(), 0);
    }

    #[test]
    fn beyond_the_cap_there_is_no_room_until_a_letter_is_gone() {
        let directory = Directory::new();
        let spool = directory.spool(3 * PIECE_BYTES as u64);
        let large = vec![b'x'; 2 * PIECE_BYTES];
        let first = take(&spool, &[&large]).unwrap();
        assert_eq!(take(&spool, &[&large]).unwrap_err(), CannotKeep::NoRoom);
        assert_eq!(directory.files(), 1, "the refused letter has left nothing");
        drop(first);
        assert!(take(&spool, &[&large]).is_ok());
        assert_eq!(spool.bytes.get(), 0);
    }

    #[test]
    fn an_intake_that_is_given_up_leaves_nothing() {
        let directory = Directory::new();
        let spool = directory.spool(1 << 20);
        let mut intake = spool.intake();
        intake.write(&vec![b'x'; 2 * PIECE_BYTES]).unwrap();
        assert_eq!(directory.files(), 1);
        drop(intake);
        assert_eq!((directory.files(), spool.bytes.get()), (0, 0));
    }

    #[test]
    fn what_a_former_life_has_left_is_gone_after_the_start() {
        let directory = Directory::new();
        for number in 0..300 {
            std::fs::write(directory.0.join(format!("old{number}")), b"letter").unwrap();
        }
        directory.spool(0);
        assert_eq!(directory.files(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_letter_comes_out_as_it_went_in(
            pieces in prop::collection::vec((any::<u8>(), 0..100_000_usize), 0..6)
        ) {
            let directory = Directory::new();
            let pieces: Vec<Vec<u8>> = pieces.iter().map(|(byte, n)| vec![*byte; *n]).collect();
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let letter = take(&directory.spool(1 << 20), &pieces).unwrap();
            prop_assert!(content(&letter) == pieces.concat());
            prop_assert_eq!(directory.files() == 1, letter.length() > PIECE_BYTES as u64);
        }
    }
}
