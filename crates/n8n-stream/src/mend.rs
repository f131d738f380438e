//! Repairs the two faults that real producers put into JSON strings: raw control characters (text pasted into a
//! hand-made template) and halves of surrogate pairs (a string cut between two UTF-16 units).

use std::fmt::Write;

/// The text with the faults inside strings repaired, or nothing if there was nothing to repair.
pub(crate) fn mend(text: &str) -> Option<String> {
    let mut mended = String::new();
    let mut copied = 0;
    let mut in_string = false;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                match lone_surrogate(&bytes[at..]) {
                    Some(true) => {
                        mended.push_str(&text[copied..at]);
                        mended.push_str("\\ufffd");
                        copied = at + 6;
                        at += 6;
                    }
                    Some(false) => at += 12,
                    None => at += 2,
                }
                continue;
            }
            control @ ..0x20 if in_string => {
                mended.push_str(&text[copied..at]);
                let _ = write!(mended, "\\u{control:04x}");
                copied = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return None;
    }
    mended.push_str(&text[copied..]);
    Some(mended)
}

/// Of an escape: is it half a pair (`true`), a whole pair (`false`), or something else?
fn lone_surrogate(bytes: &[u8]) -> Option<bool> {
    let first = unit(bytes)?;
    match first {
        0xD800..=0xDBFF => {
            let paired =
                bytes.get(6..).and_then(unit).is_some_and(|second| (0xDC00..=0xDFFF).contains(&second));
            Some(!paired)
        }
        0xDC00..=0xDFFF => Some(true),
        _ => None,
    }
}

/// The UTF-16 unit of `\uXXXX`.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_text_is_left_alone() {
        assert_eq!(mend("{\n\"a\":\"x\\n\\ud83d\\uded2\\\\ud83d\"}"), None);
    }

    #[test]
    fn half_a_surrogate_pair_becomes_a_replacement_character() {
        assert_eq!(mend(r#"{"a":"x\ud83d"}"#).as_deref(), Some(r#"{"a":"x\ufffd"}"#));
        assert_eq!(
            mend(r#"{"a":"\uded2y\ud83d\ud83d\uded2"}"#).as_deref(),
            Some(r#"{"a":"\ufffdy\ufffd\ud83d\uded2"}"#)
        );
    }

    #[test]
    fn a_raw_line_feed_in_a_string_is_escaped() {
        assert_eq!(mend("{\n\"a\":\"x\ny\"}").as_deref(), Some("{\n\"a\":\"x\\u000ay\"}"));
    }
}
