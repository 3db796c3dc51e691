//! Character references of HTML: `&auml;`, `&#228;`, `&#xE4;`.
//!
//! Of the names those of HTML 4, and `apos`: letters use few others.

use super::exact_text;

/// Names of the characters from U+00A0 on.
const LATIN: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf",
    "laquo", "not", "shy", "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro",
    "para", "middot", "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest",
    "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute",
    "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute",
    "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute",
    "THORN", "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil",
    "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde",
    "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave", "uacute", "ucirc",
    "uuml", "yacute", "thorn", "yuml",
];

/// Other names, in their order.
const OTHERS: [(&str, char); 157] = [
    ("Alpha", 'Α'),
    ("Beta", 'Β'),
    ("Chi", 'Χ'),
    ("Dagger", '‡'),
    ("Delta", 'Δ'),
    ("Epsilon", 'Ε'),
    ("Eta", 'Η'),
    ("Gamma", 'Γ'),
    ("Iota", 'Ι'),
    ("Kappa", 'Κ'),
    ("Lambda", 'Λ'),
    ("Mu", 'Μ'),
    ("Nu", 'Ν'),
    ("OElig", 'Œ'),
    ("Omega", 'Ω'),
    ("Omicron", 'Ο'),
    ("Phi", 'Φ'),
    ("Pi", 'Π'),
    ("Prime", '″'),
    ("Psi", 'Ψ'),
    ("Rho", 'Ρ'),
    ("Scaron", 'Š'),
    ("Sigma", 'Σ'),
    ("Tau", 'Τ'),
    ("Theta", 'Θ'),
    ("Upsilon", 'Υ'),
    ("Xi", 'Ξ'),
    ("Yuml", 'Ÿ'),
    ("Zeta", 'Ζ'),
    ("alefsym", 'ℵ'),
    ("alpha", 'α'),
    ("amp", '&'),
    ("and", '∧'),
    ("ang", '∠'),
    ("apos", '\''),
    ("asymp", '≈'),
    ("bdquo", '„'),
    ("beta", 'β'),
    ("bull", '•'),
    ("cap", '∩'),
    ("chi", 'χ'),
    ("circ", 'ˆ'),
    ("clubs", '♣'),
    ("cong", '≅'),
    ("crarr", '↵'),
    ("cup", '∪'),
    ("dArr", '⇓'),
    ("dagger", '†'),
    ("darr", '↓'),
    ("delta", 'δ'),
    ("diams", '♦'),
    ("empty", '∅'),
    ("emsp", '\u{2003}'),
    ("ensp", '\u{2002}'),
    ("epsilon", 'ε'),
    ("equiv", '≡'),
    ("eta", 'η'),
    ("euro", '€'),
    ("exist", '∃'),
    ("fnof", 'ƒ'),
    ("forall", '∀'),
    ("frasl", '⁄'),
    ("gamma", 'γ'),
    ("ge", '≥'),
    ("gt", '>'),
    ("hArr", '⇔'),
    ("harr", '↔'),
    ("hearts", '♥'),
    ("hellip", '…'),
    ("image", 'ℑ'),
    ("infin", '∞'),
    ("int", '∫'),
    ("iota", 'ι'),
    ("isin", '∈'),
    ("kappa", 'κ'),
    ("lArr", '⇐'),
    ("lambda", 'λ'),
    ("lang", '〈'),
    ("larr", '←'),
    ("lceil", '⌈'),
    ("ldquo", '“'),
    ("le", '≤'),
    ("lfloor", '⌊'),
    ("lowast", '∗'),
    ("loz", '◊'),
    ("lrm", '\u{200e}'),
    ("lsaquo", '‹'),
    ("lsquo", '‘'),
    ("lt", '<'),
    ("mdash", '—'),
    ("minus", '−'),
    ("mu", 'μ'),
    ("nabla", '∇'),
    ("ndash", '–'),
    ("ne", '≠'),
    ("ni", '∋'),
    ("notin", '∉'),
    ("nsub", '⊄'),
    ("nu", 'ν'),
    ("oelig", 'œ'),
    ("oline", '‾'),
    ("omega", 'ω'),
    ("omicron", 'ο'),
    ("oplus", '⊕'),
    ("or", '∨'),
    ("otimes", '⊗'),
    ("part", '∂'),
    ("permil", '‰'),
    ("perp", '⊥'),
    ("phi", 'φ'),
    ("pi", 'π'),
    ("piv", 'ϖ'),
    ("prime", '′'),
    ("prod", '∏'),
    ("prop", '∝'),
    ("psi", 'ψ'),
    ("quot", '"'),
    ("rArr", '⇒'),
    ("radic", '√'),
    ("rang", '〉'),
    ("rarr", '→'),
    ("rceil", '⌉'),
    ("rdquo", '”'),
    ("real", 'ℜ'),
    ("rfloor", '⌋'),
    ("rho", 'ρ'),
    ("rlm", '\u{200f}'),
    ("rsaquo", '›'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("scaron", 'š'),
    ("sdot", '⋅'),
    ("sigma", 'σ'),
    ("sigmaf", 'ς'),
    ("sim", '∼'),
    ("spades", '♠'),
    ("sub", '⊂'),
    ("sube", '⊆'),
    ("sum", '∑'),
    ("sup", '⊃'),
    ("supe", '⊇'),
    ("tau", 'τ'),
    ("there4", '∴'),
    ("theta", 'θ'),
    ("thetasym", 'ϑ'),
    ("thinsp", '\u{2009}'),
    ("tilde", '˜'),
    ("trade", '™'),
    ("uArr", '⇑'),
    ("uarr", '↑'),
    ("upsih", 'ϒ'),
    ("upsilon", 'υ'),
    ("weierp", '℘'),
    ("xi", 'ξ'),
    ("zeta", 'ζ'),
    ("zwj", '\u{200d}'),
    ("zwnj", '\u{200c}'),
];

/// What a reference of this name means; none if nothing.
pub fn referred(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(as_meant(code.ok()?));
    }
    let latin = LATIN.iter().position(|known| *known == name);
    if let Some(at) = latin.and_then(|at| u32::try_from(at).ok()) {
        return char::from_u32(at.saturating_add(0xa0));
    }
    let at = OTHERS.binary_search_by(|(known, _)| (*known).cmp(name));
    at.ok().and_then(|at| OTHERS.get(at)).map(|(_, char)| *char)
}

/// Control characters of Latin-1 are those of Windows, as every reader shows them.
fn as_meant(code: u32) -> u32 {
    let byte = u8::try_from(code)
        .ok()
        .filter(|byte| matches!(byte, 0x80..=0x9f));
    let text = byte.and_then(|byte| exact_text(b"windows-1252", &[byte]));
    text.and_then(|text| text.chars().next())
        .map_or(code, u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_its_character() {
        for (name, char) in [
            ("nbsp", '\u{a0}'),
            ("szlig", 'ß'),
            ("yuml", 'ÿ'),
            ("amp", '&'),
            ("apos", '\''),
            ("Omega", 'Ω'),
            ("zwnj", '\u{200c}'),
            ("#228", 'ä'),
            ("#Xe4", 'ä'),
            ("#128", '€'),
            ("#x1F600", '😀'),
        ] {
            assert_eq!(referred(name), Some(char), "{name}");
        }
        for name in ["", "#", "#x", "AMP", "#xD800", "#99999999", "#-1", "bogus"] {
            assert_eq!(referred(name), None, "{name}");
        }
    }

    #[test]
    fn every_name_is_found() {
        assert!(OTHERS.is_sorted());
        for (name, char) in OTHERS {
            assert_eq!(referred(name), Some(char));
        }
        for (at, name) in LATIN.iter().enumerate() {
            assert_eq!(referred(name).map(u32::from), Some(at as u32 + 0xa0));
        }
    }
}
