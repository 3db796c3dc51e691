//! The five capability sets of a process (capabilities(7)): taking all that a
//! profile doesn't keep, and looking that nothing else is left.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Capability numbers that are tried; kernels have some forty, and answer
/// EINVAL above their last.
const NUMBERS: u32 = 64;

/// Every set holds exactly `kept` afterwards. Async-signal-safe.
///
/// The bounding set goes first: it takes `CAP_SETPCAP`, which the rest may
/// take away.
pub fn keep_only(kept: CapabilitySet) -> Result<(), Errno> {
    rustix::thread::clear_ambient_capability_set()?;
    drop_from_bounding(kept)?;
    set(kept)?;
    for capability in each().filter(|one| kept.contains(*one)) {
        rustix::thread::configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

/// The effective, permitted and inheritable sets hold exactly `kept` afterwards, and
/// the ambient set nothing more: all that who has no `CAP_SETPCAP` can do.
pub fn set(kept: CapabilitySet) -> Result<(), Errno> {
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: kept,
    };
    rustix::thread::set_capabilities(None, sets)
}

fn drop_from_bounding(kept: CapabilitySet) -> Result<(), Errno> {
    for capability in each().filter(|one| !kept.contains(*one)) {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::INVAL) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Whether all sets but the bounding one hold exactly `kept`.
pub fn are_only(kept: CapabilitySet) -> Result<bool, Errno> {
    let sets = rustix::thread::capabilities(None)?;
    let three = [sets.effective, sets.permitted, sets.inheritable] == [kept; 3];
    Ok(three && set_of(rustix::thread::capability_is_in_ambient_set)? == kept)
}

/// Whether the bounding set holds exactly `kept`.
pub fn are_bounded_to(kept: CapabilitySet) -> Result<bool, Errno> {
    Ok(set_of(rustix::thread::capability_is_in_bounding_set)? == kept)
}

/// The effective set holds every capability in `wanted` again, if the permitted
/// one does: a change from root's id empties it. Async-signal-safe.
pub fn raise_permitted() -> Result<(), Errno> {
    let sets = rustix::thread::capabilities(None)?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: sets.permitted,
            ..sets
        },
    )
}

/// One bit of each capability, in the kernel's order.
fn each() -> impl Iterator<Item = CapabilitySet> {
    (0..NUMBERS)
        .filter_map(|number| 1u64.checked_shl(number))
        .map(CapabilitySet::from_bits_retain)
}

fn set_of(holds: impl Fn(CapabilitySet) -> Result<bool, Errno>) -> Result<CapabilitySet, Errno> {
    let mut set = CapabilitySet::empty();
    for capability in each() {
        match holds(capability) {
            Ok(true) => set |= capability,
            Ok(false) => {}
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(set)
}
