//! What SEARCH looks for in letters: the text that a reader sees, however it was packed;
//! and how long it goes on.

use super::{House, Wire, run};
use journal::sim::SimDisk;
use message::limits::PIECE_BYTES;

async fn append(client: &mut Wire, letter: &[u8]) {
    let head = format!("a APPEND INBOX {{{}+}}\r\n", letter.len());
    let append = [head.as_bytes(), letter, b"\r\n"].concat();
    client.send(&append).await;
    let said = client.answer("a").await;
    assert!(said[0].starts_with("a OK"), "{said:?}");
}

/// Whether a key finds the only letter that there is.
async fn finds(client: &mut Wire, key: &str) -> bool {
    let sought = format!("SEARCH CHARSET UTF-8 {key}");
    let said = client.command("s", &sought).await;
    assert!(said[1].starts_with("s OK"), "{key}: {said:?}");
    said[0] == "* SEARCH 1"
}

/// Looks for keys in a letter: those before the bar are to find it, those behind not.
fn look(letter: &[u8], found: &[&str], not_found: &[&str]) {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        append(&mut client, letter).await;
        client.command("e", "EXAMINE INBOX").await;
        for key in found {
            assert!(finds(&mut client, key).await, "{key} finds nothing");
        }
        for key in not_found {
            assert!(!finds(&mut client, key).await, "{key} finds something");
        }
        house.leave().await;
    });
}

/// A literal of UTF-8.
fn literal(key: &str, text: &str) -> String {
    format!("{key} {{{}+}}\r\n{text}", text.len())
}

const NESTED: &str = "Subject: outer\r\n\
Content-Type: multipart/mixed; boundary=o\r\n\r\nbefore all\r\n\
--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n\
--i\r\nContent-Type: text/plain\r\n\r\nplain pear\r\n\
--i\r\nContent-Type: text/html\r\n\r\n<p title=\"hidden\">so<b>rb</b>et</p>\r\n--i--\r\n\
--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?in=6Eer?=\r\n\
Content-Type: multipart/mixed; boundary=m\r\n\r\n\
--m\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nZGVlcCBwbHVt\r\n--m--\r\n\
--o\r\nContent-Type: application/octet-stream\r\n\
Content-Disposition: attachment;\r\n filename*0*=utf-8''fil%C3%A9; filename*1=ing\r\n\r\nopaque\r\n\
--o--\r\nafter all";

#[test]
fn every_text_part_is_looked_into_at_any_depth_and_nothing_else() {
    look(
        NESTED.as_bytes(),
        &[
            "BODY pear",
            "TEXT PEAR",
            "BODY sorbet",
            "BODY \"deep plum\"",
            "TEXT inner",
            "TEXT outer",
            &literal("TEXT", "filéing"),
            "TEXT \"attachment\"",
            "HEADER subject outer",
        ],
        &[
            // BODY is not about headers, those of letters within included.
            "BODY inner",
            "BODY outer",
            "SUBJECT inner",
            "HEADER subject inner",
            "TEXT opaque",
            "TEXT \"before all\"",
            "TEXT \"after all\"",
            "BODY hidden",
            "TEXT title",
            "BODY ZGVl",
        ],
    );
}

/// One letter with text of a charset, in base64.
fn packed(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let head =
        format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    // Each byte is encoded, and every line broken softly, also amid characters.
    let encoded: Vec<String> = bytes.iter().map(|byte| format!("={byte:02X}")).collect();
    let lines: Vec<String> = encoded.chunks(5).map(|line| line.concat()).collect();
    [head, lines.join("=\r\n")].concat().into_bytes()
}

#[test]
fn text_is_found_in_every_charset_across_soft_line_breaks() {
    let text = "Zeichen: 日本 am Ende";
    let utf16 =
        |order: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(order).collect() };
    let mut with_mark = vec![0xfe, 0xff];
    with_mark.extend(utf16(u16::to_be_bytes));
    let around = |middle: &[u8]| [b"Zeichen: ", middle, b" am Ende"].concat();
    for (charset, bytes) in [
        ("utf-8", text.as_bytes().to_vec()),
        ("utf-16le", utf16(u16::to_le_bytes)),
        ("utf-16be", utf16(u16::to_be_bytes)),
        ("utf-16", with_mark),
        ("iso-2022-jp", around(b"\x1b$BF|K\\\x1b(B")),
        ("gb18030", around(&[0xc8, 0xd5, 0xb1, 0xbe])),
        ("euc-jp", around(&[0xc6, 0xfc, 0xcb, 0xdc])),
        ("shift_jis", around(&[0x93, 0xfa, 0x96, 0x7b])),
    ] {
        let letter = packed(&format!("text/plain; charset=\"{charset}\""), &bytes);
        look(
            &letter,
            &[&literal("BODY", "日本"), &literal("TEXT", ": 日本 AM")],
            &[&literal("BODY", "本日")],
        );
    }
}

#[test]
fn of_html_what_its_reader_sees_is_found_and_no_tags() {
    let html = "<html><head><style>p { color: red }</style><script>var hat = 1;</script></head>\
        <body class=\"main\">gr<b>ee</b>n &amp; bl<!-- pink -->ue Gr&uuml;&#223;e<br>two\r\n\
        lines <a href=\"http://x.example/\">link</a></body></html>";
    let letter = packed("text/html; charset=us-ascii", html.as_bytes());
    look(
        &letter,
        &[
            "BODY green",
            "BODY \"green & blue\"",
            &literal("BODY", "grüße"),
            "TEXT \"two lines link\"",
        ],
        &[
            "BODY color",
            "BODY hat",
            "BODY pink",
            "BODY href",
            "BODY main",
            "BODY x.example",
            "BODY amp",
            "BODY \"<b>\"",
        ],
    );
}

#[test]
fn encoded_words_that_split_a_word_or_a_character_are_joined() {
    look(
        b"Subject: =?utf-8?q?inv?=\r\n =?utf-8?b?b2ljZSBHcsM=?= =?utf-8?q?=BC=C3=9Fe?= end\r\n\
          To: =?iso-2022-jp?b?GyRCRnxLXBsoQg==?= <a@x.example>\r\n\
          Comments: =?utf-8?q?as_is\r\n\r\nbody",
        &[
            "SUBJECT invoice",
            &literal("SUBJECT", "invoice grüße end"),
            &literal("TO", "日本 <a@"),
            &literal("TEXT", "日本"),
            "HEADER comments \"=?utf-8?q?as_is\"",
        ],
        &["SUBJECT b2lj", "TO iso-2022", "BODY invoice"],
    );
}

/// So many bytes of text in which nothing comes twice, and a letter with it in base64.
fn long(bytes: usize) -> (String, Vec<u8>) {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text: String = (0..bytes / 6)
        .map(|number| format!("{number:05} "))
        .collect();
    let groups = text.as_bytes().chunks(3).map(|three| {
        let bits = three
            .iter()
            .fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| digits[(bits >> shift) as usize & 63])
    });
    let encoded: Vec<u8> = groups.flatten().collect();
    let lines: Vec<&[u8]> = encoded.chunks(76).collect();
    let letter = [LONG_HEAD.as_bytes(), &lines.join(&b"\r\n"[..])].concat();
    (text, letter)
}

const LONG_HEAD: &str = "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n";

#[test]
fn what_stands_across_pieces_of_a_long_letter_is_found() {
    let (text, letter) = long(360_000);
    // A line of 78 bytes has 57 of text.
    let cuts = (1..).map(|piece| (piece * PIECE_BYTES - LONG_HEAD.len()) / 78 * 57);
    let cuts: Vec<usize> = cuts.take_while(|cut| cut + 80 < text.len()).collect();
    assert!(cuts.len() > 3, "{cuts:?}");
    let needles = cuts.iter().map(|cut| &text[cut - 20..cut + 80]);
    let keys: Vec<String> = needles.map(|it| format!("BODY \"{it}\"")).collect();
    look(
        &letter,
        &[&keys.join(" ")],
        &["BODY \"00001 00003\"", "BODY \"99999\""],
    );
}

/// Letters that a search has read, after which it is over.
fn letters_read(during: impl AsyncFnOnce(&House, Wire)) -> u64 {
    run(async {
        let disk = SimDisk::new(1);
        let house = House::on(&disk);
        let mut client = house.client().await;
        for _ in 0..40 {
            append(&mut client, &long(180_000).1).await;
        }
        client.command("s", "SELECT INBOX").await;
        let before = disk.looks();
        during(&house, client).await;
        let read = disk.looks() - before;
        house.leave().await;
        read
    })
}

#[test]
fn a_search_ends_when_its_client_goes_and_reads_no_further() {
    let all = letters_read(async |_, mut client| {
        let said = client.command("z", "SEARCH BODY nowhere").await;
        assert_eq!(said[0], "* SEARCH");
    });
    let some = letters_read(async |house, mut client| {
        client.send(b"z SEARCH BODY nowhere\r\n").await;
        house.client().await.command("n", "NOOP").await;
        drop(client);
        // The other is the last that began.
        house.last_session();
        house.last_session().await.unwrap();
    });
    assert!(some * 2 < all, "{some} looks at the disk of {all}");
}
