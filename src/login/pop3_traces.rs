//! POP3's conversations: see `conversation.rs`.

use super::*;
use crate::conversation::{self, CLEAR, LOOPBACK, Play, TLS, settings};
use crate::states::Listening as _;
use ipc::edge::front_service::Transport;
use ipc::slice;

fn converse(transport: Transport, script: &str) {
    conversation::converse::<Listening>(transport, script);
}

#[test]
fn a_client_logs_in_over_tls() {
    converse(
        TLS,
        "
        S: +OK Mailkeep ready
        C: CAPA
        S: +OK Capability list follows
        S: TOP
        S: UIDL
        S: RESP-CODES
        S: AUTH-RESP-CODE
        S: PIPELINING
        S: EXPIRE NEVER
        S: UTF8 USER
        S: LANG
        S: IMPLEMENTATION Mailkeep
        S: USER
        S: SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN
        S: .
        C: USER alice@example.org
        S: +OK Now the password
        C: PASS a  secret {5}
        -- auth is asked: |alice@example.org|a  secret {5}
        -- auth verifies
        -- handed over
    ",
    );
}

#[test]
fn a_client_leaves() {
    converse(
        TLS,
        "
        S: +OK Mailkeep ready
        C: quit
        S: +OK Bye
        -- closed
    ",
    );
}

#[test]
fn every_way_to_authenticate_asks_the_same_of_auth() {
    converse(
        TLS,
        "
        S: +OK Mailkeep ready
        C: USER alice
        S: +OK Now the password
        C: PASS wonderland
        -- auth is asked: |alice|wonderland
        -- auth rejects: Unavailable
        S: -ERR [SYS/TEMP] Try again later
        C: AUTH PLAIN
        S: +\x20
        C: AGFsaWNlAHdvbmRlcmxhbmQ=
        -- auth is asked: |alice|wonderland
        -- auth rejects: Unavailable
        S: -ERR [SYS/TEMP] Try again later
        C: auth plain AGFsaWNlAHdvbmRlcmxhbmQ=
        -- auth is asked: |alice|wonderland
        -- auth rejects: Unavailable
        S: -ERR [SYS/TEMP] Try again later
        C: AUTH LOGIN
        S: + VXNlcm5hbWU6
        C: YWxpY2U=
        S: + UGFzc3dvcmQ6
        C: d29uZGVybGFuZA==
        -- auth is asked: |alice|wonderland
        -- auth verifies
        -- handed over
    ",
    );
}

/// RFC 7677, section 3, but for who says what in the middle: `auth`'s words are
/// the test's.
#[test]
fn a_dialogue_with_auth_goes_through_login_and_can_be_cancelled() {
    converse(
        TLS,
        "
        S: +OK Mailkeep ready
        C: AUTH SCRAM-SHA-256 biwsbj11LHI9cg==
        -- auth is asked: ScramSha256 n,,n=u,r=r
        -- auth challenges: r=rs
        S: + cj1ycw==
        C: *
        S: -ERR Cancelled
        C: AUTH SCRAM-SHA-256
        S: +\x20
        C: biwsbj11LHI9cg==
        -- auth is asked: ScramSha256 n,,n=u,r=r
        -- auth challenges: r=rs
        S: + cj1ycw==
        C: Yz1iaXdz
        -- auth is asked: on: c=biws
        -- auth challenges: v=x
        S: + dj14
        C: 
        -- auth is asked: on: 
        -- auth verifies
        -- handed over
    ",
    );
}

/// ATTACKS P7.
#[test]
fn bad_sasl_is_an_error_of_this_exchange_alone() {
    converse(
        TLS,
        "
        S: +OK Mailkeep ready
        C: AUTH PLAIN AGFs!!
        S: -ERR Not base64
        C: AUTH PLAIN =
        S: -ERR Not a message of PLAIN
        C: AUTH PLAIN
        S: +\x20
        C: *
        S: -ERR Cancelled
        C: AUTH PLAIN
        S: +\x20
        C: =
        S: -ERR Not base64
        C: AUTH PLAIN
        S: +\x20
        C: AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=
        S: -ERR Not base64
        C: AUTH EXTERNAL =
        S: -ERR Unknown mechanism
        C: AUTH GSSAPI
        S: -ERR Unknown mechanism
        C: AUTH
        S: +OK Mechanism list follows
        S: SCRAM-SHA-256-PLUS
        S: SCRAM-SHA-256
        S: PLAIN
        S: LOGIN
        S: .
    ",
    );
}

/// ATTACKS P7: a response of a megabyte.
#[test]
fn an_endless_line_ends_the_connection_and_asks_nobody() {
    for first in ["AUTH PLAIN\r\n", ""] {
        let mut play = Play::<Listening>::begin(TLS, 1000);
        play.line();
        if !first.is_empty() {
            play.client_says(first.as_bytes());
            assert_eq!(play.line(), "+ ");
        }
        play.client_says(&vec![b'A'; 1 << 20]);
        assert_eq!(play.line(), "-ERR Command line too long");
        assert!(play.is_closed_in_silence());
    }
}

/// RFC 1939, section 7: PASS comes immediately after USER.
#[test]
fn a_name_is_good_for_the_next_command_only() {
    converse(
        TLS,
        "
        S: +OK Mailkeep ready
        C: PASS wonderland
        S: -ERR USER comes first
        C: USER alice
        S: +OK Now the password
        C: UTF8
        S: +OK UTF-8 it is
        C: PASS wonderland
        S: -ERR USER comes first
        C: USER alice
        S: +OK Now the password
        C: USER bob
        S: +OK Now the password
        C: STAT
        S: -ERR Unknown command, or not in this state
        C: PASS builder
        S: -ERR USER comes first
        C: USER alice
        S: +OK Now the password
        C: CAPA
        S: +OK Capability list follows
        S: TOP
        S: UIDL
        S: RESP-CODES
        S: AUTH-RESP-CODE
        S: PIPELINING
        S: EXPIRE NEVER
        S: UTF8 USER
        S: LANG
        S: IMPLEMENTATION Mailkeep
        S: USER
        S: SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN
        S: .
        C: PASS wonderland
        S: -ERR USER comes first
        C: USER alice
        S: +OK Now the password
        C: PASS 1
        -- auth is asked: |alice|1
        -- auth rejects: Credentials
        S: -ERR [AUTH] Wrong name or password
        C: PASS 2
        S: -ERR USER comes first
    ",
    );
}

/// RFC 2449, section 8.1, and RFC 3206, section 4.
#[test]
fn whoever_is_turned_away_is_told_why_by_a_code() {
    converse(
        TLS,
        "
        S: +OK Mailkeep ready
        C: USER alice
        S: +OK Now the password
        C: PASS 1
        -- auth is asked: |alice|1
        -- auth rejects: TooManySessions
        S: -ERR [IN-USE] Too many sessions
        C: USER alice
        S: +OK Now the password
        C: PASS 1
        -- auth is asked: |alice|1
        -- auth rejects: TooSoon
        S: -ERR [LOGIN-DELAY] Too soon after the last login
        C: USER alice
        S: +OK Now the password
        C: PASS 1
        -- auth is asked: |alice|1
        -- auth rejects: PrivacyRequired
        S: -ERR [AUTH] Use TLS first
        C: USER alice
        S: +OK Now the password
        C: PASS 1
        -- auth is asked: |alice|1
        -- auth verifies
        -- director refuses: TooManySessions
        S: -ERR [IN-USE] Too many sessions
        C: USER alice
        S: +OK Now the password
        C: PASS 1
        -- auth is asked: |alice|1
        -- auth verifies
        -- director refuses: NoWorker
        S: -ERR [SYS/TEMP] Try again later
    ",
    );
}

#[test]
fn the_third_failure_closes_the_connection() {
    converse(
        TLS,
        "
        S: +OK Mailkeep ready
        C: USER alice
        S: +OK Now the password
        C: PASS 1
        -- auth is asked: |alice|1
        -- auth rejects: Credentials
        S: -ERR [AUTH] Wrong name or password
        C: AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=
        -- auth is asked: |alice|wonderland
        -- auth rejects: Credentials
        S: -ERR [AUTH] Wrong name or password
        C: USER alice
        S: +OK Now the password
        C: PASS 3
        -- auth is asked: |alice|3
        -- auth rejects: Credentials
        S: -ERR [AUTH] Wrong name or password
        -- closed
    ",
    );
}

/// RFC 6856: UTF8 is for the time behind authentication, LANG for now.
#[test]
fn utf8_and_the_language_are_chosen_before_authentication() {
    converse(
        TLS,
        "
        S: +OK Mailkeep ready
        C: UTF8
        S: +OK UTF-8 it is
        C: LANG
        S: +OK Language listing follows:
        S: en English
        S: i-default Default language
        S: .
        C: LANG MUL
        S: -ERR That language is not spoken here
        C: LANG en-GB
        S: +OK en Language changed
        C: LANG *
        S: +OK i-default Language changed
        C: USER b\u{fc}cher@example.org
        S: +OK Now the password
        C: PASS pa\u{df}wort
        -- auth is asked: |b\u{fc}cher@example.org|pa\u{df}wort
        -- auth rejects: Unavailable
        S: -ERR [SYS/TEMP] Try again later
        C: USER alice
        S: +OK Now the password
        C: PASS wonderland
        -- auth is asked: |alice|wonderland
        -- auth verifies
        -- handed over: (UTF-8)
    ",
    );
}

/// ATTACKS P9: no password in the clear, and nobody learns whether there is such
/// a name.
#[test]
fn without_tls_no_name_is_taken() {
    converse(
        CLEAR,
        "
        S: +OK Mailkeep ready
        C: CAPA
        S: +OK Capability list follows
        S: TOP
        S: UIDL
        S: RESP-CODES
        S: AUTH-RESP-CODE
        S: PIPELINING
        S: EXPIRE NEVER
        S: UTF8 USER
        S: LANG
        S: IMPLEMENTATION Mailkeep
        S: STLS
        S: .
        C: USER alice
        S: -ERR [AUTH] Use TLS first
        C: PASS wonderland
        S: -ERR [AUTH] Use TLS first
        C: AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=
        S: -ERR [AUTH] Use TLS first
        C: AUTH
        S: +OK Mechanism list follows
        S: .
    ",
    );
}

/// ATTACKS P8: what came behind STLS in one segment is not answered.
#[test]
fn what_is_pipelined_behind_stls_is_thrown_away() {
    converse(
        CLEAR,
        "
        S: +OK Mailkeep ready
        C: STLS
        C: CAPA
        C: USER mallory
        S: +OK Begin TLS
        -- TLS begins
        C: PASS x
        S: -ERR USER comes first
    ",
    );
}

/// ATTACKS P9: nothing of before STLS is left behind it.
#[test]
fn stls_begins_anew_and_is_not_to_be_had_twice() {
    converse(
        CLEAR,
        "
        S: +OK Mailkeep ready
        C: UTF8
        S: +OK UTF-8 it is
        C: STLS
        S: +OK Begin TLS
        -- TLS begins
        C: STLS
        S: -ERR TLS is on already
        C: USER alice
        S: +OK Now the password
        C: PASS wonderland
        -- auth is asked: |alice|wonderland
        -- auth verifies
        -- handed over
    ",
    );
    converse(
        LOOPBACK,
        "
        S: +OK Mailkeep ready
        C: USER alice
        S: +OK Now the password
        C: STLS
        S: +OK Begin TLS
        -- TLS begins
        C: PASS wonderland
        S: -ERR USER comes first
    ",
    );
}

/// RFC 2449, section 6.6: what is pipelined behind PASS is the worker's.
#[test]
fn what_is_pipelined_behind_the_password_waits_for_the_answer() {
    converse(
        TLS,
        "
        S: +OK Mailkeep ready
        C: USER alice
        C: PASS wrong
        C: STAT
        S: +OK Now the password
        -- auth is asked: |alice|wrong
        -- auth rejects: Credentials
        S: -ERR [AUTH] Wrong name or password
        S: -ERR Unknown command, or not in this state
        C: USER alice
        C: PASS wonderland
        C: STAT
        S: +OK Now the password
        -- auth is asked: |alice|wonderland
        -- auth verifies
        -- handed over: STAT\\r\\n
    ",
    );
}

#[test]
fn a_minimum_between_logins_is_announced() {
    let settings = slice::Login {
        pop3_login_delay_seconds: 900,
        ..settings()
    };
    let terms = Terms::new(TLS, true, false, &settings);
    let delay = Capability::LoginDelay { seconds: 900 };
    assert!(capabilities(terms).contains(&delay));
}

/// RFC 1939, section 3, for the one; the other's socket may still be read.
#[test]
fn a_client_that_was_too_slow_is_told_nothing_and_one_that_makes_room_why() {
    let said = |why| {
        let mut out = Vec::new();
        Listening::dismiss(why, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(said(Dismissal::TooSlow), "");
    let why = "-ERR [SYS/TEMP] Too many connections, or shutting down\r\n";
    assert_eq!(said(Dismissal::Crowded), why);
}
