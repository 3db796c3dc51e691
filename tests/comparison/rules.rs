//! The differences that are meant: each has a name, under which docs/comparison.md gives
//! the RFC's words. What no rule explains fails the test.

use super::compare::Difference;
use super::value::Value;

/// A difference that is meant.
pub struct Rule {
    /// Its heading in docs/comparison.md.
    pub name: &'static str,
    /// Whether it explains this one.
    pub explains: fn(Difference<'_>) -> bool,
}

/// The first that fits counts.
pub const RULES: &[Rule] = &[
    Rule {
        name: "no such section",
        explains: no_such_section,
    },
    Rule {
        name: "part 1 of a leaf",
        explains: part_1_of_a_leaf,
    },
    Rule {
        name: "no blank line",
        explains: no_blank_line,
    },
    Rule {
        name: "case of names",
        explains: case_of_names,
    },
    Rule {
        name: "order of parameters",
        explains: order_of_parameters,
    },
    Rule {
        name: "folds in the envelope",
        explains: folds_in_the_envelope,
    },
    Rule {
        name: "charset in its long form",
        explains: charset_in_its_long_form,
    },
    Rule {
        name: "boundary in its long form",
        explains: boundary_in_its_long_form,
    },
    Rule {
        name: "Content-Type that says nothing",
        explains: content_type_that_says_nothing,
    },
    Rule {
        name: "broken base64",
        explains: broken_base64,
    },
    Rule {
        name: "BINARY of what has parts",
        explains: binary_of_what_has_parts,
    },
    Rule {
        name: "one language",
        explains: one_language,
    },
    Rule {
        name: "comments among languages",
        explains: comments_among_languages,
    },
    Rule {
        name: "white space around values",
        explains: white_space_around_values,
    },
    Rule {
        name: "addresses that break the grammar",
        explains: addresses_that_break_the_grammar,
    },
    Rule {
        name: "encoding that is no word",
        explains: encoding_that_is_no_word,
    },
    Rule {
        name: "disposition that says nothing",
        explains: disposition_that_says_nothing,
    },
    Rule {
        name: "broken parameters",
        explains: broken_parameters,
    },
    Rule {
        name: "boundary that ends in a space",
        explains: boundary_that_ends_in_a_space,
    },
    Rule {
        name: "boundary that is too long",
        explains: boundary_that_is_too_long,
    },
    Rule {
        name: "doubled disposition",
        explains: doubled_disposition,
    },
    Rule {
        name: "part without Content-Type",
        explains: part_without_content_type,
    },
    Rule {
        name: "Dovecot against itself",
        explains: dovecot_against_itself,
    },
    Rule {
        name: "CRs before a line end",
        explains: crs_before_a_line_end,
    },
    Rule {
        name: "CR in a field's name",
        explains: cr_in_a_fields_name,
    },
    Rule {
        name: "line end before an outer boundary",
        explains: line_end_before_an_outer_boundary,
    },
];

/// The rule that explains a difference; a slice of what differs is explained by that.
pub fn explaining(difference: Difference<'_>) -> Option<&'static Rule> {
    let of = |it: Difference<'_>| RULES.iter().find(|rule| (rule.explains)(it));
    of(difference).or_else(|| difference.whole().and_then(of))
}

fn no_such_section(it: Difference<'_>) -> bool {
    let is_size = it.what.starts_with("BINARY.SIZE[");
    match (it.ours(), it.theirs()) {
        (Some(Value::Nil), Some(Value::Text(text))) => it.is_content() && text.is_empty(),
        (None, Some(size)) => is_size && size.number() == Some(0),
        _ => false,
    }
}

/// Dovecot takes `2.1` for `2` where 2 is a part without parts.
fn part_1_of_a_leaf(it: Difference<'_>) -> bool {
    let is_leaf = it.part().ends_with(".1") && !it.is_of_a_part();
    is_leaf && matches!(it.ours(), None | Some(Value::Nil))
}

fn no_blank_line(it: Difference<'_>) -> bool {
    let (Some(Value::Text(ours)), Some(Value::Text(theirs))) = (it.ours(), it.theirs()) else {
        return false;
    };
    it.what.contains("HEADER.FIELDS") && theirs.strip_prefix(&ours[..]) == Some(b"\r\n")
}

fn case_of_names(it: Difference<'_>) -> bool {
    let lower = |value: Option<&Value>| {
        let value = value?;
        Some(value.map(&|text| text.to_ascii_lowercase()))
    };
    it.is_structure() && it.ours().is_some() && lower(it.ours()) == lower(it.theirs())
}

/// The parameters of a list, in the order of their names.
fn params(value: Option<&Value>) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let pairs = value?.list()?.chunks(2);
    let pair = |pair: &[Value]| {
        Some((
            pair.first()?.text()?.to_ascii_lowercase(),
            pair.get(1)?.text()?.to_vec(),
        ))
    };
    let mut pairs = pairs.map(pair).collect::<Option<Vec<_>>>()?;
    pairs.sort();
    Some(pairs)
}

fn order_of_parameters(it: Difference<'_>) -> bool {
    let ours = params(it.ours());
    it.is_structure() && ours.is_some() && ours == params(it.theirs())
}

fn is_in_envelope(it: Difference<'_>) -> bool {
    it.what.contains("ENVELOPE ") || it.what.contains(" envelope ")
}

fn folds_in_the_envelope(it: Difference<'_>) -> bool {
    let (Some(ours), Some(theirs)) = (it.ours(), it.theirs()) else {
        return false;
    };
    let letters = |text: &[u8]| -> Vec<u8> {
        let letters = text.iter().filter(|byte| !byte.is_ascii_whitespace());
        letters.copied().collect()
    };
    is_in_envelope(it) && ours.map(&letters) == theirs.map(&letters)
}

fn charset_in_its_long_form(it: Difference<'_>) -> bool {
    let Some((ours, theirs)) = params(it.ours()).zip(params(it.theirs())) else {
        return false;
    };
    let default = (b"charset".to_vec(), b"us-ascii".to_vec());
    let has_long = ours.iter().any(|(name, _)| name == b"charset*");
    has_long && theirs.iter().filter(|one| **one != default).eq(&ours)
}

fn boundary_in_its_long_form(it: Difference<'_>) -> bool {
    ["boundary*=", "boundary*0*="]
        .iter()
        .any(|name| it.answers.letter.has(name))
}

fn content_type_that_says_nothing(it: Difference<'_>) -> bool {
    let fields = ["type", "subtype", "params", "lines"];
    let names = ["type", "subtype"].map(|field| it.their_field(field).and_then(Value::text));
    let subtype = it.our_field("subtype").and_then(Value::text);
    let is_default =
        it.is_structure() && subtype.is_some_and(|subtype| subtype.eq_ignore_ascii_case(b"plain"));
    let is_broken = names.contains(&Some(b"")) || names[0] == Some(b"application");
    is_default && is_broken && fields.contains(&it.field())
}

fn broken_base64(it: Difference<'_>) -> bool {
    it.what.starts_with("BINARY") && it.is_refused_by_them()
}

fn binary_of_what_has_parts(it: Difference<'_>) -> bool {
    let fields = ["parts", "envelope date"];
    it.what.starts_with("BINARY") && fields.iter().any(|field| it.our_field(field).is_some())
}

fn one_language(it: Difference<'_>) -> bool {
    let one = it.ours().map(|ours| Value::List(vec![ours.clone()]));
    it.field() == "language" && one.as_ref() == it.theirs()
}

/// Dovecot's list ends where a comment stands, or where a tag is missing.
fn comments_among_languages(it: Difference<'_>) -> bool {
    let tags = |value: Option<&Value>| match value {
        Some(Value::Text(_)) => 1,
        Some(Value::List(tags)) => tags.len(),
        _ => 0,
    };
    it.field() == "language" && tags(it.ours()) > tags(it.theirs())
}

fn white_space_around_values(it: Difference<'_>) -> bool {
    let trimmed =
        |value: Option<&Value>| value.map(|value| value.map(&|text| text.trim_ascii().to_vec()));
    it.is_structure() && it.ours().is_some() && trimmed(it.ours()) == trimmed(it.theirs())
}

/// Dovecot marks what it can't read, or stops before it.
fn addresses_that_break_the_grammar(it: Difference<'_>) -> bool {
    const MARKS: [&str; 4] = [
        "MISSING_MAILBOX",
        "MISSING_DOMAIN",
        "SYNTAX_ERROR",
        "INVALID_ROUTE",
    ];
    const FIELDS: [&str; 6] = ["from", "sender", "reply-to", "to", "cc", "bcc"];
    let ours = it.ours().and_then(Value::list).unwrap_or_default();
    let theirs = it.theirs().and_then(Value::list).unwrap_or_default();
    let is_marked = MARKS
        .iter()
        .any(|mark| format!("{theirs:?}").contains(mark));
    let stops = ours.len() > theirs.len() && ours.starts_with(theirs);
    is_in_envelope(it) && FIELDS.contains(&it.field()) && (is_marked || stops)
}

fn encoding_that_is_no_word(it: Difference<'_>) -> bool {
    it.field() == "encoding" && it.theirs() == Some(&Value::Text(b"7bit".to_vec()))
}

fn disposition_that_says_nothing(it: Difference<'_>) -> bool {
    let kind = it
        .theirs()
        .and_then(Value::list)
        .and_then(|it| it.first()?.text());
    it.field() == "disposition" && it.ours() == Some(&Value::Nil) && kind == Some(b"")
}

/// The parameters that both have are the same.
fn broken_parameters(it: Difference<'_>) -> bool {
    const NAMES: [&str; 3] = ["params", "inner params", "disposition"];
    it.is_structure()
        && NAMES.contains(&it.field())
        && BROKEN_PARAMETERS
            .iter()
            .any(|value| it.answers.letter.has(value))
}

/// A letter with one of these is compared in all but its parameters.
const BROKEN_PARAMETERS: &[&str] = &[
    "name*0=a; name*2=c",
    "name*0=a; name*0=b",
    "; =x;",
    "\"unterminated",
    "a=b;; c=d",
];

fn line_end_before_an_outer_boundary(it: Difference<'_>) -> bool {
    let section = format!("BODY[{}]", it.part());
    let text = it
        .answers
        .ours_of(&section)
        .and_then(Value::text)
        .unwrap_or_default();
    let last = text
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let has_inside = ["parts", "envelope date"]
        .iter()
        .any(|field| it.our_field(field).is_some());
    if !last.starts_with(b"--") && !has_inside {
        return false;
    }
    let counted = it
        .ours()
        .and_then(Value::number)
        .zip(it.theirs().and_then(Value::number));
    match (it.field(), counted) {
        ("lines", Some((ours, theirs))) => theirs == ours + 1,
        ("octets", Some((ours, theirs))) => theirs == ours + 2,
        _ if it.what.starts_with("BINARY.SIZE") => {
            counted.is_some_and(|(ours, theirs)| theirs == ours + 2)
        }
        _ => ends_with_one_more(it),
    }
}

fn ends_with_one_more(it: Difference<'_>) -> bool {
    let texts = it
        .ours()
        .and_then(Value::text)
        .zip(it.theirs().and_then(Value::text));
    let more = texts.and_then(|(ours, theirs)| theirs.strip_prefix(ours));
    it.is_content() && more.is_some_and(|more| b"\r\n".starts_with(more))
}

/// The parts are others then.
fn boundary_that_ends_in_a_space(it: Difference<'_>) -> bool {
    it.answers
        .letter
        .lines()
        .any(|line| memchr::memmem::find(line, b"boundary").is_some() && line.ends_with(b" \""))
}

fn boundary_that_is_too_long(it: Difference<'_>) -> bool {
    it.answers.letter.has(&"z".repeat(71))
}

fn doubled_disposition(it: Difference<'_>) -> bool {
    let fields = it
        .answers
        .letter
        .lines()
        .filter(|line| line.starts_with(b"content-disposition"));
    it.field().ends_with("disposition") && it.theirs() != Some(&Value::Nil) && fields.count() > 1
}

/// Dovecot leaves out what it says of such a part.
fn part_without_content_type(it: Difference<'_>) -> bool {
    const FIELDS: [&str; 6] = [
        "id",
        "description",
        "md5",
        "disposition",
        "language",
        "location",
    ];
    it.is_structure()
        && it.theirs() == Some(&Value::Nil)
        && FIELDS.contains(&it.field())
        && it.our_field("subtype") == Some(&Value::Text(b"plain".to_vec()))
}

/// Its BINARY.SIZE is not that of its BINARY, its partial is no slice of its section, or its HEADER.FIELDS are not in its HEADER.
fn dovecot_against_itself(it: Difference<'_>) -> bool {
    if let Some(part) = it.what.strip_prefix("BINARY.SIZE") {
        let text = it
            .answers
            .theirs_of(&format!("BINARY{part}"))
            .and_then(Value::text);
        let bytes = text.map(|text| text.len() as u64);
        return bytes.is_some() && it.theirs().and_then(Value::number) != bytes;
    }
    let Some(theirs) = it.theirs().and_then(Value::text) else {
        return false;
    };
    let text = |item: &str| it.answers.theirs_of(item).and_then(Value::text);
    if let Some((whole, origin)) = it.what.split_once('<') {
        let origin: usize = origin.trim_end_matches('>').parse().expect("an offset");
        return text(whole)
            .is_some_and(|whole| !whole.get(origin..).unwrap_or_default().starts_with(theirs));
    }
    let header = it
        .what
        .split_once("HEADER.FIELDS")
        .and_then(|(part, _)| text(&format!("{part}HEADER]")));
    header.is_some_and(|header| theirs.len() > header.len() + 2)
}

fn cr_in_a_fields_name(it: Difference<'_>) -> bool {
    let is_such = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.len() < line.len() && name.contains(&b'\r')
    };
    it.what.contains("HEADER.FIELDS") && it.answers.letter.lines().any(is_such)
}

/// Dovecot keeps one CR less.
fn crs_before_a_line_end(it: Difference<'_>) -> bool {
    it.answers.letter.has("\r\r\n")
        && it.answers.theirs_of("BODY[]") != it.answers.ours_of("BODY[]")
}
