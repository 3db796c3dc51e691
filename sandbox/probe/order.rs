//! Orders to a probe, and what it answers: one datagram of text each.

use rustix::net::{RecvFlags, SendFlags};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsFd;

/// Sends one datagram; a peer that has gone doesn't want it.
pub fn send(channel: impl AsFd, text: &str) {
    let mut none = rustix::net::SendAncillaryBuffer::default();
    let _gone = rustix::net::sendmsg(
        channel,
        &[IoSlice::new(text.as_bytes())],
        &mut none,
        SendFlags::NOSIGNAL,
    );
}

/// Receives one datagram; empty if the peer has gone.
pub fn receive(channel: impl AsFd) -> String {
    let mut bytes = [0; 1024];
    let mut none = rustix::net::RecvAncillaryBuffer::default();
    let got = rustix::net::recvmsg(
        channel,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut none,
        RecvFlags::empty(),
    );
    let length = got.map_or(0, |message| message.bytes);
    String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned()
}
