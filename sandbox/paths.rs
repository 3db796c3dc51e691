//! Landlock: files beneath a profile's root, TCP, signals and abstract Unix
//! sockets (landlock(7)).
//!
//! Invariant: every right that is asked for is enforced, or the caller is told
//! (`CompatLevel::HardRequirement`; the crate's own default would drop what the
//! kernel lacks in silence).

use crate::layer::{Layer, Waivers};
use crate::profile::Path;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

/// Confines the calling thread to these paths. With the layer of Landlock waived it
/// does nothing; a right whose layer is waived is not handled.
pub fn restrict(paths: &[Path], waivers: Waivers) -> Result<(), Layer> {
    if waivers.has(Layer::Landlock) {
        return Ok(());
    }
    let ruleset = closed(waivers)?;
    let opened = open(ruleset, paths, waivers)?;
    match opened.restrict_self() {
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced => Ok(()),
        _ => Err(Layer::Landlock),
    }
}

/// A ruleset that allows nothing of what it handles.
fn closed(waivers: Waivers) -> Result<RulesetCreated, Layer> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let mut ruleset = ruleset
        .handle_access(handled(waivers))
        .map_err(|_| Layer::Landlock)?;
    if !waivers.has(Layer::LandlockNet) {
        ruleset = ruleset
            .handle_access(AccessNet::from_all(ABI::V4))
            .map_err(|_| Layer::LandlockNet)?;
    }
    if !waivers.has(Layer::LandlockScopes) {
        ruleset = ruleset
            .scope(Scope::from_all(ABI::V6))
            .map_err(|_| Layer::LandlockScopes)?;
    }
    ruleset.create().map_err(|_| Layer::Landlock)
}

/// The rights to files that are closed unless a rule opens them: all that the
/// kernel must know, the waived ones apart.
fn handled(waivers: Waivers) -> BitFlags<AccessFs> {
    let mut rights = AccessFs::from_all(ABI::V2);
    if !waivers.has(Layer::LandlockTruncate) {
        rights |= AccessFs::Truncate;
    }
    if !waivers.has(Layer::LandlockIoctl) {
        rights |= AccessFs::IoctlDev;
    }
    rights
}

fn open(
    ruleset: RulesetCreated,
    paths: &[Path],
    waivers: Waivers,
) -> Result<RulesetCreated, Layer> {
    paths.iter().try_fold(ruleset, |ruleset, rule| {
        let rights = rule.rights.iter().copied().collect::<BitFlags<AccessFs>>() & handled(waivers);
        let path = PathFd::new(rule.path).map_err(|_| Layer::Landlock)?;
        let rule = PathBeneath::new(path, rights);
        ruleset.add_rule(rule).map_err(|_| Layer::Landlock)
    })
}
