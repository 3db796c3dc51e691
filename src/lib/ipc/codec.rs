//! Typed values to bytes and back: little-endian, position by position, every
//! variable length bounded by its type.
//!
//! A message is encoded by value because its descriptors travel with it. A
//! decoded message has consumed every byte and every descriptor of its datagram;
//! one left over is malformed, so that no peer can smuggle anything along.

use std::os::fd::OwnedFd;

/// What a Unix socket takes in one datagram, with its default buffer of 212,992
/// bytes (net.core.wmem_default) and the kernel's own part of it.
pub const DATAGRAM_BYTES_MAX: usize = 200 * 1024;

/// Why a datagram is not a message of its channel. The sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The datagram ended within a field.
    TooShort,
    /// Bytes stood behind the last field.
    TrailingBytes,
    /// A length was above its field's maximum.
    TooLong,
    /// A tag, boolean or enumeration had a value that is not assigned.
    UnknownValue,
    /// The variant names a descriptor that did not come.
    MissingDescriptor,
    /// More descriptors came than the variant names.
    SurplusDescriptor,
}

/// Where a message is written.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Encoder {
    /// Appends raw bytes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a descriptor.
    pub fn descriptor(&mut self, fd: OwnedFd) {
        self.descriptors.push(fd);
    }

    /// The finished datagram.
    #[must_use]
    pub fn finish(self) -> (Vec<u8>, Vec<OwnedFd>) {
        (self.bytes, self.descriptors)
    }
}

/// Where a message is read from.
#[derive(Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    descriptors: std::vec::IntoIter<OwnedFd>,
}

impl<'a> Decoder<'a> {
    /// Starts at the first byte of a datagram.
    #[must_use]
    pub fn new(bytes: &'a [u8], descriptors: Vec<OwnedFd>) -> Self {
        Self {
            bytes,
            descriptors: descriptors.into_iter(),
        }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Malformed::TooShort`] if fewer are left.
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(Malformed::TooShort)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// The next descriptor.
    ///
    /// # Errors
    /// [`Malformed::MissingDescriptor`] if none is left.
    pub fn descriptor(&mut self) -> Result<OwnedFd, Malformed> {
        self.descriptors.next().ok_or(Malformed::MissingDescriptor)
    }

    /// Ends the datagram.
    ///
    /// # Errors
    /// If a byte or a descriptor was not consumed.
    pub fn finish(mut self) -> Result<(), Malformed> {
        if !self.bytes.is_empty() {
            return Err(Malformed::TrailingBytes);
        }
        match self.descriptors.next() {
            Some(_) => Err(Malformed::SurplusDescriptor),
            None => Ok(()),
        }
    }
}

/// A value within a message.
pub trait Field: Sized {
    /// The bytes of its longest encoding.
    const LONGEST: usize;
    /// Appends the value.
    fn encode(self, to: &mut Encoder);
    /// Reads the value.
    ///
    /// # Errors
    /// [`Malformed`], and the sender is at fault.
    fn decode(from: &mut Decoder) -> Result<Self, Malformed>;
}

/// All that may travel in one direction of a channel.
pub trait Message: Field {
    /// The longest datagram of this direction, in bytes: at least
    /// [`Field::LONGEST`], which [`messages!`](crate::messages) has the compiler
    /// check, so that no message can be made that its receiver refuses.
    const BYTES_MAX: usize;

    /// Reads a whole datagram.
    ///
    /// # Errors
    /// [`Malformed`], and the sender is at fault.
    fn from_datagram(bytes: &[u8], descriptors: Vec<OwnedFd>) -> Result<Self, Malformed> {
        let mut decoder = Decoder::new(bytes, descriptors);
        let message = Self::decode(&mut decoder)?;
        decoder.finish()?;
        Ok(message)
    }

    /// Writes a whole datagram.
    fn into_datagram(self) -> (Vec<u8>, Vec<OwnedFd>) {
        let mut encoder = Encoder::default();
        self.encode(&mut encoder);
        encoder.finish()
    }
}

macro_rules! integers {
    ($($int:ty),+) => {$(
        impl Field for $int {
            const LONGEST: usize = size_of::<$int>();
            fn encode(self, to: &mut Encoder) {
                to.raw(&self.to_le_bytes());
            }
            fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
                let bytes = from.raw(size_of::<$int>())?;
                bytes.try_into().map(<$int>::from_le_bytes).map_err(|_| Malformed::TooShort)
            }
        }
    )+};
}
integers!(u8, u16, u32, u64, i16, i32, i64);

impl Field for bool {
    const LONGEST: usize = 1;
    fn encode(self, to: &mut Encoder) {
        u8::from(self).encode(to);
    }
    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        match u8::decode(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::UnknownValue),
        }
    }
}

impl<const N: usize> Field for [u8; N] {
    const LONGEST: usize = N;
    fn encode(self, to: &mut Encoder) {
        to.raw(&self);
    }
    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        from.raw(N)?.try_into().map_err(|_| Malformed::TooShort)
    }
}

impl Field for OwnedFd {
    const LONGEST: usize = 0;
    fn encode(self, to: &mut Encoder) {
        to.descriptor(self);
    }
    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        from.descriptor()
    }
}

impl<T: Field> Field for Option<T> {
    const LONGEST: usize = 1 + T::LONGEST;
    fn encode(self, to: &mut Encoder) {
        self.is_some().encode(to);
        if let Some(value) = self {
            value.encode(to);
        }
    }
    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        if bool::decode(from)? {
            T::decode(from).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    const LONGEST: usize = A::LONGEST + B::LONGEST;
    fn encode(self, to: &mut Encoder) {
        self.0.encode(to);
        self.1.encode(to);
    }
    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        Ok((A::decode(from)?, B::decode(from)?))
    }
}

/// At most `MAX` bytes of opaque content.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// Takes the bytes if they fit.
    ///
    /// # Errors
    /// [`Malformed::TooLong`] above `MAX` bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, Malformed> {
        let bytes = bytes.into();
        if bytes.len() > MAX {
            Err(Malformed::TooLong)
        } else {
            Ok(Self(bytes))
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, moved out.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> Field for Bytes<MAX> {
    const LONGEST: usize = u32::LONGEST + MAX;
    fn encode(self, to: &mut Encoder) {
        encode_length(self.0.len(), to);
        to.raw(&self.0);
    }
    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        let length = decode_length(MAX, from)?;
        from.raw(length).map(|bytes| Self(bytes.to_vec()))
    }
}

/// At most `MAX` values of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// Takes the values if they fit.
    ///
    /// # Errors
    /// [`Malformed::TooLong`] above `MAX` values.
    pub fn new(values: Vec<T>) -> Result<Self, Malformed> {
        if values.len() > MAX {
            Err(Malformed::TooLong)
        } else {
            Ok(Self(values))
        }
    }

    /// The values.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The values, moved out.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T: Field, const MAX: usize> Field for List<T, MAX> {
    const LONGEST: usize = u32::LONGEST + MAX * T::LONGEST;
    fn encode(self, to: &mut Encoder) {
        encode_length(self.0.len(), to);
        for value in self.0 {
            value.encode(to);
        }
    }
    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        let length = decode_length(MAX, from)?;
        // Grown as values come: a claimed length allocates nothing by itself.
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(T::decode(from)?);
        }
        Ok(Self(values))
    }
}

/// Lengths are 32 bits wide. Every container's `MAX` lies far below, so the
/// conversion cannot fail; if it ever did, the reader would find the length
/// above its maximum and refuse.
fn encode_length(length: usize, to: &mut Encoder) {
    u32::try_from(length).unwrap_or(u32::MAX).encode(to);
}

fn decode_length(max: usize, from: &mut Decoder) -> Result<usize, Malformed> {
    let length = usize::try_from(u32::decode(from)?).map_err(|_| Malformed::TooLong)?;
    if length > max {
        Err(Malformed::TooLong)
    } else {
        Ok(length)
    }
}

/// The longest of some encodings; 0 of none.
#[must_use]
pub const fn longest_of(lengths: &[usize]) -> usize {
    match lengths {
        [] => 0,
        [first, rest @ ..] => {
            let longest = longest_of(rest);
            if *first > longest { *first } else { longest }
        }
    }
}

/// Declares a struct whose fields travel in the order written.
#[macro_export]
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[allow(missing_docs, reason = "a field whose name says all needs no sentence")]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl $crate::codec::Field for $name {
            const LONGEST: usize = 0 $(+ <$type as $crate::codec::Field>::LONGEST)*;
            fn encode(self, to: &mut $crate::codec::Encoder) {
                let _ = &to;
                $($crate::codec::Field::encode(self.$field, to);)*
            }
            fn decode(from: &mut $crate::codec::Decoder) -> Result<Self, $crate::codec::Malformed> {
                let _ = &from;
                Ok(Self { $($field: $crate::codec::Field::decode(from)?,)* })
            }
        }
    };
}

/// Declares an enum whose variants have stated numbers on the wire.
#[macro_export]
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$variant_meta:meta])* $number:literal => $variant:ident
            $({ $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })?,)*
    }) => {
        $(#[$meta])*
        #[allow(missing_docs, reason = "a variant whose name says all needs no sentence")]
        pub enum $name { $($(#[$variant_meta])* $variant $({ $($(#[$field_meta])* $field: $type,)* })?,)* }

        impl $crate::codec::Field for $name {
            const LONGEST: usize = 1 + $crate::codec::longest_of(&[
                $(0 $($(+ <$type as $crate::codec::Field>::LONGEST)*)?,)*
            ]);
            fn encode(self, to: &mut $crate::codec::Encoder) {
                let _ = &to;
                match self {
                    $(Self::$variant $({ $($field,)* })? => {
                        $crate::codec::Field::encode($number as u8, to);
                        $($($crate::codec::Field::encode($field, to);)*)?
                    })*
                }
            }
            fn decode(from: &mut $crate::codec::Decoder) -> Result<Self, $crate::codec::Malformed> {
                match <u8 as $crate::codec::Field>::decode(from)? {
                    $($number => Ok(Self::$variant $({ $($field: $crate::codec::Field::decode(from)?,)* })?),)*
                    _ => Err($crate::codec::Malformed::UnknownValue),
                }
            }
        }
    };
}

/// Declares one direction of a channel: a [`choice!`] with a maximum in bytes.
#[macro_export]
macro_rules! messages {
    ($(#[$meta:meta])* pub enum $name:ident, at most $max:expr, { $($body:tt)* }) => {
        $crate::choice! { $(#[$meta])* #[derive(Debug)] pub enum $name { $($body)* } }

        impl $crate::codec::Message for $name {
            const BYTES_MAX: usize = $max;
        }

        const _: () = assert!(
            <$name as $crate::codec::Field>::LONGEST <= <$name as $crate::codec::Message>::BYTES_MAX,
            "a message is longer than its direction allows"
        );
        const _: () = assert!(
            <$name as $crate::codec::Message>::BYTES_MAX <= $crate::codec::DATAGRAM_BYTES_MAX,
            "no socket takes a datagram as long as this direction allows"
        );
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    choice! {
        /// A test's message.
        #[derive(Debug, PartialEq)]
        pub enum Sample {
            1 => Empty,
            2 => Full { number: u64, name: Bytes<4>, parts: List<u16, 3>, flag: Option<bool>, },
        }
    }
    impl Message for Sample {
        const BYTES_MAX: usize = 64;
    }

    #[test]
    fn the_longest_encoding_is_known_before_anything_is_encoded() {
        let longest = Sample::Full {
            number: 0,
            name: Bytes::new([0; 4]).unwrap(),
            parts: List::new(vec![0; 3]).unwrap(),
            flag: Some(true),
        };
        assert_eq!(longest.into_datagram().0.len(), Sample::LONGEST);
        assert_eq!(Sample::LONGEST, 1 + 8 + (4 + 4) + (4 + 3 * 2) + 2);
    }

    fn decode(bytes: &[u8]) -> Result<Sample, Malformed> {
        Sample::from_datagram(bytes, Vec::new())
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(number: u64, name in prop::collection::vec(any::<u8>(), 0..=4),
                                            parts in prop::collection::vec(any::<u16>(), 0..=3), flag: Option<bool>) {
            let sample = || Sample::Full {
                number,
                name: Bytes::new(name.clone()).unwrap(),
                parts: List::new(parts.clone()).unwrap(),
                flag,
            };
            let (bytes, _) = sample().into_datagram();
            prop_assert_eq!(decode(&bytes), Ok(sample()));
            prop_assert_eq!(decode(&bytes[..bytes.len() - 1]), Err(Malformed::TooShort));
            let mut longer = bytes;
            longer.push(0);
            prop_assert_eq!(decode(&longer), Err(Malformed::TrailingBytes));
        }

        #[test]
        fn arbitrary_bytes_are_a_message_or_malformed(bytes: Vec<u8>) {
            if let Ok(sample) = decode(&bytes) {
                prop_assert_eq!(sample.into_datagram().0, bytes);
            }
        }
    }

    #[test]
    fn a_length_above_the_maximum_is_refused_before_its_bytes_are_read() {
        let mut bytes = vec![2];
        bytes.extend(0u64.to_le_bytes());
        bytes.extend(u32::MAX.to_le_bytes());
        assert_eq!(decode(&bytes), Err(Malformed::TooLong));
    }

    #[test]
    fn a_descriptor_that_no_field_names_is_refused() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(
            Sample::from_datagram(&[1], vec![null.into()]),
            Err(Malformed::SurplusDescriptor)
        );
    }
}
