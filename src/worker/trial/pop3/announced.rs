//! What CAPA names after authentication.

use crate::pop3::Handed;
use crate::trial::{House, run};
use ipc::Epoch;

/// The lines of CAPA, for a client that was handed over with these mechanisms.
async fn capa(house: &House, mechanisms: &[u8]) -> Vec<String> {
    let mut client = house.serve_pop3(Handed {
        principal: house.account.id(),
        epoch: Epoch(0),
        utf8: false,
        mechanisms: mechanisms.to_vec(),
        leftover: b"CAPA\r\nQUIT\r\n".to_vec(),
    });
    let said = client.last_words().await;
    said.lines().map(str::to_owned).collect()
}

fn sasl(lines: &[String]) -> Vec<&String> {
    lines.iter().filter(|it| it.starts_with("SASL")).collect()
}

/// RFC 2449, section 5.
#[test]
fn the_mechanisms_are_those_that_login_has_offered() {
    run(async {
        let house = House::new();
        let lines = capa(&house, b"SCRAM-SHA-256-PLUS EXTERNAL PLAIN LOGIN").await;
        assert_eq!(
            sasl(&lines),
            ["SASL SCRAM-SHA-256-PLUS EXTERNAL PLAIN LOGIN"]
        );
        assert!(lines.contains(&"USER".to_owned()));
        house.leave().await;
    });
}

#[test]
fn names_that_are_no_mechanisms_are_not_said() {
    run(async {
        let house = House::new();
        let lines = capa(&house, b"PLAIN\r\n+OK evil \r\nX LOGIN \xff").await;
        assert_eq!(sasl(&lines), ["SASL LOGIN"]);
        assert!(!lines.iter().any(|line| line.contains("evil")), "{lines:?}");
        let lines = capa(&house, b"").await;
        assert!(sasl(&lines).is_empty(), "{lines:?}");
        house.leave().await;
    });
}
