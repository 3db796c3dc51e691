//! What a failing disk may cost: an answer, never a letter that was acknowledged.

use super::{House, run};
use journal::sim::{Fault, SimDisk};

/// Appends until a fault that is planned at the `k`th call from now strikes or
/// passes; how many letters were acknowledged.
async fn append_through(disk: &SimDisk, k: u64, fault: Fault) -> usize {
    let house = House::on(disk);
    let mut client = house.client().await;
    disk.plan(disk.calls() + k, fault);
    let mut acknowledged = 0;
    for number in 0..4 {
        client
            .send(format!("a{number} APPEND INBOX {{1+}}\r\nx\r\n").as_bytes())
            .await;
    }
    for number in 0..4 {
        // A worker that can't acknowledge any more says nothing at all.
        let patience = std::time::Duration::from_millis(300);
        let answer = format!("a{number}");
        let answer = tokio::time::timeout(patience, client.answer(&answer)).await;
        let Ok(answer) = answer else { break };
        acknowledged += usize::from(answer.last().unwrap().contains(" OK "));
    }
    acknowledged
}

async fn letters(disk: &SimDisk) -> usize {
    let house = House::on(disk);
    let mut client = house.client().await;
    let status = client.command("a", "STATUS INBOX (MESSAGES)").await;
    house.leave().await;
    let count = status[0].trim_start_matches("* STATUS INBOX (MESSAGES ");
    count.trim_end_matches(')').parse().unwrap()
}

#[test]
fn what_was_acknowledged_survives_a_failed_call_wherever_it_strikes() {
    for fault in [Fault::Eio, Fault::PowerCut] {
        for k in 0..24 {
            run(async {
                let disk = SimDisk::new(k);
                letters(&disk).await;
                let acknowledged = append_through(&disk, k, fault).await;
                disk.forgive();
                let disk = match fault {
                    Fault::PowerCut => disk.restore_power(),
                    _ => disk.restart_process(),
                };
                let kept = letters(&disk).await;
                assert!(
                    kept >= acknowledged,
                    "{fault:?} at {k}: {kept} of {acknowledged}"
                );
            });
        }
    }
}

#[test]
fn a_full_disk_is_told_and_the_account_goes_on() {
    run(async {
        let disk = SimDisk::new(1);
        let house = House::on(&disk);
        let mut client = house.client().await;
        let (mut kept, mut refused) = (0, 0);
        for round in 0..40 {
            disk.fill_up(round % 4 != 0);
            let letter = "x".repeat(20_000);
            let append = format!("APPEND INBOX {{20000+}}\r\n{letter}");
            let answer = client.command("a", &append).await;
            let answer = answer.last().unwrap();
            kept += usize::from(answer.starts_with("a OK "));
            refused += usize::from(answer.starts_with("a NO [OVERQUOTA] "));
        }
        assert!(refused > 0 && kept >= 10 && kept + refused == 40);
        let status = client.command("b", "STATUS INBOX (MESSAGES)").await;
        assert_eq!(status[0], format!("* STATUS INBOX (MESSAGES {kept})"));
        house.leave().await;
        disk.fill_up(false);
        assert_eq!(letters(&disk.restart_process()).await, kept);
    });
}
