//! What any taken-over process can do to all its neighbours, whatever its duty: break
//! the form of their channels, and never read again.

use crate::house::{ALICE, BOB, House, PATIENCE};
use crate::wiring::{End, SUPERVISOR};
use harness::possession::{Outcome, Possessed};
use harness::set::{IMAPS, wait_for};
use harness::{Session, proc};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Nearly as many as the kernel passes at once (253, SCM_MAX_FD).
const MANY: usize = 250;

/// How long others are served within, on a machine that is busy with tests.
const SOON: Duration = Duration::from_secs(20);

/// A datagram: its bytes, and how often descriptor 2 goes with it.
type Lie = (&'static str, fn() -> Vec<u8>, usize);

/// Datagrams that are a message of no channel.
const LIES: [Lie; 5] = [
    ("250 descriptors", || vec![1; 64], MANY),
    ("a message of another length", || vec![1, 0], 0),
    ("a message that nobody knows", || vec![255; 16], 0),
    ("a message that is too long", || vec![1; 190 * 1024], 0),
    ("nothing, and a descriptor", Vec::new, 1),
];

/// Has a process tell every lie on every edge that it has. Whoever hears one ends that
/// channel and nothing else, keeps nothing that came with it, and serves others.
pub fn tell_every_lie(process: &str) {
    let Some(house) = &House::open() else { return };
    let before = open_descriptors(house, process);
    for lie in &LIES {
        let living = house.living();
        lie_to_all(house, process, lie);
        house.pid(process);
        let after = house.living();
        let mut others = living.iter().filter(|(name, _)| name != process);
        assert!(
            others.all(|other| after.contains(other)),
            "{process}, {}: of {living:?} live {after:?}",
            lie.0
        );
    }
    lie_to_the_supervisor(house, process);
    house.serves(ALICE, SOON);
    house.serves(BOB, SOON);
    let mut after = BTreeMap::new();
    let as_before = wait_for(PATIENCE, || {
        after = open_descriptors(house, process);
        before.iter().all(|(name, count)| after[name] <= *count)
    });
    assert!(as_before, "descriptors stay: {before:?} became {after:?}");
}

fn lie_to_all(house: &House, process: &str, (name, bytes, descriptors): &Lie) {
    let (pid, mut by) = house.possess(process);
    let ends = house.ends(pid);
    assert!(!ends.is_empty(), "{process} has no edge");
    for End {
        edge, descriptor, ..
    } in ends
    {
        let sent = by.send(descriptor, &bytes(), &vec![2; *descriptors]);
        assert!(matches!(sent, Outcome::Returned(_)), "{name}: {sent:?}");
        let cut = is_cut(house, &mut by, descriptor);
        assert!(cut, "{edge:?} outlives {name}");
    }
    house.end_of(pid, by);
}

/// Whether the other end closes the channel, whatever it says before. Somebody comes
/// over TLS meanwhile: `front` reads what `keyholder` says only when it has asked.
pub fn is_cut(house: &House, by: &mut Possessed, channel: u32) -> bool {
    std::thread::scope(|scope| {
        let comer = || {
            let mut client = Session::tls(house.set.at(IMAPS), house.set.certificate());
            let _served_or_not = client.try_send(b"a NOOP\r\n");
        };
        let came = scope.spawn(comer);
        let cut = wait_for(PATIENCE, || is_at_end(by, channel));
        came.join().expect("it connects");
        cut
    })
}

/// Whether the end is all that is left to read.
fn is_at_end(by: &mut Possessed, channel: u32) -> bool {
    match by.receive(channel) {
        Ok(datagram) => datagram.bytes.is_empty(),
        Err(why) => why != Outcome::Failed(Errno::AGAIN),
    }
}

/// How many descriptors each other process has.
fn open_descriptors(house: &House, process: &str) -> BTreeMap<String, usize> {
    let living = house
        .living()
        .into_iter()
        .filter(|(name, _)| name != process);
    living
        .map(|(name, pid)| (name, proc::descriptors(pid).len()))
        .collect()
}

/// On the supervisor's channel a lie ends the liar, and it is started anew. The test
/// tells it, over the liar's own descriptor: who is traced can't be ended.
fn lie_to_the_supervisor(house: &House, process: &str) {
    for (name, bytes, descriptors) in LIES {
        let pid = house.pid(process);
        let number = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .expect("a pid");
        let liar = pidfd_open(number, PidfdFlags::empty()).expect("it lives");
        let channel = i32::try_from(SUPERVISOR).expect("small");
        let channel = pidfd_getfd(liar, channel, PidfdGetfdFlags::empty()).expect("root may");
        tell(channel.as_fd(), &bytes(), descriptors);
        let ended = wait_for(PATIENCE, || {
            house.living().iter().all(|(_, one)| *one != pid)
        });
        assert!(ended, "{process} outlives {name}");
    }
    house.pid(process);
}

fn tell(channel: BorrowedFd<'_>, bytes: &[u8], descriptors: usize) {
    let error = std::io::stderr();
    let passed = vec![error.as_fd(); descriptors];
    let mut space = vec![std::mem::MaybeUninit::uninit(); 4096];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(passed.is_empty() || control.push(SendAncillaryMessage::ScmRights(&passed)));
    let sent = sendmsg(
        channel,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    );
    assert!(sent.is_ok(), "{sent:?}");
}

/// What doesn't rest on a process, and so goes on while that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoesOn {
    /// Sessions that began before.
    Sessions,
    /// Logins to accounts that have a worker.
    Logins,
    /// Letters to them.
    Letters,
}

/// Has a process stand still, never reading again, while some come who need it. What
/// doesn't rest on it goes on, within a stated time; and when it goes on, so does all.
pub fn stand_still(process: &str, come: impl FnOnce(&House), goes_on: &[GoesOn]) {
    let Some(house) = House::open() else { return };
    let mut session = house.set.login(ALICE);
    session.ok("s SELECT INBOX");
    let (_, by) = house.possess(process);
    come(&house);
    goes_on
        .iter()
        .for_each(|what| what.soon(&house, &mut session));
    by.let_go();
    house.serves(BOB, PATIENCE);
    house.delivers(BOB, PATIENCE);
}

/// A letter as any.
const LETTER: &str = "Subject: x\r\n\r\nx";

impl GoesOn {
    fn soon(self, house: &House, session: &mut Session) {
        let began = Instant::now();
        match self {
            Self::Sessions => drop(session.ok("f FETCH 1 BODY[TEXT]")),
            Self::Logins => drop(house.set.login(ALICE)),
            Self::Letters => assert!(house.set.deliver(ALICE, LETTER).starts_with("250")),
        }
        assert!(
            began.elapsed() < SOON,
            "{self:?} took {:?}",
            began.elapsed()
        );
    }
}

/// Many connect to a port and leave at once: more than a socket's buffer and the queue
/// before it hold.
pub fn knock(house: &House, port: u16) {
    for _ in 0..KNOCKS {
        let _left = std::net::TcpStream::connect(house.set.at(port));
    }
}

/// See [`knock`]: the queue has 256, the buffer room for somewhat less.
const KNOCKS: usize = 600;
