//! `keyholder`, taken over: it has the key. It has nobody to give it to: `front` takes
//! signatures, and the supervisor takes less.

use crate::attempts::try_all;
use crate::house::{ALICE, BOB, House, PATIENCE};
use crate::memory;
use crate::siege::{self, GoesOn, is_cut};
use crate::speech::{ask, hear, say};
use crate::wiring::SUPERVISOR;
use harness::possession::Outcome;
use harness::set::text;
use ipc::edge::front_keyholder::{FromKeyholder, SIGNATURE_BYTES_MAX, ToKeyholder};
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::{Bytes, Message};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

/// ECDSA over P-256 with SHA-256 (RFC 8446, section 4.2.3), which the tests' key is of.
const SCHEME: u16 = 0x0403;

/// What stands before the 32 bytes of the key in its PKCS #8 form (RFC 5915).
const BEFORE_KEY: [u8; 5] = [0x02, 0x01, 0x01, 0x04, 0x20];

/// The private number of the set's key.
fn key(house: &House) -> Vec<u8> {
    let file = house.set.directory().path().join("key.pem");
    let der = PrivateKeyDer::from_pem_file(file).expect("a key");
    let bytes = der.secret_der();
    let before = bytes
        .windows(BEFORE_KEY.len())
        .position(|five| five == BEFORE_KEY);
    let first = before.expect("P-256") + BEFORE_KEY.len();
    bytes[first..first + 32].to_vec()
}

/// As ring keeps it: the number times 2^256, modulo the order of the curve, least byte
/// first (Montgomery's form).
fn as_kept(key: &[u8]) -> Vec<u8> {
    const ORDER: [u64; 4] = [
        0xf3b9_cac2_fc63_2551,
        0xbce6_faad_a717_9e84,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_0000_0000,
    ];
    let mut number = [0_u64; 4];
    for (limb, bytes) in number.iter_mut().rev().zip(key.as_chunks::<8>().0) {
        *limb = u64::from_be_bytes(*bytes);
    }
    for _ in 0..256 {
        let carried = number[3] >> 63 == 1;
        let mut below = 0;
        for limb in &mut number {
            (*limb, below) = (*limb << 1 | below, *limb >> 63);
        }
        let (less, borrowed) = minus(number, ORDER);
        if carried || !borrowed {
            number = less;
        }
    }
    number.iter().flat_map(|limb| limb.to_le_bytes()).collect()
}

fn minus(one: [u64; 4], other: [u64; 4]) -> ([u64; 4], bool) {
    let (mut less, mut borrowed) = ([0; 4], false);
    for at in 0..4 {
        let (first, under) = one[at].overflowing_sub(other[at]);
        let (second, again) = first.overflowing_sub(u64::from(borrowed));
        (less[at], borrowed) = (second, under || again);
    }
    (less, borrowed)
}

fn sign(input: impl Into<Vec<u8>>) -> ToKeyholder {
    ToKeyholder::Sign {
        scheme: SCHEME,
        input: Bytes::new(input.into()).expect("short"),
    }
}

/// What a TLS 1.3 server signs (RFC 8446, section 4.4.3).
fn handshake(context: &str, hash: usize) -> Vec<u8> {
    [&[b' '; 64], context.as_bytes(), &[0], &vec![7; hash]].concat()
}

#[test]
fn a_taken_over_keyholder_gets_nothing_from_the_kernel_but_its_ledgers_calls() {
    let Some(house) = House::open() else { return };
    try_all(&house, "keyholder");
    house.serves(BOB, PATIENCE);
}

/// What it gets, and nobody else has.
#[test]
fn the_tls_key_is_in_keyholder_and_in_no_other_process() {
    let Some(house) = House::open() else { return };
    let _session = house.set.login(ALICE);
    let key = key(&house);
    let reversed: Vec<u8> = key.iter().rev().copied().collect();
    let forms = [as_kept(&key), key, reversed];
    let has = |pid: u32| forms.iter().any(|form| memory::holds(pid, form));
    let having = house.everybody().into_iter().filter(|(_, pid)| has(*pid));
    let having: Vec<String> = having.map(|(name, _)| name).collect();
    assert_eq!(having, ["keyholder"]);
}

/// Whoever takes `front` over, who alone can ask, gets handshakes signed.
#[test]
fn keyholder_signs_handshakes_for_a_taken_over_front_and_nothing_else() {
    let Some(house) = House::open() else { return };
    let (pid, mut front) = house.possess("front");
    let keyholder = house.end(pid, Edge::FrontKeyholder);
    let mut ask = |question| ask::<_, FromKeyholder>(&mut front, keyholder, question);
    let good = handshake("TLS 1.3, server CertificateVerify", 32);
    assert!(matches!(
        ask(sign(good.clone())),
        FromKeyholder::Signed { .. }
    ));
    let junk = [
        Vec::new(),
        b"I owe you a thousand. keyholder".to_vec(),
        vec![b' '; 64],
        vec![0; 512],
        handshake("TLS 1.3, client CertificateVerify", 32),
        handshake("TLS 1.3, server CertificateVerify", 31),
        handshake("TLS 1.3, server CertificateVerify", 64),
        good[1..].to_vec(),
        [&good[..], b"x"].concat(),
        // A TLS 1.2 server's (RFC 8422, section 5.4), which this site doesn't allow.
        [&[7; 64][..], &[3, 0, 0x1d, 32], &[7; 32]].concat(),
    ];
    for input in junk {
        let answer = ask(sign(input.clone()));
        assert!(matches!(answer, FromKeyholder::Refused), "{input:?}");
    }
    let other_scheme = ToKeyholder::Sign {
        scheme: 0x0804,
        input: Bytes::new(good).expect("short"),
    };
    assert!(matches!(ask(other_scheme), FromKeyholder::Refused));
    house.end_of(pid, front);
    house.serves(BOB, PATIENCE);
}

/// No channel of it takes more than a signature, nor a descriptor.
#[test]
fn nobody_takes_more_from_a_taken_over_keyholder_than_a_signature() {
    let Some(house) = House::open() else { return };
    let ends = house.ends(house.pid("keyholder"));
    assert!(
        ends.iter().all(|end| end.edge == Edge::FrontKeyholder),
        "{ends:?}"
    );
    const { assert!(<FromKeyholder as Message>::BYTES_MAX <= SIGNATURE_BYTES_MAX + 16) };
    for (extra, carried) in [(1, 0), (1 << 16, 0), (0, 1)] {
        let (pid, mut by) = house.possess("keyholder");
        let front = house.end(pid, Edge::FrontKeyholder);
        let signature = Bytes::new(vec![7; SIGNATURE_BYTES_MAX]).expect("the most");
        let (mut bytes, _) = FromKeyholder::Signed { signature }.into_datagram();
        bytes.resize(bytes.len() + extra, 7);
        let sent = by.send(front, &bytes, &vec![2; carried]);
        assert!(matches!(sent, Outcome::Returned(_)), "{sent:?}");
        assert!(
            is_cut(&house, &mut by, front),
            "front takes {extra} bytes more, and {carried}"
        );
        house.end_of(pid, by);
    }
    house.serves(BOB, PATIENCE);
}

/// To a reload it may say no, and why: some words in a line of the log and on an
/// administrator's terminal. So it can write the key there, and nothing else.
#[test]
fn what_a_taken_over_keyholder_gives_as_a_reason_begins_no_line_and_steers_no_terminal() {
    let Some(house) = House::open() else { return };
    let (_, mut by) = house.possess("keyholder");
    let reload = house.command(&["reload"]);
    let prepare = hear::<ToProcess>(&mut by, SUPERVISOR).message();
    assert!(matches!(
        prepare,
        ToProcess::Provide { .. } | ToProcess::Prepare { .. }
    ));
    let reason = Bytes::new(&b"x\r\nFATAL forged \x1b[2J"[..]).expect("short");
    say(&mut by, SUPERVISOR, ToSupervisor::Refused { reason }, &[]);
    let told = text(&reload.wait_with_output().expect("it runs"));
    for said in [told, house.set.log()] {
        assert!(said.contains("FATAL forged"), "{said}");
        assert!(
            !said.lines().any(|line| line.starts_with("FATAL")),
            "{said}"
        );
        assert!(!said.contains('\x1b'), "{said}");
    }
    by.let_go();
    house.serves(BOB, PATIENCE);
}

#[test]
fn no_lie_of_a_taken_over_keyholder_about_form_costs_anybody_but_itself() {
    siege::tell_every_lie("keyholder");
}

#[test]
fn while_keyholder_stands_still_sessions_go_on_and_letters_come_and_afterwards_all_is_well() {
    siege::stand_still("keyholder", |_| (), &[GoesOn::Sessions, GoesOn::Letters]);
}
