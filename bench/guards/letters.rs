//! Letters that are the same on every machine and in every year: what the guards
//! work on.
//!
//! Three kinds, in turns: plain text, text and HTML side by side, and one with a file
//! attached; each with the trace, the threads and the list fields that mail has. They
//! must never depend on a clock, on chance or on what is installed: another letter is
//! another count of instructions, and every count in `counts.toml` would be of
//! something else.

/// How one kind of letter goes on behind the fields that all have.
type Rest = fn(&mut String, usize);

const KINDS: [Rest; 3] = [plain, alternative, attached];

/// The letter of this number.
pub fn letter(number: usize) -> Vec<u8> {
    let mut letter = String::new();
    header(&mut letter, number);
    KINDS[number % KINDS.len()](&mut letter, number);
    letter.into_bytes()
}

/// The fields that every letter has.
fn header(letter: &mut String, number: usize) {
    let (person, list, day) = (number % 97, number % 7, number % 28 + 1);
    letter.push_str(&format!(
        "Return-Path: <person{person}@example.net>\r\n\
         Received: from mx.example.net (mx.example.net [192.0.2.{person}])\r\n\
         \tby mail.example.org with ESMTPS id {number:08x}\r\n\
         \tfor <alice@example.org>; Tue, {day:02} Nov 2023 22:13:20 +0000\r\n\
         From: \"Person, {person}\" <person{person}@example.net>\r\n\
         To: Alice <alice@example.org>, =?utf-8?q?J=C3=BCrgen?= <juergen@example.org>\r\n\
         Cc: group: bob@example.org, carol@example.org;\r\n\
         Subject: Re: =?utf-8?q?letter_{number}_=C3=BCber?= matter {}\r\n\
         Date: Tue, {day:02} Nov 2023 22:13:20 +0000\r\n\
         Message-ID: <{number}@example.net>\r\n\
         In-Reply-To: <{}@example.net>\r\n\
         References: <1@example.net>\r\n <{}@example.net>\r\n\
         List-Id: Talk about {list} <talk{list}.example.net>\r\n\
         MIME-Version: 1.0\r\n",
        number % 211,
        number / 2,
        number / 2,
    ));
}

fn plain(letter: &mut String, number: usize) {
    letter.push_str("Content-Type: text/plain; charset=utf-8\r\n\r\n");
    prose(letter, number, 40);
}

fn alternative(letter: &mut String, number: usize) {
    letter.push_str("Content-Type: multipart/alternative; boundary=\"side by side\"\r\n\r\n");
    letter.push_str("--side by side\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    prose(letter, number, 25);
    letter.push_str("--side by side\r\nContent-Type: text/html; charset=utf-8\r\n");
    letter.push_str("Content-Transfer-Encoding: quoted-printable\r\n\r\n<html><body>\r\n");
    prose(letter, number, 50);
    letter.push_str("<p style=3D\"x\">=C3=BC</p></body></html>\r\n--side by side--\r\n");
}

fn attached(letter: &mut String, number: usize) {
    letter.push_str("Content-Type: multipart/mixed; boundary=b0undary\r\n\r\n");
    letter.push_str("--b0undary\r\nContent-Type: text/plain\r\n\r\n");
    prose(letter, number, 20);
    letter.push_str("--b0undary\r\nContent-Type: application/pdf; name=\"a paper.pdf\"\r\n");
    letter.push_str("Content-Disposition: attachment; filename=\"a paper.pdf\"\r\n");
    letter.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
    for line in 0..80 {
        letter.push_str(&format!("{:076X}\r\n", number * 80 + line));
    }
    letter.push_str("--b0undary--\r\n");
}

/// Lines of words.
fn prose(letter: &mut String, number: usize, lines: usize) {
    for line in 0..lines {
        let word = (number * 31 + line * 7) % 5000;
        letter.push_str(&format!(
            "lorem ipsum word{word} dolor sit amet, consectetur adipiscing elit {line}\r\n"
        ));
    }
}
