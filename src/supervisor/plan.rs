//! What `config` says, collected: the plan that a set runs by. It is looked at
//! only as far as the supervisor's own part goes; slices are passed on.

use ipc::Bytes;
use ipc::edge::config::{Address, FromConfig, PATH_BYTES_MAX, Supervision};
use ipc::edge::supervisor::{FileUse, Process};
use ipc::slice::{Listener, Logging, Slice};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Listeners that are taken, as many as `config` lets a file name.
const LISTENERS_MAX: usize = 64;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The supervisor's own part.
    pub supervision: Supervision,
    /// Each process's part.
    pub slices: Vec<Slice>,
    /// Where it listens.
    pub listeners: Vec<(Listener, Address)>,
    /// What files it names.
    pub files: Vec<(FileUse, Bytes<PATH_BYTES_MAX>)>,
}

/// A plan that is still being told.
#[derive(Debug, Default)]
pub struct Draft {
    supervision: Option<Supervision>,
    slices: Vec<Slice>,
    listeners: Vec<(Listener, Address)>,
    files: Vec<(FileUse, Bytes<PATH_BYTES_MAX>)>,
}

/// What one more word of `config` makes.
#[derive(Debug)]
pub enum Told {
    /// Something, but not yet all.
    More(Draft),
    /// All.
    Plan(Box<Plan>),
    /// There is none, for so many mistakes.
    Mistakes(u32),
    /// There is none, for `config` did not keep to its protocol.
    Nonsense,
}

impl Draft {
    /// Takes one more word.
    pub fn hear(mut self, message: FromConfig) -> Told {
        match message {
            FromConfig::Supervision { plan } if self.supervision.is_none() => {
                self.supervision = Some(plan);
            }
            FromConfig::Slice { slice } if !self.has(&slice) => self.slices.push(slice),
            FromConfig::Listener { listener, address } if self.listeners.len() < LISTENERS_MAX => {
                self.listeners.push((listener, address));
            }
            FromConfig::File { purpose, path } if !self.names(purpose) => {
                self.files.push((purpose, path));
            }
            FromConfig::Complete => return self.complete(),
            FromConfig::Mistakes { count } => return Told::Mistakes(count),
            _ => return Told::Nonsense,
        }
        Told::More(self)
    }

    fn has(&self, slice: &Slice) -> bool {
        self.slices
            .iter()
            .any(|other| for_whom(other) == for_whom(slice))
    }

    fn names(&self, purpose: FileUse) -> bool {
        self.files.iter().any(|(other, _)| *other == purpose)
    }

    fn complete(self) -> Told {
        let all = crate::HOUSE
            .iter()
            .map(|room| room.process)
            .chain([Process::Worker]);
        let whole = all
            .into_iter()
            .all(|process| self.slices.iter().any(|slice| for_whom(slice) == process));
        match self.supervision {
            Some(supervision) if whole => Told::Plan(Box::new(Plan {
                supervision,
                slices: self.slices,
                listeners: self.listeners,
                files: self.files,
            })),
            _ => Told::Nonsense,
        }
    }
}

impl Plan {
    /// A process's slice. `config` has said one for every kind.
    pub fn slice(&self, process: Process) -> Option<Slice> {
        self.slices
            .iter()
            .find(|slice| for_whom(slice) == process)
            .cloned()
    }

    /// The path of a file, if one is named.
    pub fn file(&self, purpose: FileUse) -> Option<&Path> {
        let named = self.files.iter().find(|(other, _)| *other == purpose);
        named.map(|(_, path)| as_path(path))
    }

    /// What every process logs, the supervisor too.
    pub fn logging(&self) -> Option<Logging> {
        self.slices.iter().find_map(|slice| match slice {
            Slice::Director { slice } => Some(slice.logging.clone()),
            _ => None,
        })
    }

    /// Whether the other plan differs in nothing that a running set can't take.
    pub fn is_reachable(&self, other: &Self) -> bool {
        self.supervision == other.supervision && self.listeners == other.listeners
    }
}

/// A path as it came.
pub fn as_path(path: &Bytes<PATH_BYTES_MAX>) -> &Path {
    Path::new(OsStr::from_bytes(path.as_slice()))
}

fn for_whom(slice: &Slice) -> Process {
    match slice {
        Slice::Front { .. } => Process::Front,
        Slice::Keyholder { .. } => Process::Keyholder,
        Slice::Login { .. } => Process::Login,
        Slice::Auth { .. } => Process::Auth,
        Slice::Director { .. } => Process::Director,
        Slice::Broker { .. } => Process::Broker,
        Slice::Worker { .. } => Process::Worker,
        Slice::Lmtp { .. } => Process::Lmtp,
        Slice::Control { .. } => Process::Control,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::List;
    use ipc::slice::{
        Auth, Broker, Control, Director, Front, Keyholder, Lmtp, LogLevel, Login, Worker,
    };
    use proptest::prelude::*;

    fn logging() -> Logging {
        Logging {
            level: LogLevel::Debug,
            journal: true,
        }
    }

    fn supervision() -> Supervision {
        Supervision {
            state: Bytes::new("/s").unwrap(),
            control_socket: Bytes::new("/c").unwrap(),
            process_uid: 1,
            account_uid: 200,
            account_uids: 10,
            waivers: 0,
            fronts: 1,
            logins: 1,
            restart_milliseconds: 100,
        }
    }

    fn worker() -> Worker {
        Worker {
            logging: logging(),
            message_bytes_max: 1,
            idle_seconds: 1,
            sessions_max: 1,
            pop3_login_delay_seconds: 0,
            flag_sync_millis: 500,
            message_limits: ipc::slice::MessageLimits::default(),
            quota: ipc::slice::Quota::default(),
            notice: ipc::slice::Notice::default(),
            folders: List::default(),
        }
    }

    fn slices() -> Vec<Slice> {
        let logging = logging;
        let front = Front {
            logging: logging(),
            connections_max: 1,
            connections_per_prefix_max: 1,
            handshake_seconds: 1,
            tls12: false,
            proxies: List::default(),
        };
        let login = Login {
            logging: logging(),
            login_seconds: 1,
            sessions_max: 1,
            cleartext_on_loopback: false,
            starttls: true,
            scram: true,
            pop3_login_delay_seconds: 0,
        };
        let auth = Auth {
            logging: logging(),
            domains: List::default(),
            detail_separator: None,
            remember_seconds: 0,
            failures_before_delay: 1,
            argon2_kib: 8192,
            argon2_passes: 1,
            sessions_per_account_max: 1,
            scram: true,
            external: false,
            pop3_login_delay_seconds: 0,
        };
        let director = Director {
            logging: logging(),
            workers_max: 1,
            linger_seconds: 1,
        };
        let lmtp = Lmtp {
            logging: logging(),
            hostname: Bytes::default(),
            message_bytes_max: 1,
            spool_bytes_max: 1,
            recipients_max: 1,
            sessions_max: 1,
            idle_seconds: 1,
            starttls: true,
        };
        let control = Control {
            logging: logging(),
            admins: List::default(),
        };
        vec![
            Slice::Front { slice: front },
            Slice::Keyholder {
                slice: Keyholder { tls12: false },
            },
            Slice::Login { slice: login },
            Slice::Auth { slice: auth },
            Slice::Director { slice: director },
            Slice::Broker {
                slice: Broker {
                    first_uid: 200,
                    uids: 10,
                },
            },
            Slice::Worker { slice: worker() },
            Slice::Lmtp { slice: lmtp },
            Slice::Control { slice: control },
        ]
    }

    /// Every word of a whole plan but the last.
    fn words() -> Vec<FromConfig> {
        let path = Bytes::new("/k").unwrap();
        let supervision = FromConfig::Supervision {
            plan: supervision(),
        };
        let file = FromConfig::File {
            purpose: FileUse::PrivateKey,
            path,
        };
        let slices = slices();
        let slices = slices.into_iter().map(|slice| FromConfig::Slice { slice });
        slices.chain([supervision, file]).collect()
    }

    fn tell(words: Vec<FromConfig>) -> Told {
        let begun = Told::More(Draft::default());
        words.into_iter().fold(begun, |told, word| match told {
            Told::More(draft) => draft.hear(word),
            told => told,
        })
    }

    fn whole() -> Plan {
        let mut words = words();
        words.push(FromConfig::Complete);
        match tell(words) {
            Told::Plan(plan) => *plan,
            told => panic!("{told:?}"),
        }
    }

    #[test]
    fn a_plan_has_a_slice_for_every_kind_and_our_own_part() {
        let plan = whole();
        for room in &crate::HOUSE {
            assert!(plan.slice(room.process).is_some(), "{:?}", room.process);
        }
        assert_eq!(plan.file(FileUse::PrivateKey), Some(Path::new("/k")));
        assert_eq!(plan.file(FileUse::Certificates), None);
        assert_eq!(plan.logging(), Some(logging()));
    }

    #[test]
    fn a_running_set_can_take_new_slices_and_files_but_no_other_place() {
        let (plan, mut other) = (whole(), whole());
        other.slices.reverse();
        other.files.clear();
        assert!(plan.is_reachable(&other));
        other.supervision.fronts = 2;
        assert!(!plan.is_reachable(&other));
    }

    #[test]
    fn mistakes_are_no_plan_and_neither_is_a_second_word_of_one_kind() {
        let told = tell(vec![FromConfig::Mistakes { count: 3 }]);
        assert!(matches!(told, Told::Mistakes(3)));
        for index in 0..words().len() {
            let mut twice = words();
            twice.extend(words().into_iter().nth(index));
            assert!(matches!(tell(twice), Told::Nonsense), "word {index}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_words_is_of_no_matter(order in Just((0..words().len()).collect::<Vec<_>>()).prop_shuffle()) {
            let mut shuffled: Vec<_> = order.into_iter().filter_map(|index| words().into_iter().nth(index)).collect();
            shuffled.push(FromConfig::Complete);
            let is_plan = matches!(tell(shuffled), Told::Plan(_));
            prop_assert!(is_plan);
        }

        #[test]
        fn a_plan_that_lacks_a_slice_is_none(lacking in 0usize..10) {
            let mut few = words();
            few.remove(lacking);
            few.push(FromConfig::Complete);
            prop_assert!(matches!(tell(few), Told::Nonsense));
        }
    }
}
