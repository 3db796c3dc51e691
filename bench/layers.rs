//! What each layer of confinement costs, for those who wonder whether a site pays for
//! them in speed: the kernel's layers by the calls that a worker makes most, the
//! processes between a client and its mail by their processor time, a ticket's second
//! check by itself.
//!
//! Nothing here switches a layer off in the product: there is no such switch. The
//! kernel's layers are put on one by one by `sandbox-probe`, which is installed nowhere.

mod calls;
mod relay;
mod ticket;

use crate::failed::Failed;
use crate::server::Server;
use std::fmt::Write as _;

/// Everything, as sections of a page.
///
/// # Errors
/// If a program is missing, or the set doesn't serve.
pub fn measure(server: &Server, turns: u32) -> Result<String, Failed> {
    let mut page = String::new();
    page.push_str(&calls::table(turns)?);
    page.push_str(&relay::table(server, turns)?);
    let nanoseconds = ticket::nanoseconds()?;
    let _ = writeln!(
        page,
        "\nA ticket's check, which `director` and the worker each make once for a login or a \
         letter: {:.1} µs.",
        nanoseconds / 1e3
    );
    Ok(page)
}

/// A row of a table.
fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().collect();
    format!("| {} |\n", cells.join(" | "))
}
