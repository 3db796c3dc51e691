//! What is found, told to whoever asked. Waits for one who reads slowly, and
//! ends the process when nobody does: there is nobody else to tell.

use crate::report::Listener;
use ipc::Channel;
use ipc::channel::Fault;
use ipc::edge::verify::{Finding, ToControl, ToVerifier};
use rustix::event::{PollFd, PollFlags, Timespec};

/// How long one message may wait to be taken. The check as a whole is ended
/// sooner, by whoever had it begun.
const TAKEN_WAIT_MAX: Timespec = Timespec {
    tv_sec: 600,
    tv_nsec: 0,
};

/// The end of `control`'s pair.
pub struct Teller {
    channel: Channel<ToControl, ToVerifier>,
    fault: Option<Fault>,
}

impl Teller {
    /// Speaks on this channel.
    pub fn new(channel: Channel<ToControl, ToVerifier>) -> Self {
        Self {
            channel,
            fault: None,
        }
    }

    /// Sends, and waits until it is sent.
    ///
    /// # Errors
    /// The first fault, now and ever after.
    pub fn tell(&mut self, message: ToControl) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let told = self.channel.send(message).and_then(|()| self.flush());
        self.fault = told.err();
        told
    }

    fn flush(&mut self) -> Result<(), Fault> {
        while self.channel.wants_to_send() {
            let mut wait = [PollFd::new(&self.channel, PollFlags::OUT)];
            match rustix::event::poll(&mut wait, Some(&TAKEN_WAIT_MAX)) {
                Ok(0) => return Err(Fault::PeerDoesNotRead),
                Ok(_) | Err(rustix::io::Errno::INTR) => self.channel.flush()?,
                Err(errno) => return Err(Fault::Socket(errno)),
            }
        }
        Ok(())
    }

    /// Whoever asked has gone, or no longer reads: the check is for nobody.
    fn tell_or_end(&mut self, message: ToControl) {
        if self.tell(message).is_err() {
            std::process::exit(crate::FAILED.into());
        }
    }
}

impl Listener for Teller {
    fn find(&mut self, finding: Finding) {
        self.tell_or_end(ToControl::Finding { finding });
    }

    fn progress(&mut self, bytes: u64) {
        self.tell_or_end(ToControl::Progress { bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::channel::{Received, pair};

    #[test]
    fn more_than_any_queue_holds_is_told_to_one_who_reads_slowly() {
        let (far, near) = pair().unwrap();
        let reader = std::thread::spawn(move || {
            let mut channel = Channel::<ToVerifier, ToControl>::adopt(far).unwrap();
            let mut last = 0;
            while last < 5_000 {
                let mut wait = [PollFd::new(&channel, PollFlags::IN)];
                rustix::event::poll(&mut wait, None).unwrap();
                if let Received::Message(ToControl::Progress { bytes }) = channel.receive().unwrap()
                {
                    assert_eq!(bytes, last + 1);
                    last = bytes;
                }
            }
        });
        let mut teller = Teller::new(Channel::adopt(near).unwrap());
        for bytes in 1..=5_000 {
            teller.tell(ToControl::Progress { bytes }).unwrap();
        }
        reader.join().unwrap();
        assert_eq!(
            teller.tell(ToControl::Progress { bytes: 1 }),
            Err(Fault::PeerGone)
        );
    }
}
