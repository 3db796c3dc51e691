//! What holds for whatever a peer sends, on every edge and in both directions:
//! the body of the fuzz target `ipc_frames`, run here on random bytes.
#![allow(dead_code, reason = "the fuzzer and the test each use their part")]

use ipc::codec::{Decoder, Malformed, Message};
use std::fs::File;
use std::os::fd::OwnedFd;

/// One direction of one edge.
pub struct Direction {
    /// The edge's file.
    pub edge: &'static str,
    /// The enum that crosses it.
    pub name: &'static str,
    /// [`exercise`] of this enum.
    pub exercise: fn(&[u8]) -> Option<u8>,
}

macro_rules! directions {
    ($($edge:ident: $($name:ident),+;)+) => {
        /// Every direction of every edge; a test holds it against the files.
        pub const DIRECTIONS: &[Direction] = &[$($(Direction {
            edge: stringify!($edge),
            name: stringify!($name),
            exercise: exercise::<ipc::edge::$edge::$name>,
        },)+)+];
    };
}

directions! {
    admin: Request, Answer;
    auth_director: ToDirector, ToAuth;
    birth: Birth, ToBroker;
    config: FromConfig, ToConfig;
    control_auth: ToAuth, ToControl;
    control_director: ToDirector, ToControl;
    control_supervisor: ToSupervisor, ToControl;
    delivery: ToWorker, ToLmtp;
    director_broker: ToBroker, ToDirector;
    director_worker: ToWorker, ToDirector;
    front_auth: Facts, ToFront;
    front_keyholder: ToKeyholder, FromKeyholder;
    front_service: ToService, ToFront;
    handover: ToDirector, ToAsker;
    lmtp_auth: ToAuth, ToLmtp;
    login_auth: ToAuth, ToLogin;
    supervisor: ToProcess, ToSupervisor;
    task: ToWorker, ToControl;
    verify: ToControl, ToVerifier;
}

/// Takes the bytes as a datagram, and makes a message out of them; the tag of
/// that message, if the direction has any.
pub fn exercise<T: Message>(sent: &[u8]) -> Option<u8> {
    for descriptors in 0..2 {
        if let Ok(message) = T::from_datagram(sent, nulls(descriptors)) {
            let (bytes, sent_along) = message.into_datagram();
            assert_eq!((bytes.as_slice(), sent_along.len()), (sent, descriptors));
        }
    }
    let (bytes, descriptors) = grow::<T>(sent)?;
    hold::<T>(&bytes, descriptors);
    bytes.first().copied()
}

/// What holds for the bytes of a message.
fn hold<T: Message>(bytes: &[u8], descriptors: usize) {
    let read = |bytes: &[u8], descriptors| {
        T::from_datagram(bytes, nulls(descriptors)).map(|message| {
            let (bytes, sent_along) = message.into_datagram();
            (bytes, sent_along.len())
        })
    };
    assert!(bytes.len() <= T::LONGEST);
    assert_eq!(read(bytes, descriptors), Ok((bytes.to_vec(), descriptors)));
    let cut = bytes.len().saturating_sub(1);
    assert_eq!(read(&bytes[..cut], descriptors), Err(Malformed::TooShort));
    let longer = [bytes, &[0]].concat();
    assert_eq!(read(&longer, descriptors), Err(Malformed::TrailingBytes));
    let surplus = Err(Malformed::SurplusDescriptor);
    assert_eq!(read(bytes, descriptors + 1), surplus);
    if let Some(fewer) = descriptors.checked_sub(1) {
        assert_eq!(read(bytes, fewer), Err(Malformed::MissingDescriptor));
    }
}

/// The bytes of a message and its number of descriptors, made out of `entropy`:
/// random bytes are hardly ever a message, so the decoder's own complaints say
/// what to put next. `None` if the direction has no messages.
fn grow<T: Message>(entropy: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut entropy = entropy.iter().copied();
    let (mut bytes, mut descriptors, mut tried) = (Vec::new(), 0, 0);
    loop {
        let complaint = match T::decode(&mut Decoder::new(&bytes, nulls(descriptors))) {
            Ok(_) => return Some((bytes, descriptors)),
            Err(complaint) => complaint,
        };
        match complaint {
            Malformed::TooShort => {
                bytes.push(entropy.next().unwrap_or(0));
                tried = 0;
            }
            Malformed::MissingDescriptor => descriptors += 1,
            Malformed::TooLong => shorten(&mut bytes),
            _ if tried == u8::MAX => return None,
            _ => {
                let value = bytes.last_mut()?;
                *value = value.wrapping_add(1);
                tried += 1;
            }
        }
    }
}

/// The length at the end becomes one that any container holds.
fn shorten(bytes: &mut [u8]) {
    let at = bytes.len() - 4;
    let short = bytes[at] % 4;
    bytes[at..].copy_from_slice(&[short, 0, 0, 0]);
}

fn nulls(count: usize) -> Vec<OwnedFd> {
    let null = || {
        File::open("/dev/null")
            .expect("there is a /dev/null")
            .into()
    };
    (0..count).map(|_| null()).collect()
}
