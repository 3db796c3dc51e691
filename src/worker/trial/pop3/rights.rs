//! Who may do what: the store decides, and POP3 has no way round it. The maildrop is
//! INBOX of the ticket's account, for whoever may see and read it; a maildrop that
//! may not be seen and one that may not be read are one answer, byte for byte.

use super::house_with;
use crate::trial::{House, Wire, run};
use ipc::AccountId;
use store::{Grantee, MailboxId, Principal, Rights};

const FRIEND: AccountId = AccountId(9);

const LETTER: &[u8] = b"Subject: a\r\n\r\na\r\n";

async fn give(house: &House, rights: &str) {
    let rights = Rights::of_letters(rights).unwrap();
    let grantee = Grantee::Account(store::AccountId(FRIEND.0));
    let inbox = {
        let store = house.account.store();
        let inbox = store.open_by_id(&Principal::Owner, MailboxId::INBOX);
        inbox.unwrap()
    };
    let given = house
        .account
        .change_tree(|store| store.set_acl(&inbox, grantee, rights));
    given.await.unwrap();
}

fn friend(house: &House) -> Wire {
    house.hand_over_pop3(FRIEND, false, b"")
}

#[test]
fn a_maildrop_that_may_not_be_read_is_as_one_that_may_not_be_seen() {
    run(async {
        let house = house_with(&[LETTER]).await;
        let hidden = friend(&house).last_words().await;
        assert!(hidden.starts_with("-ERR [SYS/PERM] "), "{hidden}");
        for rights in ["l", "r", "lswipkxtea", "lte"] {
            give(&house, rights).await;
            assert_eq!(friend(&house).last_words().await, hidden, "{rights}");
        }
        house.leave().await;
    });
}

#[test]
fn who_may_read_and_not_remove_reads_and_quit_says_that_nothing_was_removed() {
    run(async {
        let house = house_with(&[LETTER]).await;
        for rights in ["lr", "lrt", "lre", "lrswipkxa"] {
            give(&house, rights).await;
            let mut client = friend(&house);
            assert_eq!(client.line().await, "+OK Logged in");
            assert_eq!(client.ask_for_lines("RETR 1").await.len(), 4);
            assert!(client.ask("DELE 1").await.starts_with("+OK"));
            let said = client.ask("QUIT").await;
            assert!(said.starts_with("-ERR [SYS/PERM] Some deleted"), "{said}");
        }
        give(&house, "lrte").await;
        let mut client = friend(&house);
        assert_eq!(client.line().await, "+OK Logged in");
        client.ask("DELE 1").await;
        assert_eq!(client.ask("QUIT").await, "+OK Bye");
        assert_eq!(house.pop3_client(false).await.ask("STAT").await, "+OK 0 0");
        house.leave().await;
    });
}

#[test]
fn who_loses_the_right_to_read_hears_nothing_more_of_the_maildrop() {
    run(async {
        let house = house_with(&[LETTER]).await;
        for command in ["STAT", "LIST 1", "UIDL 1", "RETR 1", "TOP 1 0", "DELE 1"] {
            give(&house, "lr").await;
            let mut client = friend(&house);
            assert_eq!(client.line().await, "+OK Logged in");
            give(&house, "").await;
            client.send(format!("{command}\r\n").as_bytes()).await;
            let said = client.last_words().await;
            assert!(said.starts_with("-ERR [SYS/PERM] "), "{command}: {said}");
            assert_eq!(said.lines().count(), 1, "{command}: {said}");
        }
        house.leave().await;
    });
}
