//! Amounts, as people write and read them.

/// Units by letter; each is 1,024 of the one before.
const UNITS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];

/// amount = 1*DIGIT [ unit [ "iB" ] ]   ; unit = "K" / "M" / "G" / "T" / "P"
///
/// `None`: it is none, or above 2^64 bytes.
pub fn parse(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches("iB");
    let unit = digits.chars().last()?;
    let power = UNITS.iter().position(|one| one.eq_ignore_ascii_case(&unit));
    match power {
        Some(power) => {
            let number: u64 = plain(digits.get(..digits.len() - 1)?)?;
            number.checked_mul(1_u64.checked_shl(10 * (u32::try_from(power).ok()? + 1))?)
        }
        None if digits.len() == text.len() => plain(text),
        None => None,
    }
}

/// number = 1*DIGIT
pub fn plain(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// With one decimal, in the largest unit that leaves at least one.
pub fn show(bytes: u64) -> String {
    let mut shown = format!("{bytes} B");
    for (power, unit) in (1_u32..).zip(UNITS) {
        let one = 1_u64 << (10 * power);
        if bytes >= one {
            let tenths = u128::from(bytes) * 10 / u128::from(one);
            shown = format!("{}.{} {unit}iB", tenths / 10, tenths % 10);
        }
    }
    shown
}

/// A number of things whose plural has an s, or es behind an x.
pub fn of(number: u64, thing: &str) -> String {
    match (number, thing.ends_with('x')) {
        (1, _) => format!("1 {thing}"),
        (_, true) => format!("{number} {thing}es"),
        (_, false) => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_thing_is_not_many() {
        let told = [of(1, "worker"), of(0, "worker"), of(2, "mailbox")];
        assert_eq!(told, ["1 worker", "0 workers", "2 mailboxes"]);
    }

    #[test]
    fn amounts_have_units_of_1024_and_nothing_else_is_one() {
        let good = [
            ("0", 0),
            ("7", 7),
            ("5K", 5 << 10),
            ("5k", 5 << 10),
            ("500M", 500 << 20),
            ("5G", 5 << 30),
            ("2GiB", 2 << 30),
            ("3T", 3 << 40),
        ];
        for (text, bytes) in good {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in [
            "",
            "G",
            "-1",
            "+1",
            "5 G",
            "5X",
            "5iB",
            "1.5G",
            "99999999999P",
            "5GG",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_shown_in_their_largest_unit() {
        let shown = [0, 1023, 1024, 1536, 5 << 30, u64::MAX].map(show);
        assert_eq!(
            shown,
            [
                "0 B",
                "1023 B",
                "1.0 KiB",
                "1.5 KiB",
                "5.0 GiB",
                "16383.9 PiB"
            ]
        );
    }

    proptest! {
        #[test]
        fn any_number_is_itself(number: u64) {
            prop_assert_eq!(parse(&number.to_string()), Some(number));
        }

        #[test]
        fn no_text_panics(text in ".{0,12}") {
            let _ = parse(&text);
        }
    }
}
