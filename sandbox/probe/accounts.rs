//! What the broker does with accounts, by order: "make 8", "open 8", "remove 8",
//! "end" (of a worker that it bears).

use crate::{borrow, nursery, order};
use sandbox::account::{kill, make_directory, open_directory, remove_directory};
use sandbox::{AccountUid, Site, profile};

/// Carries out such an order; `None` if it is none.
pub fn carry_out(order: &str, site: Site) -> Option<String> {
    if order == "end" {
        return Some(end(site));
    }
    let (verb, number) = order.split_once(' ')?;
    let number = number.parse().ok()?;
    let store = borrow(5);
    Some(match verb {
        "make" => said(
            make_directory(store, number, uid(site, number)).map_err(|stillborn| stillborn.errno),
        ),
        "open" => said(open_directory(store, number, uid(site, number))),
        "remove" => said(remove_directory(store, number)),
        _ => return None,
    })
}

/// Bears a worker and ends it: first as a parent would, then with its account's uid.
fn end(site: Site) -> String {
    let (child, channel) = match crate::born(&profile::WORKER, site) {
        Ok(born) => born,
        Err(why) => return why,
    };
    order::send(&channel, "wait");
    let mut as_parent = Ok(());
    let ended = nursery::follow(&child, &channel, |_| {
        as_parent = child.kill();
        kill(&child, uid(site, nursery::ACCOUNT)).expect("the account's own uid may");
    });
    format!("as its parent: {}; then {ended}", said(as_parent))
}

fn uid(site: Site, number: u32) -> Option<AccountUid> {
    site.ranges().and_then(|ranges| ranges.account(number))
}

fn said<T, E: std::fmt::Debug>(result: Result<T, E>) -> String {
    result.map_or_else(|error| format!("{error:?}"), |_| "done".to_owned())
}
