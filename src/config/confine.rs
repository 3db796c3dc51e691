//! How far `check` confines itself: it must still open what the file names, with
//! the rights of whoever asked, so it can't be confined like the `config` that
//! the supervisor starts.
//!
//! It gains no privilege; under Landlock it can write and execute nothing and
//! reach no network; the filter forbids what a reader of files never does. What
//! the kernel lacks is no reason not to check a file.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};
use libc as c;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Calls that a reader of files never makes; whoever makes one is not ours.
const NEVER: [c::c_long; 23] = [
    c::SYS_execve,
    c::SYS_execveat,
    c::SYS_clone,
    c::SYS_clone3,
    c::SYS_socket,
    c::SYS_socketpair,
    c::SYS_connect,
    c::SYS_ptrace,
    c::SYS_process_vm_readv,
    c::SYS_process_vm_writev,
    c::SYS_pidfd_getfd,
    c::SYS_kill,
    c::SYS_mount,
    c::SYS_unshare,
    c::SYS_setns,
    c::SYS_bpf,
    c::SYS_io_uring_setup,
    c::SYS_keyctl,
    c::SYS_init_module,
    c::SYS_finit_module,
    c::SYS_kexec_load,
    c::SYS_setresuid,
    c::SYS_unlinkat,
];

/// Confines the process, as far as the kernel goes.
pub fn confine() {
    let _as_before = rustix::thread::set_no_new_privs(true);
    let _unconfined = read_only();
    let _unfiltered = filter();
}

fn read_only() -> Result<(), RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))?
        .handle_access(AccessNet::from_all(ABI::V6))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?;
    let Ok(root) = PathFd::new("/") else {
        return Ok(());
    };
    let reading = PathBeneath::new(root, AccessFs::ReadFile | AccessFs::ReadDir);
    ruleset.add_rule(reading)?.restrict_self()?;
    Ok(())
}

fn filter() -> Result<(), seccompiler::Error> {
    let rules = NEVER.into_iter().map(|call| (call, Vec::new())).collect();
    let architecture = std::env::consts::ARCH.try_into()?;
    let (otherwise, then) = (SeccompAction::Allow, SeccompAction::KillProcess);
    let program: BpfProgram =
        SeccompFilter::new(rules, otherwise, then, architecture)?.try_into()?;
    seccompiler::apply_filter(&program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_confined_check_reads_and_does_nothing_else() {
        // Landlock and the filter hold for the thread that takes them.
        let tried = std::thread::spawn(|| {
            confine();
            let path = std::env::temp_dir().join("mailkeep-config-confined");
            (
                File::open("/etc/passwd").is_ok(),
                File::create(path).is_err(),
            )
        });
        assert_eq!(tried.join().unwrap(), (true, true));
    }
}
