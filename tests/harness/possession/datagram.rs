//! Messages over the descriptors that a possessed process has: sendmsg(2) and
//! recvmsg(2) as it would call them itself, without waiting.

use super::{Outcome, Possessed};
use nix::libc::{self, MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC};

/// Longer than any datagram that a Unix socket takes by default.
const DATAGRAM_BYTES_MAX: usize = 256 << 10;

/// Bytes of control data: more than the most descriptors that the kernel passes at once
/// take (253, SCM_MAX_FD).
const CONTROL_BYTES_MAX: usize = 2048;

/// Bytes of a cmsghdr (cmsg(3)) where pointers have 64 bits.
const CONTROL_HEADER_BYTES: usize = 16;

/// Where a msghdr (recvmsg(2)) has the length of its control data, there.
const CONTROL_LENGTH_AT: u64 = 40;

/// Where it has its flags.
const FLAGS_AT: u64 = 48;

/// What has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The numbers that its descriptors have got in the possessed process.
    pub descriptors: Vec<u32>,
    /// Whether a part was lost for lack of room.
    pub truncated: bool,
}

impl Possessed {
    /// Sends a datagram with descriptors of its own; what the kernel answers.
    pub fn send(&mut self, over: u32, datagram: &[u8], descriptors: &[u32]) -> Outcome {
        let mark = self.arena().mark();
        let bytes = self.place(datagram);
        let control = control(descriptors);
        let control_at = self.place(&control);
        let header = self.header((bytes, datagram.len()), (control_at, control.len()));
        let flags = (MSG_DONTWAIT | MSG_NOSIGNAL).cast_unsigned();
        let outcome = self.call(libc::SYS_sendmsg, &[over.into(), header, flags.into()]);
        self.forget_from(mark);
        outcome
    }

    /// Receives what a peer has sent.
    ///
    /// # Errors
    /// What the kernel answers else: EAGAIN if there is nothing. A peer that has gone is
    /// a datagram without bytes.
    pub fn receive(&mut self, from: u32) -> Result<Datagram, Outcome> {
        let mark = self.arena().mark();
        let bytes = self.place(&vec![0; DATAGRAM_BYTES_MAX]);
        let control = self.place(&[0; CONTROL_BYTES_MAX]);
        let header = self.header((bytes, DATAGRAM_BYTES_MAX), (control, CONTROL_BYTES_MAX));
        let flags = (MSG_DONTWAIT | MSG_CMSG_CLOEXEC).cast_unsigned();
        let outcome = self.call(libc::SYS_recvmsg, &[from.into(), header, flags.into()]);
        let received = match outcome {
            Outcome::Returned(length) => Ok(self.received(bytes, length, control, header)),
            other => Err(other),
        };
        self.forget_from(mark);
        received
    }

    /// A msghdr of one piece, and of control data if there are any.
    fn header(&mut self, bytes: (u64, usize), control: (u64, usize)) -> u64 {
        let piece = self.place(&words(&[bytes.0, length(bytes.1)]));
        let control_at = if control.1 == 0 { 0 } else { control.0 };
        self.place(&words(&[0, 0, piece, 1, control_at, length(control.1), 0]))
    }

    fn received(&self, bytes: u64, length: u64, control: u64, header: u64) -> Datagram {
        let control_length = self.number(header + CONTROL_LENGTH_AT);
        let flags = self.number(header + FLAGS_AT);
        let control = self.peek(control, usize::try_from(control_length).expect("a length"));
        let lost = u64::from((MSG_TRUNC | MSG_CTRUNC).cast_unsigned());
        Datagram {
            bytes: self.peek(bytes, usize::try_from(length).expect("a length")),
            descriptors: descriptors(&control),
            truncated: flags & lost != 0,
        }
    }

    fn number(&self, at: u64) -> u64 {
        let bytes = self.peek(at, 8).try_into();
        u64::from_le_bytes(bytes.expect("eight bytes"))
    }

    fn forget_from(&mut self, mark: u64) {
        if let Some(arena) = &mut self.arena {
            arena.forget_from(mark);
        }
    }
}

fn length(len: usize) -> u64 {
    u64::try_from(len).expect("a length")
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Control data that passes descriptors on; none for none.
fn control(descriptors: &[u32]) -> Vec<u8> {
    if descriptors.is_empty() {
        return Vec::new();
    }
    let len = CONTROL_HEADER_BYTES + 4 * descriptors.len();
    let mut control = words(&[length(len)]);
    control.extend(libc::SOL_SOCKET.to_le_bytes());
    control.extend(libc::SCM_RIGHTS.to_le_bytes());
    control.extend(descriptors.iter().flat_map(|one| one.to_le_bytes()));
    control.resize(len.next_multiple_of(8), 0);
    control
}

/// The descriptors in control data of which nothing else was asked for.
fn descriptors(control: &[u8]) -> Vec<u32> {
    let Some((header, _)) = control.split_first_chunk::<8>() else {
        return Vec::new();
    };
    let len = usize::try_from(u64::from_le_bytes(*header)).expect("a length");
    let numbers = control[CONTROL_HEADER_BYTES..len].as_chunks::<4>().0;
    numbers.iter().map(|one| u32::from_le_bytes(*one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_data_have_the_descriptors_that_were_put_into_them() {
        for count in [0, 1, 2, 3, 253] {
            let all: Vec<u32> = (3..3 + count).collect();
            assert_eq!(descriptors(&control(&all)), all);
        }
        assert_eq!(control(&[7, 8, 9]).len() % 8, 0);
    }
}
