//! Letters in many charsets and encodings, and the words that SEARCH must find in each.

use super::letters::Letter;
use base64::Engine as _;
use std::collections::BTreeSet;

/// A word as a reader sees it, and its bytes in a charset.
const WORDS: &[(&str, &str, &[u8])] = &[
    ("us-ascii", "Needle", b"Needle"),
    ("utf-8", "gr\u{fc}\u{df}e", "gr\u{fc}\u{df}e".as_bytes()),
    (
        "UTF-8",
        "\u{431}\u{44b}\u{43b}",
        "\u{411}\u{42b}\u{41b}".as_bytes(),
    ),
    ("iso-8859-1", "fa\u{e7}ade", b"fa\xe7ade"),
    ("windows-1252", "\u{20ac}uro", b"\x80uro"),
    (
        "koi8-r",
        "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}",
        b"\xf0\xf2\xe9\xf7\xe5\xf4",
    ),
    ("windows-1251", "\u{43c}\u{438}\u{440}", b"\xec\xe8\xf0"),
    ("iso-2022-jp", "\u{65e5}\u{672c}", b"\x1b$BF|K\\\x1b(B"),
    ("shift_jis", "\u{65e5}\u{672c}", b"\x93\xfa\x96{"),
    ("euc-jp", "\u{65e5}\u{672c}", b"\xc6\xfc\xcb\xdc"),
    ("gb18030", "\u{4f60}\u{597d}", b"\xc4\xe3\xba\xc3"),
    ("gb2312", "\u{4f60}\u{597d}", b"\xc4\xe3\xba\xc3"),
    ("big5", "\u{4f60}\u{597d}", b"\xa7A\xa6n"),
    ("euc-kr", "\u{c548}\u{b155}", b"\xbe\xc8\xb3\xe7"),
    (
        "iso-8859-7",
        "\u{3bb}\u{3cc}\u{3b3}\u{3bf}\u{3c2}",
        b"\xeb\xfc\xe3\xef\xf2",
    ),
];

/// A word that is to be found, and the letters in which it is, by their names.
#[derive(Debug)]
pub struct Planted {
    /// The word as a reader sees it.
    pub word: &'static str,
    /// The SEARCH keys that find it.
    pub keys: &'static [&'static str],
    /// Its letter.
    pub letter: Letter,
}

/// One letter for each word, encoding and place.
pub fn planted() -> Vec<Planted> {
    WORDS.iter().flat_map(|word| of_word(*word)).collect()
}

/// Every key with every word, once.
pub fn keys(planted: &[Planted]) -> BTreeSet<(&'static str, &'static str)> {
    let of = |one: &Planted| {
        one.keys
            .iter()
            .map(|key| (*key, one.word))
            .collect::<Vec<_>>()
    };
    planted.iter().flat_map(of).collect()
}

/// A SEARCH for a word, in UTF-8.
pub fn question(key: &str, word: &str) -> String {
    format!("CHARSET UTF-8 {key} {{{}+}}\r\n{word}", word.len())
}

/// The numbers of the letters that a key finds by a word.
pub fn numbers_of(planted: &[Planted], word: &str, key: &str) -> BTreeSet<usize> {
    let numbered = planted.iter().enumerate();
    let fits = |one: &Planted| one.word == word && one.keys.contains(&key);
    let found = numbered.filter(|(_, one)| fits(one));
    found.map(|(at, _)| at + 1).collect()
}

fn of_word((charset, word, bytes): (&'static str, &'static str, &'static [u8])) -> Vec<Planted> {
    let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
    let quoted: String = bytes.iter().map(|byte| format!("={byte:02X}")).collect();
    let text = |encoding: &str| {
        format!(
            "Content-Type: text/plain; charset=\"{charset}\"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        )
    };
    let place = |place: &str, keys, text: Vec<u8>| Planted {
        word,
        keys,
        letter: Letter::new(format!("{word} in {charset}, {place}"), text),
    };
    let with = |head: String, body: &[u8]| [head.as_bytes(), body, b"\r\nend\r\n"].concat();
    let in_text: &[&str] = &["BODY", "TEXT"];
    let in_subject: &[&str] = &["SUBJECT", "HEADER Subject", "TEXT"];
    let broken = quoted.split_inclusive('=').collect::<Vec<_>>();
    let soft = broken
        .join("")
        .replace("=", "=\r\n=")
        .replacen("=\r\n", "", 1);
    vec![
        place("as it is", in_text, with(text("8bit"), bytes)),
        place("base64", in_text, with(text("base64"), base64.as_bytes())),
        place("quoted-printable", in_text, with(text("quoted-printable"), quoted.as_bytes())),
        place("broken into lines", in_text, with(text("quoted-printable"), soft.as_bytes())),
        place("subject in B", in_subject, format!("Subject: re =?{charset}?B?{base64}?= x\r\n\r\nbody\r\n").into()),
        place("subject in Q", in_subject, format!("Subject: =?{charset}?q?{quoted}?=\r\n x\r\n\r\nbody\r\n").into()),
        place("subject within", &["TEXT"], format!(
            "Content-Type: message/rfc822\r\n\r\nSubject: =?{charset}?Q?{quoted}?=\r\n\r\nbody\r\n").into()),
        place("html within", in_text, with(format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: text/html; charset={charset}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{base64}\r\n--b--\r\n"), b"")),
    ]
}
