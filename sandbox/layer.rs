//! The layers of confinement that a kernel may lack, what each needs, and the
//! site's list of those that it does without.
//!
//! The system-call filter is not in the list: nothing runs without it.

use crate::kernel;

macro_rules! layers {
    ($($(#[$meta:meta])* $layer:ident = $bit:literal, $name:literal, $needs:literal;)+) => {
        /// A layer that a site can do without, by naming it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Layer {
            $($(#[$meta])* $layer = $bit,)+
        }

        impl Layer {
            /// Every layer, the most important first.
            pub const ALL: &[Self] = &[$(Self::$layer,)+];

            /// The name in the configuration.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$layer => $name,)+ }
            }

            /// What a kernel must have for it.
            #[must_use]
            pub const fn needs(self) -> &'static str {
                match self { $(Self::$layer => $needs,)+ }
            }
        }
    };
}

layers! {
    /// A uid of its own for each process and each account.
    SeparateUids = 0, "separate-uids", "a start as root";
    /// A user namespace in which no id exists but the process's own (and, for
    /// `broker`, the accounts').
    UserNamespace = 1, "user-namespace", "CONFIG_USER_NS, and user.max_user_namespaces above 0";
    /// A network namespace without an interface.
    NetNamespace = 2, "net-namespace", "CONFIG_NET_NS, and user.max_net_namespaces above 0";
    /// Landlock's rules for files, rename between directories among them.
    Landlock = 3, "landlock", "Linux 5.19 with landlock in the list of CONFIG_LSM or lsm=";
    /// Landlock's right to shorten a file.
    LandlockTruncate = 4, "landlock-truncate", "Linux 6.2";
    /// Landlock's rules for TCP.
    LandlockNet = 5, "landlock-net", "Linux 6.7";
    /// Landlock's right to command a device.
    LandlockIoctl = 6, "landlock-ioctl", "Linux 6.10";
    /// Landlock's walls for signals and for abstract Unix sockets.
    LandlockScopes = 7, "landlock-scopes", "Linux 6.12";
}

/// A set of layers: those that a site does without, or a kernel lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waivers(u32);

impl Waivers {
    /// Nothing is waived.
    pub const NONE: Self = Self(0);

    /// The layer with this name in the configuration; `None` if none has it.
    #[must_use]
    pub fn layer_named(name: &str) -> Option<Layer> {
        Layer::ALL
            .iter()
            .copied()
            .find(|layer| layer.name() == name)
    }

    /// With this layer, too.
    #[must_use]
    pub const fn with(self, layer: Layer) -> Self {
        Self(self.0 | 1 << layer as u32)
    }

    /// Without this layer.
    #[must_use]
    pub const fn without(self, layer: Layer) -> Self {
        Self(self.0 & !(1 << layer as u32))
    }

    /// Without those layers.
    #[must_use]
    pub const fn minus(self, those: Self) -> Self {
        Self(self.0 & !those.0)
    }

    /// Whether this layer is in the set.
    #[must_use]
    pub const fn has(self, layer: Layer) -> bool {
        self.0 & 1 << layer as u32 != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The layers in the set.
    pub fn layers(self) -> impl Iterator<Item = Layer> {
        Layer::ALL
            .iter()
            .copied()
            .filter(move |layer| self.has(*layer))
    }

    /// As one number, for the way to a child.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From such a number; `None` if a bit is no layer.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits < 1 << Layer::ALL.len() {
            Some(Self(bits))
        } else {
            None
        }
    }
}

impl FromIterator<Layer> for Waivers {
    fn from_iter<I: IntoIterator<Item = Layer>>(layers: I) -> Self {
        layers.into_iter().fold(Self::NONE, Self::with)
    }
}

/// The one line of TOML that does without these layers, below `[confinement]`.
impl std::fmt::Display for Waivers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self
            .layers()
            .map(|layer| format!("\"{}\"", layer.name()))
            .collect();
        write!(f, "without = [{}]", names.join(", "))
    }
}

/// The layers that this kernel doesn't give to the caller, found by asking it.
///
/// For the supervisor at start and for `mailkeep check`: it forks a child for
/// the namespaces, so it is no call for a confined process.
#[must_use]
pub fn kernel_lacks() -> Waivers {
    let lacking = landlock_lacks(kernel::landlock_abi());
    let others = [
        Layer::SeparateUids,
        Layer::UserNamespace,
        Layer::NetNamespace,
    ];
    others
        .into_iter()
        .filter(|layer| !is_there(*layer))
        .fold(lacking, Waivers::with)
}

/// The layers of Landlock that this version of its interface lacks.
pub(crate) fn landlock_lacks(abi: i32) -> Waivers {
    Layer::ALL
        .iter()
        .copied()
        .filter(|layer| layer.landlock_abi().is_some_and(|needed| abi < needed))
        .collect()
}

impl Layer {
    /// The version of Landlock's interface that brought it.
    fn landlock_abi(self) -> Option<i32> {
        match self {
            Self::Landlock => Some(2),
            Self::LandlockTruncate => Some(3),
            Self::LandlockNet => Some(4),
            Self::LandlockIoctl => Some(5),
            Self::LandlockScopes => Some(6),
            Self::SeparateUids | Self::UserNamespace | Self::NetNamespace => None,
        }
    }
}

fn is_there(layer: Layer) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    match layer {
        Layer::SeparateUids => is_root,
        Layer::NetNamespace if is_root => kernel::can_unshare(libc::CLONE_NEWNET),
        Layer::NetNamespace => kernel::can_unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET),
        _ => kernel::can_unshare(libc::CLONE_NEWUSER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_is_found_by_its_name_and_by_no_other() {
        for layer in Layer::ALL {
            assert_eq!(Waivers::layer_named(layer.name()), Some(*layer));
        }
        assert_eq!(Waivers::layer_named("seccomp"), None);
        assert_eq!(Waivers::layer_named("Landlock"), None);
    }

    #[test]
    fn the_line_of_configuration_names_each_layer_once() {
        let lacking: Waivers = [Layer::LandlockScopes, Layer::LandlockNet]
            .into_iter()
            .collect();
        assert_eq!(
            lacking.to_string(),
            r#"without = ["landlock-net", "landlock-scopes"]"#
        );
    }

    #[test]
    fn a_bit_that_is_no_layer_is_no_set() {
        assert_eq!(Waivers::from_bits(1 << Layer::ALL.len()), None);
        assert!(Waivers::from_bits((1 << Layer::ALL.len()) - 1).is_some());
    }
}
