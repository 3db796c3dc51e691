//! HTML, written so that nothing from outside can become markup: what is not a
//! constant of this program is escaped, without exception.

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Markup(String);

/// An attribute's name, and its value of whatever origin.
pub type Attribute<'a> = (&'static str, &'a str);

impl Markup {
    /// A constant of this program, as it is.
    pub fn raw(&mut self, constant: &'static str) -> &mut Self {
        self.0.push_str(constant);
        self
    }

    /// Text of whatever origin.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Nothing that a reader can't see, and no text that runs backwards.
                one if one.is_control() && one != '\n' => self.0.push('\u{fffd}'),
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    self.0.push('\u{fffd}');
                }
                one => self.0.push(one),
            }
        }
        self
    }

    /// An element with what `inside` writes.
    pub fn element(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        inside: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.open(name, attributes);
        inside(self);
        self.raw("</").raw(name).raw(">")
    }

    /// An element with a text.
    pub fn of(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        text: &str,
    ) -> &mut Self {
        self.element(name, attributes, |page| {
            page.text(text);
        })
    }

    /// An element without a content, or the beginning of one.
    pub fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.raw("<").raw(name);
        for (attribute, value) in attributes {
            self.raw(" ")
                .raw(attribute)
                .raw("=\"")
                .text(value)
                .raw("\"");
        }
        self.raw(">")
    }

    /// A table in a box of its own, which scrolls where the page is too narrow.
    pub fn table(
        &mut self,
        class: &'static str,
        heads: &[&'static str],
        rows: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.element("div", &[("class", "scroll"), ("tabindex", "0")], |page| {
            page.element("table", &[("class", class)], |page| {
                page.element("thead", &[], |page| {
                    page.element("tr", &[], |page| {
                        for head in heads {
                            page.of("th", &[("scope", "col")], head);
                        }
                    });
                });
                page.element("tbody", &[], rows);
            });
        })
    }

    /// A row of texts.
    pub fn row(&mut self, cells: &[&str]) -> &mut Self {
        self.element("tr", &[], |page| {
            for cell in cells {
                page.of("td", &[], cell);
            }
        })
    }

    /// A list of terms and what they are.
    pub fn facts(&mut self, rows: &[(&str, &str)]) -> &mut Self {
        self.element("dl", &[], |page| {
            for (term, fact) in rows {
                page.of("dt", &[], term).of("dd", &[], fact);
            }
        })
    }

    /// The page.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_the_text_it_is_no_markup(text in any::<String>()) {
            let mut page = Markup::default();
            page.of("td", &[("title", &text)], &text);
            let page = page.finish();
            let inside = page.strip_prefix("<td title=\"").and_then(|rest| rest.strip_suffix("</td>")).unwrap();
            let (title, inside) = inside.split_once("\">").unwrap();
            for part in [title, inside] {
                prop_assert!(!part.contains(['<', '>', '"', '\'']));
                prop_assert!(!part.chars().any(|one| one.is_control() && one != '\n'));
            }
            prop_assert_eq!(title, inside);
        }
    }

    #[test]
    fn text_that_runs_backwards_is_shown_as_unprintable() {
        let mut page = Markup::default();
        page.text("a\u{202e}b\u{1b}[31m");
        assert_eq!(page.finish(), "a\u{fffd}b\u{fffd}[31m");
    }
}
