//! The text of /proc, taken apart: pure functions, each for one file's format
//! (proc_pid_status(5), proc_pid_limits(5), unix(7) and their neighbours).
//!
//! A taken-over process can write some of it (its name, its arguments), so
//! nothing here trusts a field that a process can choose, and all is bounded by
//! what the kernel writes.

use std::collections::BTreeMap;

/// The lines of a `status`: name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status(BTreeMap<String, String>);

impl Status {
    /// From the text.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Self(
            lines
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
        )
    }

    /// A value; empty if this kernel has no such line.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A value that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name).parse().ok()
    }

    /// A value that is a set of bits, in hexadecimal.
    pub fn bits(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.text(name), 16).ok()
    }

    /// A value that is several numbers: ids, or groups.
    pub fn numbers(&self, name: &str) -> Vec<u32> {
        let words = self.text(name).split_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    }
}

/// One row of `limits`; none is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// A row of `limits`, by the kernel's name for it.
pub fn limit(text: &str, name: &str) -> Option<Limit> {
    let row = text.lines().find_map(|line| line.strip_prefix(name))?;
    let mut values = row.split_whitespace().map(|word| match word {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    });
    Some(Limit {
        soft: values.next()??,
        hard: values.next()??,
    })
}

/// Field 22 of a `stat`: the clock tick at which the process began. With its number
/// it names one process for ever. The name in brackets may hold anything.
pub fn began(text: &str) -> Option<u64> {
    let (_, behind_name) = text.rsplit_once(')')?;
    behind_name.split_whitespace().nth(19)?.parse().ok()
}

/// The open flags in an `fdinfo`.
pub fn open_flags(text: &str) -> Option<u32> {
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(flags.trim(), 8).ok()
}

/// The devices in `net/dev`.
pub fn devices(text: &str) -> Vec<String> {
    let rows = text.lines().skip(2);
    rows.filter_map(|row| Some(row.split_once(':')?.0.trim().to_owned()))
        .collect()
}

/// How many rows a table has below its heading, if it has one.
pub fn rows(text: &str) -> usize {
    text.lines().count().saturating_sub(1)
}

/// The ids of a map, without the padding: `inside outside count`, row by row.
pub fn map(text: &str) -> String {
    let row = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(row).collect::<Vec<_>>().join("; ")
}

/// What a socket is, as far as the tables of its network namespace say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Socket {
    /// `SOCK_SEQPACKET`, one of a pair or of a connection.
    Channel,
    /// `SOCK_STREAM` of a pair or a local connection.
    Stream,
    /// `SOCK_DGRAM` of the machine's own.
    LocalDatagram,
    /// A local socket that accepts.
    LocalListener,
    /// A TCP socket that accepts.
    TcpListener,
    /// Any other TCP socket.
    TcpConnection,
}

/// The sockets in `net/unix`, by inode:
/// `Num RefCount Protocol Flags Type St Inode Path`.
pub fn unix_sockets(text: &str) -> Vec<(u64, Socket)> {
    const ACCEPTS: u32 = 1 << 16;
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().take(7).collect();
        let [_, _, _, flags, kind, _, inode] = fields.as_slice() else {
            return None;
        };
        let accepts = u32::from_str_radix(flags, 16).ok()? & ACCEPTS != 0;
        let socket = match (accepts, *kind) {
            (true, _) => Socket::LocalListener,
            (false, "0001") => Socket::Stream,
            (false, "0002") => Socket::LocalDatagram,
            (false, "0005") => Socket::Channel,
            _ => return None,
        };
        Some((inode.parse().ok()?, socket))
    };
    text.lines().skip(1).filter_map(socket).collect()
}

/// The sockets in `net/tcp` and `net/tcp6`, by inode: the fourth field is the state,
/// the tenth the inode.
pub fn tcp_sockets(text: &str) -> Vec<(u64, Socket)> {
    const LISTENS: &str = "0A";
    let socket = |line: &str| {
        let mut fields = line.split_whitespace().skip(3);
        let socket = match fields.next()? {
            LISTENS => Socket::TcpListener,
            _ => Socket::TcpConnection,
        };
        Some((fields.nth(5)?.parse().ok()?, socket))
    };
    text.lines().skip(1).filter_map(socket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_status_are_found_by_their_names() {
        let status = Status::parse(
            "Name:\tmail keep\nUid:\t1\t2\t3\t4\nCapEff:\t00000000a0000000\nGroups:\t \nSeccomp_filters:\t4\n",
        );
        assert_eq!(status.numbers("Uid"), [1, 2, 3, 4]);
        assert_eq!(status.bits("CapEff"), Some(0xa000_0000));
        assert_eq!(status.number("Seccomp_filters"), Some(4));
        assert!(status.numbers("Groups").is_empty());
        assert_eq!((status.text("NoNewPrivs"), status.bits("x")), ("", None));
    }

    #[test]
    fn limits_have_a_soft_and_a_hard_one() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\nMax data size             unlimited            1073741824           bytes\nMax open files            1024                 4096                 files\n";
        let found = |name| limit(text, name).map(|limit| (limit.soft, limit.hard));
        assert_eq!(found("Max open files"), Some((Some(1024), Some(4096))));
        assert_eq!(found("Max data size"), Some((None, Some(1 << 30))));
        assert_eq!(found("Max nice priority"), None);
    }

    #[test]
    fn no_name_hides_when_a_process_began() {
        let stat = |name: &str| {
            let fields: Vec<String> = (3..=30).map(|field| field.to_string()).collect();
            format!("7 ({name}) {}", fields.join(" "))
        };
        for name in ["x", "a b c", "a) 1 2 3 (b", "))))"] {
            assert_eq!(began(&stat(name)), Some(22), "{name}");
        }
        assert_eq!(began("7 x 3 4"), None);
    }

    #[test]
    fn sockets_are_told_apart_by_family_kind_and_state() {
        let unix = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000: 00000002 00000000 00010000 0005 01 11 /run/a b\n\
            0000: 00000003 00000000 00000000 0005 03 12\n\
            0000: 00000003 00000000 00000000 0001 03 13\n\
            0000: 00000003 00000000 00000000 0009 03 14\nbroken\n";
        let found = [
            (11, Socket::LocalListener),
            (12, Socket::Channel),
            (13, Socket::Stream),
        ];
        assert_eq!(unix_sockets(unix), found);
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:27A7 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21 1\n\
            1: 0100007F:27A7 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 22 1\n";
        let found = [(21, Socket::TcpListener), (22, Socket::TcpConnection)];
        assert_eq!(tcp_sockets(tcp), found);
    }

    #[test]
    fn maps_and_devices_and_flags_are_read_without_their_padding() {
        assert_eq!(
            map("         7          7          1\n 9 9 2\n"),
            "7 7 1; 9 9 2"
        );
        assert_eq!(devices("a\nb\n    lo:  0 0\n  eth0: 1\n"), ["lo", "eth0"]);
        assert_eq!(open_flags("pos:\t0\nflags:\t02000002\n"), Some(0o2_000_002));
        assert_eq!(
            (rows(""), rows("heading\n"), rows("heading\nrow\n")),
            (0, 0, 1)
        );
    }
}
