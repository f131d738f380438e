//! The words for the ways in which there is no whole answer: the `class` of logs and metrics.
//!
//! They are few and stable, because dashboards and alerts are built on them. `docs/guides/operations.md` has the table of
//! what each means and what to do.

use n8n_stream::Diagnosis;

macro_rules! classes {
    ($($name:ident = $word:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Class {
            $($name,)*
        }

        impl Class {
            const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word in logs and metrics.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

classes! {
    // There is no way to n8n.
    Dns = "dns",
    Connect = "connect",
    ConnectTimeout = "connect_timeout",
    Tls = "tls",
    Closed = "closed",
    NotHttp = "not_http",
    BreakerOpen = "breaker_open",
    // It answered the question with a refusal, or not at all.
    HeadTimeout = "head_timeout",
    Starting = "starting",
    TokenExpired = "token_expired",
    TokenRefused = "token_refused",
    Status401 = "status_401",
    Status403 = "status_403",
    Status404 = "status_404",
    Status413 = "status_413",
    Status429 = "status_429",
    Status4xx = "status_4xx",
    Status5xx = "status_5xx",
    Redirect = "redirect",
    Encoding = "encoding",
    // A clock ran out.
    Silence = "silence",
    NoProgress = "no_progress",
    AfterError = "after_error",
    Total = "total",
    // What came is not a whole answer. The words are those of the decoder's diagnoses.
    EmptyAnswer = "empty_answer",
    StreamingOff = "streaming_off",
    WorkflowStarted = "workflow_started",
    ExecutionStarted = "execution_started",
    OnlyErrors = "only_errors",
    NodeFailed = "node_failed",
    FailedAfterAnswer = "failed_after_answer",
    PartLeftOpen = "part_left_open",
    Truncated = "truncated",
    ModelSaidNothing = "model_said_nothing",
    NothingShown = "nothing_shown",
    NoTextFound = "no_text_found",
    BrokenJson = "broken_json",
    ErrorAnswer = "error_answer",
    HtmlDocument = "html_document",
    Binary = "binary",
    LineTooLong = "line_too_long",
    AnswerTooLong = "answer_too_long",
    TooDeep = "too_deep",
    TooManyParts = "too_many_parts",
    // Our own.
    Unsigned = "unsigned",
    UnknownSite = "unknown_site",
}

impl Class {
    /// The class of an answer that ended for this reason. Those that end none (an answer that was abandoned has its
    /// clock's class, what was left out of one does not end it) are taken for broken off.
    pub(crate) fn of(diagnosis: Diagnosis) -> Self {
        let word = diagnosis.code();
        Self::ALL.iter().copied().find(|class| class.as_str() == word).unwrap_or(Self::Truncated)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const OPERATIONS: &str = include_str!("../../../docs/guides/operations.md");

    #[test]
    fn every_diagnosis_that_ends_an_answer_has_its_own_class() {
        let without: Vec<_> = Diagnosis::ALL
            .into_iter()
            .filter(|diagnosis| Class::of(*diagnosis).as_str() != diagnosis.code())
            .collect();
        assert_eq!(without, [Diagnosis::Abandoned, Diagnosis::StrayText, Diagnosis::UnreadableObjects]);
    }

    #[test]
    fn the_operators_guide_explains_every_class_and_no_other() {
        let (_, section) =
            OPERATIONS.split_once("\n## When answers fail\n").expect("the section of the table");
        let section = section.split("\n## ").next().unwrap();
        let rows: Vec<Vec<&str>> = section
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
            .collect();
        let explained: Vec<&str> = rows.iter().map(|row| row[0].trim_matches(['`', ' '])).collect();
        let words: Vec<&str> = Class::ALL.iter().map(|class| class.as_str()).collect();
        assert_eq!(explained.iter().collect::<BTreeSet<_>>(), words.iter().collect::<BTreeSet<_>>());
        assert_eq!(explained.len(), words.len(), "a class is explained twice");
        for row in rows {
            assert!(row.len() == 3 && row.iter().all(|cell| cell.len() > 2), "{row:?}");
        }
    }
}
