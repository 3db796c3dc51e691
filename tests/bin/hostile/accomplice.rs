//! The other end of a session: a client who knows whom he speaks with, and orders the
//! lies.

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A client, line by line.
pub struct Accomplice {
    socket: OwnedFd,
    heard: Vec<u8>,
}

impl Accomplice {
    /// At the other end of this socket.
    pub fn at(socket: OwnedFd) -> Self {
        let heard = Vec::new();
        rustix::io::ioctl_fionbio(&socket, true).expect("a socket");
        Self { socket, heard }
    }

    /// Says a line, if he listens.
    pub fn say(&self, line: &str) {
        let line = format!("{line}\r\n");
        let _gone = send(&self.socket, line.as_bytes(), SendFlags::NOSIGNAL);
    }

    /// What he has said by now, in words; `None` when he has gone.
    pub fn lines(&mut self) -> Option<Vec<Vec<String>>> {
        let mut piece = [0; 4096];
        loop {
            match recv(&self.socket, &mut piece[..], RecvFlags::empty()).map(|(bytes, _)| bytes) {
                Ok(0) => return None,
                Ok(bytes) => self.heard.extend_from_slice(&piece[..bytes]),
                Err(Errno::AGAIN) => return Some(self.whole_lines()),
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }

    fn whole_lines(&mut self) -> Vec<Vec<String>> {
        let mut lines = Vec::new();
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            lines.push(line.split_whitespace().map(str::to_owned).collect());
        }
        lines
    }
}

impl AsFd for Accomplice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
