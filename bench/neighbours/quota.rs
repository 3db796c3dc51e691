//! A limit on the processor time of some processes: a control group below ours, of the
//! first or the second kind. It is removed when this goes, and whoever is in it goes back.

use crate::failed::Failed;
use std::fs;
use std::path::{Path, PathBuf};

/// Microseconds over which a group's time is counted: the kernel's default.
const PERIOD: u32 = 100_000;

/// A group with half a processor.
#[derive(Debug)]
pub struct Quota {
    group: PathBuf,
    above: PathBuf,
}

impl Quota {
    /// Makes one.
    ///
    /// # Errors
    /// If the machine has no such groups, or doesn't let us.
    pub fn half_a_processor() -> Result<Self, Failed> {
        let own = fs::read_to_string("/proc/self/cgroup");
        let own = own.map_err(Failed::doing("/proc/self/cgroup"))?;
        let mut last = Failed::Lacking("a CPU controller");
        for above in places(&own) {
            match Self::below(&above) {
                Ok(quota) => return Ok(quota),
                Err(failed) => last = failed,
            }
        }
        Err(last)
    }

    /// Puts processes into it, with all their threads.
    ///
    /// # Errors
    /// If the kernel doesn't take one.
    pub fn take(&self, pids: &[u32]) -> Result<(), Failed> {
        let join = |pid: &u32| put(&self.group.join("cgroup.procs"), &pid.to_string());
        pids.iter().try_for_each(join)
    }

    fn below(above: &Path) -> Result<Self, Failed> {
        let group = above.join(format!("mailkeep-bench-{}", std::process::id()));
        fs::create_dir(&group).map_err(Failed::doing(group.display()))?;
        let above = above.to_owned();
        let quota = Self { group, above };
        quota.limit()?;
        Ok(quota)
    }

    fn limit(&self) -> Result<(), Failed> {
        let half = PERIOD / 2;
        let second = self.group.join("cpu.max");
        if second.exists() {
            return put(&second, &format!("{half} {PERIOD}"));
        }
        put(&self.group.join("cpu.cfs_period_us"), &PERIOD.to_string())?;
        put(&self.group.join("cpu.cfs_quota_us"), &half.to_string())
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let inside = fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        for pid in inside.lines() {
            // One that has just ended needn't go anywhere.
            let _ = put(&self.above.join("cgroup.procs"), pid);
        }
        let _ = fs::remove_dir(&self.group);
    }
}

/// Written to as it is: a file there that isn't is not ours to make.
fn put(file: &Path, text: &str) -> Result<(), Failed> {
    use std::io::Write as _;
    let opened = fs::OpenOptions::new().write(true).open(file);
    let written = opened.and_then(|mut open| open.write_all(text.as_bytes()));
    written.map_err(Failed::doing(file.display()))
}

/// Where our own groups with a say over processor time are usually mounted, after
/// /proc/self/cgroup (cgroups(7)).
fn places(own: &str) -> Vec<PathBuf> {
    let place = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let mount = match controllers {
            "" => Path::new("/sys/fs/cgroup").to_owned(),
            some if some.split(',').any(|it| it == "cpu") => Path::new("/sys/fs/cgroup").join(some),
            _ => return None,
        };
        Some(mount.join(path.trim_start_matches('/')))
    };
    own.lines().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_group_is_found_under_both_kinds() {
        let found = |own: &str| {
            places(own)
                .into_iter()
                .map(|it| it.display().to_string())
                .collect::<Vec<_>>()
        };
        let first = "3:cpuset:/\n2:cpu,cpuacct:/a/b\n1:name=systemd:/\n";
        assert_eq!(found(first), ["/sys/fs/cgroup/cpu,cpuacct/a/b"]);
        assert_eq!(found("0::/user.slice\n"), ["/sys/fs/cgroup/user.slice"]);
        assert_eq!(found("2:cpuacct:/\nnonsense\n"), [""; 0]);
    }
}
