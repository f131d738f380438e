//! Finds where a JSON object ends, looking at each byte once. It does not judge what is inside.

use memchr::memchr3;

/// The state between two pieces of one object.
#[derive(Debug, Default)]
pub(crate) struct Border {
    depth: usize,
    opening: bool,
    in_string: bool,
    escaped: bool,
}

/// What a piece of an object turned out to hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// The object goes on beyond the piece.
    More,
    /// The object ends before this offset.
    Done(usize),
    /// The byte at this offset cannot stand there; it may begin something new.
    Broken(usize),
    /// Deeper than allowed.
    TooDeep,
}

impl Border {
    /// Looks at the next piece; the first one begins with the object's `{`.
    pub(crate) fn scan(&mut self, bytes: &[u8], max_depth: usize) -> Scan {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                    // Even behind a backslash a raw line feed is no JSON.
                    if bytes[at] == b'\n' {
                        return Scan::Broken(at);
                    }
                    at += 1;
                    continue;
                }
                let Some(step) = memchr3(b'"', b'\\', b'\n', &bytes[at..]) else { return Scan::More };
                at += step;
                match bytes[at] {
                    b'"' => self.in_string = false,
                    b'\\' => self.escaped = true,
                    // A line feed inside a string is how a line that broke off looks: begin anew behind it
                    // rather than swallow the good lines that follow.
                    _ => return Scan::Broken(at),
                }
                at += 1;
                continue;
            }
            let byte = bytes[at];
            if self.opening && !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                // An object begins with a key or ends at once; anything else is a brace in some text.
                if !matches!(byte, b'"' | b'}') {
                    return Scan::Broken(at);
                }
                self.opening = false;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.opening = self.depth == 0;
                    self.depth += 1;
                    if self.depth > max_depth {
                        return Scan::TooDeep;
                    }
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Scan::Done(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Scan::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Scan {
        Border::default().scan(text.as_bytes(), 8)
    }

    #[test]
    fn an_object_ends_at_its_own_brace() {
        assert_eq!(whole(r#"{"a":{"b":[1,{}]}}{"#), Scan::Done(18));
        assert_eq!(whole(r#"{"a":"}\"}\\"}x"#), Scan::Done(14));
        assert_eq!(whole("{ }"), Scan::Done(3));
    }

    #[test]
    fn an_object_that_is_cut_anywhere_wants_more() {
        let text = r#"{"a":"\\\"}{","b":[{"c":"é"}]}"#;
        for cut in 1..text.len() {
            let mut border = Border::default();
            assert_eq!(border.scan(&text.as_bytes()[..cut], 8), Scan::More, "cut at {cut}");
            assert_eq!(border.scan(&text.as_bytes()[cut..], 8), Scan::Done(text.len() - cut), "cut at {cut}");
        }
    }

    #[test]
    fn a_brace_in_text_is_no_object() {
        assert_eq!(whole("{name}"), Scan::Broken(1));
        assert_eq!(whole(r#"{{"a":1}}"#), Scan::Broken(1));
    }

    #[test]
    fn a_line_feed_inside_a_string_breaks_the_object() {
        assert_eq!(whole("{\"a\":\"x\n{\"b\":1}"), Scan::Broken(7));
        assert_eq!(whole("{\"a\":\"x\\\n\"}"), Scan::Broken(8));
    }

    #[test]
    fn depth_is_bounded() {
        assert_eq!(whole(r#"{"a":[[[[[[[1]]]]]]]}"#), Scan::Done(21));
        assert_eq!(whole(r#"{"a":[[[[[[[[1]]]]]]]]}"#), Scan::TooDeep);
    }
}
