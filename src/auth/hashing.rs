//! The threads that hash passwords, and nothing else.
//!
//! Invariants: the threads exist before the filter that forbids more; what waits
//! for them is bounded by [`JOBS_MAX`], the last [`RESERVED`] of it for
//! administrators; a password is wiped when its job is done.

use crate::verifier::{self, Cost, Kept};
use ipc::Secret;
use ipc::edge::control_auth::PASSWORD_BYTES_MAX;
use ipc::secret::wipe_stack;
use rustix::event::EventfdFlags;
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Jobs that may wait. At 50 ms for one and two threads the last waits 8 s.
pub const JOBS_MAX: usize = 320;

/// Places that logins leave free, so that a flood of them does not keep an
/// administrator from changing a password.
const RESERVED: usize = 64;

/// Threads. Each needs up to [`verifier::ARGON2_KIB_MAX`] while it hashes.
const THREADS_MAX: usize = 4;

/// A password on its way to a thread.
pub type Password = Secret<PASSWORD_BYTES_MAX>;

/// What is to be hashed.
#[derive(Debug)]
pub enum Work {
    /// Whether this is the password; if so and what is kept of it is less than it
    /// should be, something better.
    Verify {
        kept: Kept,
        password: Password,
        cost: Cost,
    },
    /// What is to be kept of this password.
    Hash { password: Password, cost: Cost },
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is the password.
    Right { better: Option<Kept> },
    /// It isn't.
    Wrong,
    /// What is to be kept.
    Hashed { kept: Kept },
    /// No salt or no memory to be had.
    Failed,
}

/// A job's number; the caller's.
pub type Job = u64;

/// See the module.
#[derive(Debug)]
pub struct Pool {
    jobs: SyncSender<(Job, Work)>,
    outcomes: Receiver<(Job, Outcome)>,
    waiting: usize,
    wake: Arc<OwnedFd>,
}

/// There is no room for the job now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Pool {
    /// Starts the threads: as many as there are processors, within bounds.
    ///
    /// # Errors
    /// If there can be no eventfd or no thread.
    pub fn start() -> std::io::Result<Self> {
        let wake = Arc::new(rustix::event::eventfd(
            0,
            EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC,
        )?);
        let (jobs, queue) = mpsc::sync_channel(JOBS_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let (done, outcomes) = mpsc::channel();
        let threads = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(THREADS_MAX);
        for _ in 0..threads {
            let (queue, done, wake) = (Arc::clone(&queue), done.clone(), Arc::clone(&wake));
            thread::Builder::new()
                .name("hash".into())
                .spawn(move || work_off(&queue, &done, &wake))?;
        }
        Ok(Self {
            jobs,
            outcomes,
            waiting: 0,
            wake,
        })
    }

    /// Takes a job for a login.
    ///
    /// # Errors
    /// [`Full`]; the work is dropped.
    pub fn submit(&mut self, job: Job, work: Work) -> Result<(), Full> {
        let free = JOBS_MAX.saturating_sub(self.waiting);
        if free <= RESERVED {
            Err(Full)
        } else {
            self.submit_reserved(job, work)
        }
    }

    /// Takes a job for an administrator.
    ///
    /// # Errors
    /// [`Full`]; the work is dropped.
    pub fn submit_reserved(&mut self, job: Job, work: Work) -> Result<(), Full> {
        if self.waiting >= JOBS_MAX {
            return Err(Full);
        }
        self.jobs.try_send((job, work)).map_err(|_| Full)?;
        self.waiting = self.waiting.saturating_add(1);
        Ok(())
    }

    /// A job that is done.
    pub fn outcome(&mut self) -> Option<(Job, Outcome)> {
        let outcome = self.outcomes.try_recv().ok()?;
        self.waiting = self.waiting.saturating_sub(1);
        Some(outcome)
    }

    /// Hears the wake-up, before the outcomes are taken.
    pub fn hear(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
    }
}

impl AsFd for Pool {
    /// Readable when a job is done.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// A thread's life, which ends when the pool is dropped.
fn work_off(queue: &Mutex<Receiver<(Job, Work)>>, done: &Sender<(Job, Outcome)>, wake: &OwnedFd) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, work)) = next else { return };
        let outcome = work.run();
        // The hash functions' own copies of the password.
        wipe_stack();
        if done.send((job, outcome)).is_err() || ring(wake).is_err() {
            return;
        }
    }
}

/// Adds one, or on a big-endian machine a little more; a counter that is full
/// wakes as well.
fn ring(wake: &OwnedFd) -> Result<(), Errno> {
    match rustix::io::write(wake, &1u64.to_le_bytes()) {
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(errno),
    }
}

impl Work {
    /// Does it, on this thread.
    #[must_use]
    pub fn run(self) -> Outcome {
        match self {
            Self::Verify {
                kept,
                password,
                cost,
            } => {
                let password = password.dangerous_reveal();
                match verifier::verify(&kept.verifier, password) {
                    false => Outcome::Wrong,
                    true if cost.exceeds(&kept) => Outcome::Right {
                        better: cost.keep(password),
                    },
                    true => Outcome::Right { better: None },
                }
            }
            Self::Hash { password, cost } => match cost.keep(password.dangerous_reveal()) {
                Some(kept) => Outcome::Hashed { kept },
                None => Outcome::Failed,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verifier::tests::cost;
    use rustix::event::{PollFd, PollFlags, poll};

    fn password(text: &str) -> Password {
        Password::new(text.into()).unwrap()
    }

    fn hash(text: &str) -> Work {
        Work::Hash {
            password: password(text),
            cost: cost(),
        }
    }

    fn next(pool: &mut Pool) -> (Job, Outcome) {
        loop {
            if let Some(outcome) = pool.outcome() {
                return outcome;
            }
            poll(&mut [PollFd::new(&*pool, PollFlags::IN)], None).unwrap();
            pool.hear();
        }
    }

    #[test]
    fn each_job_is_answered_once_under_its_number() {
        let mut pool = Pool::start().unwrap();
        (0..20).for_each(|job| pool.submit(job, hash("x")).unwrap());
        let mut done: Vec<Job> = (0..20).map(|_| next(&mut pool).0).collect();
        done.sort_unstable();
        assert_eq!(done, (0..20).collect::<Vec<_>>());
        assert_eq!(pool.outcome(), None);
    }

    #[test]
    fn logins_leave_room_for_administrators_and_both_have_an_end() {
        let mut pool = Pool::start().unwrap();
        let logins = (0..)
            .take_while(|job| pool.submit(*job, hash("x")) == Ok(()))
            .count();
        assert_eq!(logins, JOBS_MAX - RESERVED);
        let admins = (0..)
            .take_while(|job| pool.submit_reserved(*job, hash("x")) == Ok(()))
            .count();
        assert_eq!(admins, RESERVED);
    }

    #[test]
    fn a_right_password_with_a_weaker_scheme_gives_a_better_verifier() {
        let weak = Kept {
            verifier: Verifier::SaltedSha512 {
                salt: ipc::Bytes::new(*b"salt").unwrap(),
                hash: sha2::Sha512::digest(b"xsalt").into(),
            },
            keys: None,
        };
        let verify = |kept: &Kept, text| {
            let work = Work::Verify {
                kept: kept.clone(),
                password: password(text),
                cost: cost(),
            };
            work.run()
        };
        let Outcome::Right {
            better: Some(better),
        } = verify(&weak, "x")
        else {
            panic!("not verified")
        };
        assert!(better.keys.is_some());
        assert_eq!(verify(&weak, "y"), Outcome::Wrong);
        assert_eq!(verify(&better, "x"), Outcome::Right { better: None });
        assert_eq!(verify(&better, "y"), Outcome::Wrong);
        let keyless = Kept {
            keys: None,
            ..better
        };
        let verified = verify(&keyless, "x");
        assert!(matches!(
            verified,
            Outcome::Right {
                better: Some(Kept { keys: Some(_), .. })
            }
        ));
    }

    use ipc::edge::control_auth::Verifier;
    use sha2::Digest;
}
