//! `.env` files: one `NAME=value` per line, as python-dotenv and Docker Compose read them.
//!
//! References to other variables (`${NAME}`) are not resolved; only this program's own variables are of interest.

use std::collections::BTreeMap;

/// A line that is no `NAME=value`. Its text is not kept: it may hold a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) number: usize,
}

/// Reads a `.env` text. Of several lines with one name the last one counts.
pub(super) fn parse(text: &str) -> (BTreeMap<String, String>, Vec<BadLine>) {
    let mut variables = BTreeMap::new();
    let mut bad_lines = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_line(line) {
            Some((name, value)) => {
                variables.insert(name.to_owned(), value);
            }
            None => bad_lines.push(BadLine { number: index + 1 }),
        }
    }
    (variables, bad_lines)
}

fn parse_line(line: &str) -> Option<(&str, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.is_empty();
    is_name.then_some(())?;
    Some((name, clean(value)?))
}

/// The value without its quotes, or without the comment behind it. `None`: a quote is not closed, or something other
/// than a comment follows it.
fn clean(value: &str) -> Option<String> {
    let value = value.trim();
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let Some(quote) = quote else { return Some(without_comment(value).to_owned()) };
    let mut text = String::new();
    let mut characters = value[1..].chars();
    while let Some(character) = characters.next() {
        match character {
            character if character == quote => {
                let rest = characters.as_str().trim_start();
                return (rest.is_empty() || rest.starts_with('#')).then_some(text);
            }
            '\\' if quote == '"' => match characters.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                escaped @ ('"' | '\\' | '$') => text.push(escaped),
                other => text.extend(['\\', other]),
            },
            character => text.push(character),
        }
    }
    None
}

/// Tidies a value that nothing has parsed before: under Docker's `env_file`, quotes and comments stay in it.
pub(super) fn tidy(value: &str) -> String {
    clean(value).unwrap_or_else(|| value.trim().to_owned())
}

/// Cuts ` # a comment`; a `#` without space before it belongs to the value.
fn without_comment(value: &str) -> &str {
    if value.starts_with('#') {
        return "";
    }
    let comment = value
        .char_indices()
        .find(|(index, character)| *character == '#' && value[..*index].ends_with(char::is_whitespace));
    comment.map_or(value, |(index, _)| value[..index].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_in_which_people_write_a_line_all_work() {
        let text = "\u{feff}# comment\r\nA=1\r\nexport B = two words  # why\nC=\"a # b\" # c\nD='it''s'\nE=a#b\nF=\n\
                    G='$x \\n'\nH=\"say \\\"hi\\\"\"\nA=3\n  \nI= # nothing\n";
        let (variables, bad_lines) = parse(text);
        let expected = [
            ("A", "3"),
            ("B", "two words"),
            ("C", "a # b"),
            ("E", "a#b"),
            ("F", ""),
            ("G", "$x \\n"),
            ("H", "say \"hi\""),
            ("I", ""),
        ];
        assert_eq!(variables, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(bad_lines, [BadLine { number: 5 }]);
    }

    #[test]
    fn a_line_that_sets_nothing_is_reported_by_its_number() {
        let (variables, bad_lines) = parse("\nJWT_SECRET_KEY hush\n=x\nA B=1\nC=\"open\n");
        assert!(variables.is_empty());
        assert_eq!(bad_lines.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 3, 4, 5]);
    }

    #[test]
    fn a_value_that_docker_passed_on_with_quotes_and_comment_is_tidied() {
        assert_eq!(tidy("30  # seconds"), "30");
        assert_eq!(tidy("\"0.0.0.0\""), "0.0.0.0");
        assert_eq!(tidy("it's"), "it's");
        assert_eq!(tidy("\"open"), "\"open");
    }
}
