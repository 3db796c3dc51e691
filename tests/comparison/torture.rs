//! Letters that nobody would write: every odd form of a field and of a tree of parts,
//! drawn by dice that always fall the same way.

use super::letters::Letter;

/// Levels of parts in parts.
const DEPTH_MAX: u32 = 4;

/// Letters with odd fields, one of each kind at a time.
pub fn fields() -> Vec<Letter> {
    let kinds = FIELDS.iter().map(|(_, values)| values.len());
    let longest = kinds.max().unwrap_or(0);
    let letter = |number| Letter::new(format!("fields {number}"), odd_fields(number));
    let single = SINGLE
        .iter()
        .map(|(name, text)| Letter::new((*name).to_owned(), text.as_bytes().to_vec()));
    (0..longest).map(letter).chain(single).collect()
}

/// What needs a letter for itself.
const SINGLE: &[(&str, &str)] = &[
    ("CRs", "Subject: x\r\n\r\na\r\r\nb\r\r\r\nc\r\n"),
    (
        "8BIT",
        "Subject: x\r\nContent-Transfer-Encoding: 8BIT\r\n\r\nascii\r\n",
    ),
    (
        "HTML",
        "Subject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p class=quince>What is me<b>dl</b>ar?</p>\r\n",
    ),
    (
        "long form",
        "Content-Type: multipart/signed; micalg*=utf-8''x; protocol*=utf-8''a%2Fb;\r\n boundary*=utf-8''%62\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n",
    ),
];

/// So many letters with odd trees of parts, always the same.
pub fn trees(seed: u64, count: usize) -> Vec<Letter> {
    let mut dice = Dice(seed);
    let mut tree = |number| Letter::new(format!("tree {number}"), letter(&mut dice));
    (0..count).map(&mut tree).collect()
}

/// A letter with the odd value of this number of each field.
fn odd_fields(number: usize) -> Vec<u8> {
    let field = |(name, values): &(&str, &[&str])| {
        let value = values.get(number)?;
        Some(format!("{name}: {value}\n"))
    };
    let fields: String = FIELDS.iter().filter_map(field).collect();
    let letter = format!("{fields}\nbody\n").replace('\n', "\r\n");
    letter.chars().map(byte).collect()
}

/// xorshift64.
pub struct Dice(pub u64);

impl Dice {
    /// A number below this one.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("64 bits") % bound
    }

    /// Once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

fn letter(dice: &mut Dice) -> Vec<u8> {
    let mut text = message(dice, 0, &["b"]);
    if dice.one_in(8) {
        text = spoil(dice, &text);
    }
    let ended = match dice.below(16) {
        0 => text,
        1 => text.replace('\n', "\r\n").replacen("\r\n", "\n", 3),
        2 => text.replace('\n', "\r\n").replacen(' ', "\r", 2),
        _ => text.replace('\n', "\r\n"),
    };
    ended.chars().map(byte).collect()
}

/// The text stands for bytes: what is no Latin letter is UTF-8 already elsewhere.
fn byte(letter: char) -> u8 {
    u8::try_from(u32::from(letter)).unwrap_or(b'?')
}

/// Leaves a line out, doubles one, or cuts the letter off.
fn spoil(dice: &mut Dice, text: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = dice.below(lines.len());
    match dice.below(3) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at]),
        _ => lines.truncate(at + 1),
    }
    let mut text = lines.concat();
    if dice.one_in(3) {
        let _ = text.pop();
    }
    text
}

/// A message: fields of the envelope, then an entity.
fn message(dice: &mut Dice, depth: u32, around: &[&str]) -> String {
    let mut fields = String::new();
    for name in ["From", "To", "Reply-To", "Subject", "Date"] {
        for _ in 0..[1, 1, 1, 1, 0, 2][dice.below(6)] {
            fields += &field(dice, name, PLAIN);
        }
    }
    if dice.one_in(12) {
        fields += dice.pick(STRAY_LINES);
    }
    fields + &entity(dice, depth, around)
}

/// A field in one of the forms that its name can have.
fn field(dice: &mut Dice, name: &str, values: &[&str]) -> String {
    let name = match dice.below(12) {
        0 => name.to_uppercase(),
        1 => name.to_lowercase(),
        2 => format!("{name} "),
        _ => name.to_owned(),
    };
    let space = dice.pick(&[" ", " ", " ", " ", "", "  ", "\t", "\n "]);
    let value = dice.pick(values);
    format!("{name}:{space}{value}\n")
}

/// The Content- fields, the empty line and the body.
fn entity(dice: &mut Dice, depth: u32, around: &[&str]) -> String {
    let further = further_fields(dice);
    match dice.below(if depth < DEPTH_MAX { 10 } else { 5 }) {
        0 => further + "\n" + &text(dice),
        1 | 2 => further + &field(dice, "Content-Type", PLAIN_TYPES) + "\n" + &text(dice),
        3 => further + &field(dice, "Content-Type", OTHER_TYPES) + "\n" + &text(dice),
        4 => further + &encoded(dice),
        5 => {
            let kind = dice.pick(&["rfc822", "rfc822", "RFC822", "rfc822; x=y"]);
            let inner = message(dice, depth + 1, around);
            format!("{further}Content-Type: message/{kind}\n\n{inner}")
        }
        _ => further + &multipart(dice, depth, around),
    }
}

fn further_fields(dice: &mut Dice) -> String {
    const NAMES: [&str; 4] = ["ID", "Description", "MD5", "Disposition"];
    let mut fields = String::new();
    for name in NAMES {
        while dice.one_in(6) {
            fields += &field(dice, &format!("Content-{name}"), PLAIN);
        }
    }
    if dice.one_in(6) {
        fields += &field(dice, "Content-Language", &["en", "de, fr"]);
    }
    fields
}

fn encoded(dice: &mut Dice) -> String {
    let (encoding, body) = match dice.below(6) {
        0 | 1 => ("base64", BASE64),
        2 | 3 => ("quoted-printable", QUOTED),
        4 => ("8BIT (really)", &["gr\u{fc}n\n", "a\n"][..]),
        _ => (
            dice.pick(&["7bit", "binary", "x-unknown", "\"base64\"", "base64;x"]),
            BASE64,
        ),
    };
    let kind = dice.pick(PLAIN_TYPES);
    let body = dice.pick(body);
    format!("Content-Transfer-Encoding: {encoding}\nContent-Type: {kind}\n\n{body}")
}

fn text(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..dice.below(4) {
        text += dice.pick(LINES);
    }
    text
}

fn multipart(dice: &mut Dice, depth: u32, around: &[&str]) -> String {
    let parent = around.last().copied().unwrap_or_default();
    let boundary = match dice.below(8) {
        0 => parent.to_owned(),
        1 => format!("{parent}x"),
        2 => format!("{parent}--"),
        3 => "=_a b:c/?".to_owned(),
        4 => "z".repeat([69, 70, 71, 90][dice.below(4)]),
        _ => format!("bound{depth}{}", dice.below(3)),
    };
    let subtype = dice.pick(&[
        "mixed",
        "mixed",
        "alternative",
        "digest",
        "x-odd",
        "MIXED",
        "related; type=\"a/b\"",
    ]);
    let param = match dice.below(12) {
        0 => format!("boundary = \"{boundary}\" (c)"),
        1 => format!("x=y; BOUNDARY=\"{boundary}\"; boundary=other"),
        2 => format!("boundary=\"{boundary} \""),
        3 => dice
            .pick(&["", "boundary=", "boundary=\"\"", "boundry=b"])
            .to_owned(),
        4 if !boundary.contains(' ') => format!("boundary={boundary}"),
        _ => format!("boundary=\"{boundary}\""),
    };
    let digest = subtype == "digest";
    let inside = [around, &[&boundary]].concat();
    let mut out = format!("Content-Type: multipart/{subtype};\n {param}\n\n");
    if dice.one_in(3) {
        out += dice.pick(&["preamble\n", "\n", "\n\n", "--\n", "preamble"]);
    }
    for _ in 0..[1, 2, 2, 3, 0][dice.below(5)] {
        let tail = dice.pick(&["", "", "", "", " ", "\t \t", "x", "-"]);
        out += &format!("--{boundary}{tail}\n");
        out += &match dice.below(12) {
            0 => "\n".to_owned(),
            1 => String::new(),
            2 => "Content-Type: text/plain\n".to_owned(),
            3 => dice.pick(STRAY_LINES).to_owned(),
            _ if digest => format!("\n{}", message(dice, depth + 1, &inside)),
            _ => entity(dice, depth + 1, &inside),
        };
        out += dice.pick(&["\n", "\n", "\n", "\n\n", ""]);
    }
    if !dice.one_in(6) {
        out += &format!("--{boundary}--");
        out += dice.pick(&["\n", "\n", "", " \n", "x\n"]);
    }
    if dice.one_in(4) {
        out += dice.pick(&["epilogue\n", "\n", "epilogue"]);
        out += &format!("--{boundary}\nafter the end\n");
    }
    out
}

/// The fields that have a letter for each of their values.
const FIELDS: [(&str, &[&str]); 14] = [
    ("From", ADDRESSES),
    ("To", GROUPS),
    ("Date", DATES),
    ("Subject", TEXTS),
    ("Message-ID", IDS),
    ("In-Reply-To", IDS),
    ("Content-Type", TYPES),
    ("Content-Transfer-Encoding", ENCODINGS),
    ("Content-Disposition", DISPOSITIONS),
    ("Content-Language", LANGUAGES),
    ("Content-Location", TEXTS),
    ("Content-Description", TEXTS),
    ("Content-ID", IDS),
    ("Content-MD5", TEXTS),
];

const PLAIN: &[&str] = &[
    "a@b.example",
    "x",
    "A Name <c@d.example>",
    "y; z=1",
    "Fri, 21 Nov 1997 09:55:06 -0600",
];

const PLAIN_TYPES: &[&str] = &[
    "text/plain",
    "text/html; charset=utf-8",
    "TEXT/PLAIN; CHARSET=\"iso-8859-1\"",
];

const ENCODINGS: &[&str] = &[
    "7bit",
    "8BIT",
    " base64",
    "Quoted-Printable (c)",
    "(c) base64",
    "",
    "\"base64\"",
    "base64; x=y",
    "x-unknown",
    "base 64",
    "7bit\n",
    "b\n a",
    "binary\n ",
];

const ADDRESSES: &[&str] = &[
    "plain",
    "two words",
    "<a@b.example",
    "<>",
    "a@",
    "@b.example",
    "a@b@c",
    "a,b",
    "(comment only)",
    "a@b.example (The Name)",
    "a.@b.example",
    ".a@b.example",
    "a..b@c.example",
    "Group: Inner: a@b.example;;",
    "Group: a@b.example",
    "a@b.example; c@d.example",
    "\"unterminated <a@b.example>",
    "(unterminated a@b.example",
    "\"a\\",
    "(a\\",
    "<a@b.example> trailing words, c@d.example",
    "<<a@b.example>>",
    "Na\\me <a@b.example>",
    "gr\u{fc}n <g@x.example>",
    "a@gr\u{fc}n.example",
    "a b@c.example",
    "a@b c.example",
    "first last <a@b.example>, \"x\" <c@d.example>, e@f.example (G H)",
    "'quoted' <a@b.example>",
    "<@a:b@c.example>",
    "<@a,@b>",
    "mailto:a@b.example",
    "a@b.example\n , c@d.example\n",
    "N@ame <a@b.example>",
    "A.B.C <a@b.example>",
    "A . B <a@b.example>",
];

const GROUPS: &[&str] = &[
    "a@b.example",
    "A Name <a@b.example>",
    "\"Quoted, Name\" <a@b.example>, c@d.example",
    "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
    "A Group(Some people)\n     :Chris Jones <c@(Chris's host.)public.example>,\n joe@example.org,\n John <jdoe@one.test> (my dear friend); (the end of the group)",
    "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
    "undisclosed-recipients:;",
    "Mary Smith <@node.test,@second.test:mary@example.net>, , jdoe@test   . example",
    "Joe Q. Public <john.q.public@example.com>",
    "=?utf-8?q?Gr=C3=BCn?= <g@x.example>",
    "=?utf-8?q?Gr=C3=BCn?=\n =?utf-8?b?IGFiYw==?= <g@x.example>",
    "a@[192.0.2.1], b@[IPv6:2001:db8::1]",
    "\"a b\"@x.example, \"c\\\"d\"@x.example, \"\"@x.example",
];

const DATES: &[&str] = &[
    "Fri, 21 Nov 1997 09:55:06 -0600",
    "21 Nov 97 09:55:06 GMT",
    "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600",
    "Thu,\n      13\n        Feb\n          1969\n      23:32\n               -0330 (Newfoundland Time)",
    "yesterday",
    "",
    "1 Jan 2000 24:00:00 +0000",
    "Sat, 31 Feb 2001 10:00:00 +0000",
    "Mon, 1 Jan 2001 10:00:00 +2500",
];

const TEXTS: &[&str] = &[
    "plain",
    "",
    " ",
    "two  spaces",
    "\ttab",
    "a\n b",
    "a\n\tb",
    "a\n \n b",
    "=?utf-8?q?a?= =?utf-8?q?b?=",
    "=?utf-8?q?a?=\n =?utf-8?q?b?=",
    "=?utf-8?x?a?=",
    "=?utf-8?q?a",
    "=?iso-8859-1*en?Q?a_b?=",
    "\"quoted\"",
    "back\\slash",
    "gr\u{fc}n",
    "(comment)",
    "trailing   ",
    "a\u{1}b",
    "=?utf-8?B?4pyT?= check",
];

const IDS: &[&str] = &[
    "<1@a.example>",
    "1@a.example",
    "<1@a.example> <2@b.example>",
    "(c) <1@a.example>",
    "<1@a\n .example>",
    "",
    "<>",
    "gr\u{fc}n",
];

const TYPES: &[&str] = &[
    "text/plain",
    "text/html; charset=utf-8",
    "TEXT/PLAIN; CHARSET=\"UTF-8\"",
    "text/plain; charset=\"iso-8859-1\"; format=flowed",
    "text/plain; charset",
    "text/plain; charset=",
    "text/plain; charset=\"\"",
    "text/plain;",
    "text/plain ; charset = utf-8",
    "text/plain (c); (d) charset=us-ascii (e)",
    "text",
    "text/",
    "/plain",
    "",
    "text/plain/x",
    "text plain",
    "text/plain charset=utf-8",
    "text/plain; name=a b",
    "text/plain; name=\"a\\\"b\\\\\"",
    "text/plain; name*=utf-8''%e2%82%ac",
    "text/plain; name*0=a; name*1=b",
    "text/plain; name*1=b; name*0=a",
    "text/plain; name*0*=utf-8'en'%41; name*1=b; name*2*=%43",
    "text/plain; name*0=a; name*2=c",
    "text/plain; name*0=a; name*0=b",
    "text/plain; name*1=b",
    "text/plain; name*=a'b",
    "text/plain; charset*=utf-8''utf-8",
    "text/plain; =x; a=b",
    "text/plain; a=b; a=c",
    "text/plain; a=\"unterminated",
    "text/plain; charset=utf-8\n ; name=x",
    "text/plain; a=gr\u{fc}n",
    "text/plain; a=\"b\"c; d=e",
    "text/plain; a=b;; c=d",
    "te xt/plain",
    "t\u{e9}xt/plain",
    "\"text\"/plain",
    "text/plain; a=b, c=d",
    "text/plain; name=\"a\n b\"",
];

const OTHER_TYPES: &[&str] = &[
    "image/gif",
    "application/octet-stream; name=x",
    "message/delivery-status",
    "message/partial; id=x; number=1",
    "message/external-body; access-type=x",
    "audio/basic",
    "x-odd/thing; a=b",
    "message",
    "message/",
    "multipart",
    "application/x-a+b.c",
    "IMAGE/GIF; NAME=\"A\"",
];

const DISPOSITIONS: &[&str] = &[
    "inline",
    "attachment; filename=x.txt",
    "ATTACHMENT; filename=\"a b\"; size=3",
    "attachment; filename*=utf-8''%e2%82%ac",
    "attachment; filename*0=a; filename*1=b",
    "",
    ";",
    "; filename=x",
    "\"inline\"",
    "attachment filename=x",
    "a/b",
    "(c) inline (d); x=y (e)",
    "inline; x",
    "inline;",
    "attachment; filename=a b; c=d",
    "attachment; filename*0*=utf-8''%41; filename*1=\"b c\"",
    "gr\u{fc}n",
];

const LANGUAGES: &[&str] = &[
    "en",
    "en, de",
    "en,de , fr",
    "",
    ",",
    "en,",
    "\"en\"",
    "(c) en",
    "en (c), de",
    "en de",
    "en;de",
    "gr\u{fc}n",
    "en,,de",
];

const STRAY_LINES: &[&str] = &[
    "no colon here\n",
    ": no name\n",
    " folded first\n",
    "From someone Mon Jan 1 00:00:00 2001\n",
    "X Y: space in the name\n",
    "Subject\n : split\n",
    ">From: x\n",
    "\u{e4}: 8 bit\n",
];

const LINES: &[&str] = &[
    "text\n",
    "\n",
    "--\n",
    "-- \n",
    "--b\n",
    "--b--\n",
    "gr\u{fc}n\n",
    "a very long line\n",
    "no end",
    " leading\n",
    "trailing \n",
    ".\n",
    "From here\n",
    "--bound00\n",
];

const BASE64: &[&str] = &[
    "R3L8biwgZ3L8bg==\n",
    "YWJj\n",
    "YW\nJj\n",
    "YQ==\n",
    "",
    "\n",
    "YWJjZA==\n\n",
    "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=\n",
    "YW Jj\n",
    "Y!WJj\n",
    "YQ\n",
    "YQ==YQ==\n",
    "YWJj\ntrailing text\n",
];

const QUOTED: &[&str] = &[
    "gr=FCn\n",
    "soft=\nbreak\n",
    "soft= \nbreak\n",
    "a=3D=3d\n",
    "trailing  \n",
    "=\n",
    "",
    "bad =ZZ =4\n",
    "end=",
    "a=0D=0Ab\n",
    "=00\n",
    "a =\n b\n",
];
