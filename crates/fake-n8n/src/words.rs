//! The steering words in a visitor's message: `#n=40 #delay=20 #die=3`.
//!
//! Reads them only; what they do stands in `compose`. The table in the README is the list for people.

use std::time::Duration;

/// The words this fake understands. Anything else that starts with `#` is part of the message.
pub(crate) const KNOWN: &[&str] = &[
    "n",
    "delay",
    "first",
    "lang",
    "size",
    "echo",
    "text",
    "demo",
    "status",
    "retry-after",
    "lastnode",
    "json",
    "array",
    "plain",
    "html",
    "texthtml",
    "sse",
    "empty",
    "nothing",
    "started",
    "executionstarted",
    "tool",
    "toolsay",
    "toolbroken",
    "two",
    "retry",
    "error",
    "errormid",
    "noend",
    "die",
    "reset",
    "trunc",
    "trunccut",
    "badutf8",
    "split",
    "pause",
    "chunk",
    "bigline",
    "endless",
    "hang",
    "hanghead",
    "hangmid",
    "keepalive",
    "redirect",
    "gzip",
    "gzipundeclared",
    "bomb",
    "http10",
    "contenttype",
    "longlength",
    "garbage",
    "control",
    "suggest",
    "secret",
    "off",
    "noreply",
    "handover",
    "late",
];

#[derive(Debug, Default, Clone)]
pub(crate) struct Words {
    words: Vec<(&'static str, String)>,
    /// The message without its words.
    pub(crate) rest: String,
}

impl Words {
    pub(crate) fn parse(message: &str) -> Self {
        let mut words = Vec::new();
        let mut rest: Vec<&str> = Vec::new();
        for token in message.split(' ') {
            let known = token.trim().strip_prefix('#').and_then(|word| {
                let (name, value) = word.split_once('=').unwrap_or((word, ""));
                KNOWN.iter().find(|known| **known == name).map(|known| (*known, value.to_owned()))
            });
            match known {
                Some(word) => words.push(word),
                None => rest.push(token),
            }
        }
        Self { words, rest: rest.join(" ").trim().to_owned() }
    }

    /// Adds a word that a path stands for, unless the message has it.
    pub(crate) fn imply(&mut self, name: &'static str, value: &str) {
        if !self.has(name) {
            self.words.push((name, value.to_owned()));
        }
    }

    /// Nothing that changes the text: the shop's agent answers.
    pub(crate) fn leave_the_text(&self) -> bool {
        let pace =
            ["delay", "first", "demo", "keepalive", "lastnode", "json", "texthtml", "handover", "late"];
        self.has("demo") || self.words.iter().all(|(name, _)| pace.contains(name))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.words.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The number of a word; `None` if the word is not there, `default` if it has no readable number.
    pub(crate) fn number(&self, name: &str, default: usize) -> Option<usize> {
        self.value(name).map(|value| value.parse().unwrap_or(default))
    }

    pub(crate) fn millis(&self, name: &str) -> Option<Duration> {
        let millis = self.value(name)?.parse().ok()?;
        Some(Duration::from_millis(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_word_and_no_other() {
        let readme = include_str!("../README.md");
        let listed: std::collections::BTreeSet<&str> = readme
            .lines()
            .filter(|line| line.starts_with("| `#"))
            .flat_map(|line| line.split('|').nth(1).unwrap().split('`'))
            .filter_map(|word| word.strip_prefix('#'))
            .map(|word| word.split('=').next().unwrap())
            .collect();
        assert_eq!(listed, KNOWN.iter().copied().collect());
    }

    #[test]
    fn words_are_taken_out_of_the_message() {
        let words = Words::parse("привет #n=3 как #delay=5 дела #color=red");
        assert_eq!(words.rest, "привет как дела #color=red");
        assert_eq!(words.number("n", 40), Some(3));
        assert_eq!(words.millis("delay"), Some(Duration::from_millis(5)));
        assert!(!words.has("die"));
    }
}
