//! IMAP's conversations: see `conversation.rs`.

use super::*;
use crate::conversation::{self, CLEAR, LOOPBACK, Play, TLS};
use ipc::edge::front_service::Transport;

fn converse(transport: Transport, script: &str) {
    conversation::converse::<Listening>(transport, script);
}

#[test]
fn a_client_logs_in_over_tls() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a CAPABILITY
        S: * CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN
        S: a OK Done
        C: b ID (\"name\" \"curl\")
        S: * ID (\"name\" \"Mailkeep\")
        S: b OK Done
        C: c NOOP
        S: c OK Done
        C: d LOGIN alice@example.org \"a \\\"quoted\\\" secret\"
        -- auth is asked: |alice@example.org|a \"quoted\" secret
        -- auth verifies
        -- handed over: d
    ");
}

#[test]
fn login_takes_literals_of_both_kinds() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a LOGIN {5}
        S: + OK
        C: alice {10+}
        C: wonderland
        -- auth is asked: |alice|wonderland
    ");
}

#[test]
fn a_client_leaves() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a LOGOUT
        S: * BYE Bye
        S: a OK Done
        -- closed
    ");
}

#[test]
fn every_way_to_authenticate_asks_the_same_of_auth() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a LOGIN alice wonderland
        -- auth is asked: |alice|wonderland
        -- auth rejects: Unavailable
        S: a NO [UNAVAILABLE] Try again later
        C: b AUTHENTICATE PLAIN
        S: +\x20
        C: AGFsaWNlAHdvbmRlcmxhbmQ=
        -- auth is asked: |alice|wonderland
        -- auth rejects: Unavailable
        S: b NO [UNAVAILABLE] Try again later
        C: c authenticate plain AGFsaWNlAHdvbmRlcmxhbmQ=
        -- auth is asked: |alice|wonderland
        -- auth rejects: Unavailable
        S: c NO [UNAVAILABLE] Try again later
        C: d AUTHENTICATE LOGIN
        S: + VXNlcm5hbWU6
        C: YWxpY2U=
        S: + UGFzc3dvcmQ6
        C: d29uZGVybGFuZA==
        -- auth is asked: |alice|wonderland
        -- auth rejects: Unavailable
        S: d NO [UNAVAILABLE] Try again later
        C: e AUTHENTICATE LOGIN YWxpY2U=
        S: + UGFzc3dvcmQ6
        C: d29uZGVybGFuZA==
        -- auth is asked: |alice|wonderland
    ");
}

#[test]
fn an_authorisation_identity_reaches_auth() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a AUTHENTICATE PLAIN Ym9iAGFsaWNlAHdvbmRlcmxhbmQ=
        -- auth is asked: bob|alice|wonderland
        -- auth rejects: Credentials
        S: a NO [AUTHENTICATIONFAILED] Wrong name or password
    ");
}

/// ATTACKS P7: the exchange is over, the connection is in step.
#[test]
fn a_broken_sasl_exchange_hurts_nothing_but_itself() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a AUTHENTICATE PLAIN
        S: +\x20
        C: *
        S: a BAD Cancelled
        C: b AUTHENTICATE PLAIN
        S: +\x20
        C: not!base64
        S: b BAD Not base64
        C: c AUTHENTICATE PLAIN =
        S: c BAD Not a message of PLAIN
        C: d AUTHENTICATE PLAIN
        S: +\x20
        C: 
        S: d BAD Not a message of PLAIN
        C: e AUTHENTICATE PLAIN AGFsaWNl
        S: e BAD Not a message of PLAIN
        C: f AUTHENTICATE PLAIN AGFsaWNlAHdvbgBkZXJsYW5k
        S: f BAD Not a message of PLAIN
        C: g AUTHENTICATE PLAIN AGFswwB4
        S: g BAD Not a user name
        C: h AUTHENTICATE LOGIN
        S: + VXNlcm5hbWU6
        C: YWxpY2U=
        S: + UGFzc3dvcmQ6
        C: *
        S: h BAD Cancelled
        C: i AUTHENTICATE PLAIN
        S: +\x20
        C: j AUTHENTICATE PLAIN
        S: i BAD Not base64
        C: k AUTHENTICATE GSSAPI
        S: k NO [CANNOT] Unknown mechanism
        C: l NOOP
        S: l OK Done
    ");
}

/// ATTACKS P7: a response of a megabyte.
#[test]
fn an_endless_sasl_answer_ends_the_connection_and_asks_nobody() {
    for piece in [usize::MAX, 1000] {
        let mut play = Play::<Listening>::begin(TLS, piece);
        play.line();
        play.client_says(b"a AUTHENTICATE PLAIN\r\n");
        assert_eq!(play.line(), "+ ");
        play.client_says(&vec![b'A'; 1 << 20]);
        assert_eq!(play.line(), "* BYE Command line too long");
        assert!(play.is_closed_in_silence());
    }
}

#[test]
fn the_third_failure_closes_the_connection() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a LOGIN alice 1
        -- auth is asked: |alice|1
        -- auth rejects: Credentials
        S: a NO [AUTHENTICATIONFAILED] Wrong name or password
        C: b LOGIN alice 2
        -- auth is asked: |alice|2
        -- auth rejects: Unavailable
        S: b NO [UNAVAILABLE] Try again later
        C: c LOGIN alice 3
        -- auth is asked: |alice|3
        -- auth rejects: Credentials
        S: c NO [AUTHENTICATIONFAILED] Wrong name or password
        C: d LOGIN alice 4
        -- auth is asked: |alice|4
        -- auth rejects: Credentials
        S: d NO [AUTHENTICATIONFAILED] Wrong name or password
        S: * BYE Too many failures
        -- closed
    ");
}

/// ATTACKS P8: what was said in the clear is not answered inside TLS.
#[test]
fn plaintext_behind_starttls_is_thrown_away() {
    converse(CLEAR, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE STARTTLS LOGINDISABLED] Mailkeep ready
        C: a STARTTLS
        C: b NOOP
        S: a OK Begin TLS
        -- TLS begins
        C: c CAPABILITY
        S: * CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN
        S: c OK Done
    ");
}

/// ATTACKS P8: nor is the second half of a command.
#[test]
fn a_literal_that_spans_starttls_is_thrown_away() {
    converse(CLEAR, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE STARTTLS LOGINDISABLED] Mailkeep ready
        C: a STARTTLS
        C: b LOGIN {7+}
        C: mallory {
        S: a OK Begin TLS
        -- TLS begins
        C: 6+}
        S: * BAD No tag
        C: c NOOP
        S: c OK Done
    ");
}

/// ATTACKS P9.
#[test]
fn passwords_in_the_clear_are_refused_whatever_the_command() {
    converse(CLEAR, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE STARTTLS LOGINDISABLED] Mailkeep ready
        C: a LOGIN alice wonderland
        S: a NO [PRIVACYREQUIRED] Use TLS first
        C: b AUTHENTICATE PLAIN
        S: b NO [PRIVACYREQUIRED] Use TLS first
        C: c AUTHENTICATE PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=
        S: c NO [PRIVACYREQUIRED] Use TLS first
        C: d AUTHENTICATE LOGIN
        S: d NO [PRIVACYREQUIRED] Use TLS first
    ");
}

/// ATTACKS P9.
#[test]
fn failures_in_the_clear_are_forgotten_when_tls_begins_and_tls_begins_once() {
    converse(LOOPBACK, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE STARTTLS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a LOGIN alice 1
        -- auth is asked: |alice|1
        -- auth rejects: Credentials
        S: a NO [AUTHENTICATIONFAILED] Wrong name or password
        C: b LOGIN alice 2
        -- auth is asked: |alice|2
        -- auth rejects: Credentials
        S: b NO [AUTHENTICATIONFAILED] Wrong name or password
        C: c STARTTLS
        S: c OK Begin TLS
        -- TLS begins
        C: d STARTTLS
        S: d BAD TLS is on already
        C: e LOGIN alice 3
        -- auth is asked: |alice|3
        -- auth rejects: Credentials
        S: e NO [AUTHENTICATIONFAILED] Wrong name or password
        C: f NOOP
        S: f OK Done
    ");
}

/// ATTACKS H5: nothing behind the LOGIN is heard here, nothing of it is lost.
#[test]
fn commands_pipelined_behind_login_go_with_the_socket() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a NOOP
        C: b LOGIN alice wonderland
        C: c SELECT INBOX
        C: d LOGIN {5}
        S: a OK Done
        -- auth is asked: |alice|wonderland
        -- auth verifies
        -- handed over: b c SELECT INBOX\\r\\nd LOGIN {5}\\r\\n
    ");
}

#[test]
fn a_refused_hand_over_goes_on_where_the_client_was() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a LOGIN alice wonderland
        C: b NOOP
        -- auth is asked: |alice|wonderland
        -- auth verifies
        -- handed over: a b NOOP\\r\\n
        -- director refuses: NoWorker
        S: a NO [UNAVAILABLE] Try again later
        S: b OK Done
        C: c LOGIN alice wonderland
        -- auth is asked: |alice|wonderland
        -- auth verifies
        -- director refuses: TooManySessions
        S: c NO [LIMIT] Too many sessions
    ");
}

#[test]
fn commands_of_other_states_are_refused_and_the_connection_stays_in_step() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a SELECT INBOX
        S: a BAD Unknown command, or not in this state
        C: b NOOP
        S: b OK Done
    ");
}

/// RFC 7677, section 3, but for who says what in the middle: `auth`'s words are
/// the test's.
#[test]
fn scram_goes_through_login_word_for_word() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a AUTHENTICATE SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=
        -- auth is asked: ScramSha256 n,,n=user,r=rOprNGfwEbeRWgbNEkqO
        -- auth challenges: r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096
        S: + cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=
        C: Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==
        -- auth is asked: on: c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=
        -- auth challenges: v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
        S: + dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==
        C: 
        -- auth is asked: on: 
        -- auth verifies
        -- handed over: a
    ");
}

/// ATTACKS P7: `*` in the middle of a dialogue with `auth`, what is no base64, and
/// whoever asks for what isn't offered here.
#[test]
fn a_dialogue_with_auth_can_be_cancelled_and_the_connection_is_in_step() {
    converse(TLS, "
        S: * OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] Mailkeep ready
        C: a AUTHENTICATE SCRAM-SHA-256-PLUS
        S: +\x20
        C: cD10bHMtZXhwb3J0ZXIsLG49dSxyPXI=
        -- auth is asked: ScramSha256Plus p=tls-exporter,,n=u,r=r
        -- auth challenges: r=rs
        S: + cj1ycw==
        C: *
        S: a BAD Cancelled
        C: b AUTHENTICATE SCRAM-SHA-256 biwsbj11LHI9cg==
        -- auth is asked: ScramSha256 n,,n=u,r=r
        -- auth challenges: r=rs
        S: + cj1ycw==
        C: not!base64
        S: b BAD Not base64
        C: c AUTHENTICATE SCRAM-SHA-256 biwsbj11LHI9cg==
        -- auth is asked: ScramSha256 n,,n=u,r=r
        -- auth rejects: Credentials
        S: c NO [AUTHENTICATIONFAILED] Wrong name or password
        C: d AUTHENTICATE EXTERNAL =
        S: d NO [CANNOT] Unknown mechanism
        C: e NOOP
        S: e OK Done
    ");
}
