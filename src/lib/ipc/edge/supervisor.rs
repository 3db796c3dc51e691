//! The supervisor and each process that it starts, over fd 3.
//!
//! Order: the process confines itself and says `Entered`; the supervisor sends
//! `Configure`, the edges, listeners and files, then `Begin`; the process says
//! `Running` or `Refused`. Later, in any order: a new `Connect` when the peer of
//! an edge was restarted (the old end is closed by the peer's death); `Prepare`,
//! answered by `Prepared` or `Refused`, then `Commit` or `Discard`; `Stop`.

use crate::codec::Bytes;
use crate::identity::Instance;
use crate::secret::Secret;
use crate::slice::{Listener, SLICE_BYTES_MAX, Slice};
use crate::ticket::KEY_BYTES;
use crate::{choice, messages};
use std::os::fd::OwnedFd;

/// Bytes of a reason that a process gives for refusing its slice.
pub const REASON_BYTES_MAX: usize = 256;

choice! {
    /// The processes of the house.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Process {
        1 => Supervisor,
        2 => Config,
        3 => Front,
        4 => Keyholder,
        5 => Login,
        6 => Auth,
        7 => Director,
        8 => Broker,
        9 => Worker,
        10 => Lmtp,
        11 => Control,
        12 => Verify,
    }
}

impl Process {
    /// The name for people: the program's, without what all begin with.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Config => "config",
            Self::Front => "front",
            Self::Keyholder => "keyholder",
            Self::Login => "login",
            Self::Auth => "auth",
            Self::Director => "director",
            Self::Broker => "broker",
            Self::Worker => "worker",
            Self::Lmtp => "lmtp",
            Self::Control => "control",
            Self::Verify => "verify",
        }
    }
}

choice! {
    /// The edges that the supervisor wires; each is a file beside this one. The
    /// three askers' hand-overs are edges of their own, so that a ticket's kind
    /// can be held against who brought the socket.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Edge {
        1 => FrontLogin,
        2 => FrontLmtp,
        3 => FrontKeyholder,
        4 => FrontAuth,
        5 => LoginAuth,
        6 => LmtpAuth,
        7 => ControlAuth,
        8 => AuthDirector,
        9 => LoginHandover,
        10 => LmtpHandover,
        11 => ControlHandover,
        12 => DirectorBroker,
        13 => ControlDirector,
        14 => ControlSupervisor,
    }
}

choice! {
    /// A file that a process gets as a descriptor, opened by the supervisor.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum FileUse {
        /// PEM certificate chain, for `front`, and for `keyholder` to compare its key with.
        1 => Certificates,
        /// PEM private key, for `keyholder`.
        2 => PrivateKey,
        /// PEM certificates of those that sign clients' certificates, for `front`.
        3 => ClientAuthorities,
    }
}

messages! {
    /// What the supervisor says.
    pub enum ToProcess, at most SLICE_BYTES_MAX + 64, {
        /// The first slice.
        1 => Configure { slice: Slice, },
        /// One end of an edge. `instance` says which life of which process is at
        /// the other end; a second one of the same edge and instance replaces
        /// the first.
        2 => Connect { edge: Edge, instance: Instance, socket: OwnedFd, },
        /// A listening socket.
        3 => Listen { listener: Listener, socket: OwnedFd, },
        /// A file to read.
        4 => Provide { purpose: FileUse, file: OwnedFd, },
        /// The key that account keys derive from; for `auth` and `broker` alone.
        5 => MasterKey { key: Secret<KEY_BYTES>, },
        /// Standard error of every worker; for `broker`, which is born with the
        /// workers' program at fd 4, the store's root at fd 5 and the verifiers' program at
        /// fd 6.
        6 => WorkerLog { log: OwnedFd, },
        /// All that is needed to begin has been sent.
        7 => Begin,
        /// A new slice, to be checked but not yet applied. New files come before
        /// it as `Provide`.
        8 => Prepare { slice: Slice, },
        /// Apply what was prepared.
        9 => Commit,
        /// Forget what was prepared.
        10 => Discard,
        /// Finish what has begun, take nothing new, exit.
        11 => Stop,
        /// The slice for workers, for `broker` (new ones) and `director` (living
        /// ones). Applied at once: `config` has checked it.
        12 => WorkerSlice { slice: Slice, },
    }
}

messages! {
    /// What a process says to the supervisor.
    pub enum ToSupervisor, at most 1024, {
        /// Confinement is complete.
        1 => Entered,
        /// Serving.
        2 => Running,
        /// The prepared slice is good.
        3 => Prepared,
        /// The slice (first or prepared) is not usable, and why, for the
        /// administrator.
        4 => Refused { reason: Bytes<REASON_BYTES_MAX>, },
        /// Something that an administrator should read, from a process that
        /// links no logging.
        5 => Report { event: Event, },
        /// The channel of an edge has ended, for whatever reason. If that life of the
        /// peer goes on, both get new ends.
        6 => Torn { edge: Edge, instance: Instance, },
    }
}

choice! {
    /// What processes without logging have to tell. Typed, so that nothing that
    /// a stranger wrote can be in it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Event {
        /// A worker was born, with its pid (for the administrator's eyes only).
        1 => WorkerBorn { account: u32, pid: u32, micros: u32, },
        /// A worker could not be born: at which step (`sandbox` numbers them), and
        /// the errno.
        2 => BirthFailed { account: u32, step: u16, errno: i32, },
        /// A worker ended: its exit status, or the signal that killed it as a
        /// negative number.
        3 => WorkerEnded { account: u32, status: i32, },
        /// Somebody brought a ticket whose seal was not good.
        4 => ForgedTicket { account: u32, },
        /// An account's directory is not owned by its uid, or is no directory.
        5 => ForeignDirectory { account: u32, },
        /// `keyholder` was asked to sign something that is no TLS 1.3 handshake.
        6 => RefusedToSign { instance: u32, },
        /// A worker had to be killed.
        7 => WorkerKilled { account: u32, },
        /// A peer broke the rules of its channel and was cut off.
        8 => PeerFault { peer: Process, instance: u32, },
        /// A process-wide limit was reached; the kind says which (the process's
        /// own numbering, in its documentation).
        9 => LimitReached { limit: u16, },
        /// A verifier was born, with its pid (for the administrator's eyes only).
        10 => VerifierBorn { account: u32, pid: u32, },
        /// A verifier ended: its exit status, or the signal that killed it as a
        /// negative number.
        11 => VerifierEnded { account: u32, status: i32, },
    }
}
