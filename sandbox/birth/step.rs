//! The steps of a birth, each with a name for whoever reads that it failed.

use rustix::io::Errno;

macro_rules! steps {
    ($($step:ident = $text:literal;)+) => {
        /// The steps of a birth, in their order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Step {
            $(#[doc = $text] $step,)+
        }

        impl Step {
            pub(super) const ALL: &[Self] = &[$(Self::$step,)+];

            fn text(self) -> &'static str {
                match self { $(Self::$step => $text,)+ }
            }
        }
    };
}

steps! {
    Fork = "making a child";
    Session = "starting a session, with no signal blocked";
    Namespaces = "entering its namespaces";
    Maps = "mapping its ids";
    Ids = "taking its ids";
    Root = "entering its root";
    Limits = "taking its limits";
    Capabilities = "giving up its capabilities";
    NoNewPrivileges = "giving up new privileges";
    ParentsDeath = "tying it to its parent";
    Descriptors = "placing its descriptors";
    Program = "executing its program";
}

/// A birth that failed, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stillborn {
    /// The step.
    pub step: Step,
    /// The kernel's reason.
    pub errno: Errno,
}

impl std::fmt::Display for Stillborn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a process was not born: {} failed: {}",
            self.step.text(),
            self.errno
        )
    }
}

impl std::error::Error for Stillborn {}

/// A system call's error, at a step.
pub(crate) fn at<T>(step: Step, result: Result<T, Errno>) -> Result<T, Stillborn> {
    result.map_err(|errno| Stillborn { step, errno })
}
