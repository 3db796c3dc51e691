//! A process to be possessed: waits in one way, and says whether it noticed anything.
//!
//!     sleeper epoll|receive|sleep|busy
//!
//! It says `ready` before it waits, and `undisturbed` at its end.

#![allow(clippy::panic, reason = "a tool of tests says why and ends")]

use rustix::event::epoll;
use rustix::net::{RecvFlags, recv};
use rustix::thread::{CpuSet, NanosleepRelativeResult, Timespec, nanosleep as wait};
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long it sleeps: much longer than a possession of a few calls.
const SLEEP: Duration = Duration::from_millis(800);

/// Threads beside the main one.
const THREADS: usize = 3;

fn main() {
    stay_on_one_processor();
    say("ready");
    match std::env::args().nth(1).as_deref() {
        Some("epoll") => epoll(),
        Some("receive") => receive(),
        Some("sleep") => doze(),
        Some("busy") => busy(),
        other => panic!("sleeper epoll|receive|sleep|busy, not {other:?}"),
    }
    say("undisturbed");
}

/// The kernel notes in a thread's own memory where it runs (rseq(2)); who compares that
/// memory wants it to stay.
fn stay_on_one_processor() {
    let allowed = rustix::thread::sched_getaffinity(None).expect("it runs somewhere");
    let first = (0..CpuSet::MAX_CPU).find(|one| allowed.is_set(*one));
    let mut one = CpuSet::new();
    one.set(first.expect("it runs somewhere"));
    rustix::thread::sched_setaffinity(None, &one).expect("it is allowed");
}

/// Waits for its standard input; a wait that ends without an event has been disturbed.
fn epoll() {
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a set");
    let data = epoll::EventData::new_u64(7);
    epoll::add(&set, std::io::stdin(), data, epoll::EventFlags::IN).expect("a pipe");
    let mut events = [MaybeUninit::<epoll::Event>::uninit(); 1];
    let (events, _) = epoll::wait(&set, &mut events, None).expect("not interrupted");
    assert_eq!(events.len(), 1);
}

/// Receives one byte from its standard input, a socket.
fn receive() {
    let mut byte = [0; 1];
    let received = recv(std::io::stdin(), &mut byte, RecvFlags::empty());
    assert_eq!(received.expect("not interrupted").0, 1);
}

fn doze() {
    let begun = Instant::now();
    let time = Timespec {
        tv_sec: 0,
        tv_nsec: SLEEP.subsec_nanos().into(),
    };
    let slept = wait(&time);
    assert!(matches!(slept, NanosleepRelativeResult::Ok), "{slept:?}");
    assert!(begun.elapsed() >= SLEEP, "it was woken too early");
}

/// Several threads count, until one byte comes.
fn busy() {
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let counting = || {
        while !over.load(Ordering::Relaxed) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        (0..THREADS).for_each(|_| drop(scope.spawn(counting)));
        receive();
        over.store(true, Ordering::Relaxed);
    });
}

fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}")
        .and_then(|()| out.flush())
        .expect("somebody listens");
}
