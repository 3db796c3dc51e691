//! `config` to the supervisor: the plan that one configuration file makes.
//!
//! `config` is started with the file as fd 4, sends slices, listeners and files
//! in any order, then `Complete`, or `Mistakes` alone, and exits. Its mistakes
//! have by then been written to its standard error, in full.

use crate::codec::Bytes;
use crate::edge::supervisor::FileUse;
use crate::slice::{Listener, SLICE_BYTES_MAX, Slice};
use crate::{choice, messages, record};

/// Bytes of a path (PATH_MAX, limits.h).
pub const PATH_BYTES_MAX: usize = 4096;

choice! {
    /// Where a listener listens.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Address {
        /// An IP address (IPv4 is mapped) and a port. IPv6 sockets are made with
        /// IPV6_V6ONLY, so that the two families never share one.
        1 => Ip { address: [u8; 16], port: u16, },
        /// A Unix stream socket at a path, with this mode.
        2 => Unix { path: Bytes<PATH_BYTES_MAX>, mode: u32, },
        /// A socket that systemd passes under this name (sd_listen_fds(3)).
        3 => Systemd { name: Bytes<255>, },
    }
}

record! {
    /// What the supervisor itself needs.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Supervision {
        /// Where everything is kept: `store/`, `auth/`, `spool/`, `empty/` below.
        state: Bytes<PATH_BYTES_MAX>,
        /// Where the admin socket is made.
        control_socket: Bytes<PATH_BYTES_MAX>,
        /// The uid of the first process; each process has the next.
        process_uid: u32,
        /// The uid of account 0.
        account_uid: u32,
        /// How many account uids there are.
        account_uids: u32,
        /// Layers of confinement that the site does without (`sandbox` numbers
        /// them).
        waivers: u32,
        /// `front` processes at once.
        fronts: u8,
        /// `login` processes at once.
        logins: u8,
        /// First pause before a process that died is started again.
        restart_milliseconds: u32,
    }
}

messages! {
    /// What `config` says.
    pub enum FromConfig, at most SLICE_BYTES_MAX + 64, {
        1 => Supervision { plan: Supervision, },
        2 => Slice { slice: Slice, },
        3 => Listener { listener: Listener, address: Address, },
        4 => File { purpose: FileUse, path: Bytes<PATH_BYTES_MAX>, },
        5 => Complete,
        6 => Mistakes { count: u32, },
    }
}

messages! {
    /// The supervisor says nothing to `config`.
    pub enum ToConfig, at most 1, {}
}
