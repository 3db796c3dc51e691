//! `lmtp`'s questions: who is this recipient, and may I deliver?

use super::{Act, Desk};
use crate::table::{Account, Found};
use ipc::edge::auth_director::ToDirector;
use ipc::edge::lmtp_auth::{Standing, ToAuth, ToLmtp};
use ipc::ticket::Kind;
use ipc::{Bytes, Cookie, Instance, Nonce};
use journal::disk::Disk;

impl<D: Disk> Desk<D> {
    /// `lmtp` asks.
    pub fn lmtp(&mut self, now: u64, asker: Instance, message: ToAuth) {
        let answer = match message {
            ToAuth::Look { query, address } => {
                let found = self
                    .ledger
                    .table()
                    .find(&self.rules.domains, address.as_slice());
                ToLmtp::Found {
                    query,
                    standing: standing(found.as_ref().map(|found| found.account)),
                }
            }
            ToAuth::Deliver {
                nonce,
                cookie,
                address,
            } => {
                let minted = self.deliver(now, asker, (nonce, cookie), address.as_slice());
                minted.unwrap_or_else(|standing| ToLmtp::NotMinted { nonce, standing })
            }
        };
        self.acts.push(Act::Lmtp(asker, answer));
    }

    /// The ticket first, then the answer.
    fn deliver(
        &mut self,
        now: u64,
        asker: Instance,
        (nonce, cookie): (Nonce, Cookie),
        address: &[u8],
    ) -> Result<ToLmtp, Standing> {
        let found = self.ledger.table().find(&self.rules.domains, address);
        let Found {
            account, detail, ..
        } = found.ok_or(Standing::Unknown)?;
        match standing(Some(account)) {
            Standing::Deliverable if self.director => (),
            Standing::Deliverable => return Err(Standing::Unavailable),
            other => return Err(other),
        }
        let ticket = self
            .mint(now, Kind::Delivery, account, nonce, cookie)
            .ok_or(Standing::Unavailable)?;
        let detail = Bytes::new(detail).map_err(|_| Standing::Unknown)?;
        self.acts.push(Act::Director(ToDirector::Grant {
            asker,
            nonce,
            ticket,
        }));
        Ok(ToLmtp::Minted { nonce, detail })
    }
}

fn standing(account: Option<&Account>) -> Standing {
    match account {
        None => Standing::Unknown,
        Some(account) if account.disabled || account.deleting => Standing::Disabled,
        Some(_) => Standing::Deliverable,
    }
}
