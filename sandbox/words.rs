//! Lists of things that each have a name in the code and words for people.

/// An enum, all of its values in their order, and the words of each.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($one:ident = $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $text] $one,)+
        }

        impl $name {
            /// All, in their order.
            pub const ALL: &[Self] = &[$(Self::$one,)+];

            /// In words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$one => $text,)+ }
            }
        }
    };
}
