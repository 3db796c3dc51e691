//! Waiting for what a probe says, in the tests and in the probe that plays the
//! broker.

use super::order::{receive, send};
use sandbox::{Child, Ended};
use std::os::fd::OwnedFd;

/// The account whose worker the tests let the broker bear.
pub const ACCOUNT: u32 = 7;

/// Hears a probe out until it ends.
pub fn follow(child: &Child, channel: &OwnedFd, mut waiting: impl FnMut(i32)) -> String {
    loop {
        let said = receive(channel);
        match said.strip_prefix("waiting") {
            Some(number) => {
                waiting(number.trim().parse().unwrap_or(child.number()));
                send(channel, "go on");
            }
            None if said.is_empty() => return ending(child),
            None => {
                ending(child);
                return said;
            }
        }
    }
}

/// A new channel.
pub fn pair() -> (OwnedFd, OwnedFd) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .expect("a pair of sockets")
}

/// Waits for a child's end, with no call that the broker's filter lacks.
fn ending(child: &Child) -> String {
    loop {
        match child.ended().expect("a child can be waited for") {
            Some(Ended::Killed(signal)) => return format!("killed {signal}"),
            Some(Ended::Exited(status)) => return format!("exited {status}"),
            None => wait(child),
        }
    }
}

/// Waits until a child may have ended.
fn wait(child: &Child) {
    let mut ended = [rustix::event::PollFd::new(
        child,
        rustix::event::PollFlags::IN,
    )];
    // If it fails, we look again.
    let _readable = rustix::event::poll(&mut ended, None);
}
