//! File descriptors: a proxy needs two for each open answer, so the limit decides how many can be open.

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a process needs beside the connections of answers: database, logs, listeners, the requests of this program.
const RESERVED: u64 = 300;
/// Of each answer: the visitor's connection and the one behind it.
const PER_ANSWER: u64 = 2;
/// Enough, where the system names no limit.
const UNLIMITED: u64 = 1 << 20;

/// Raises the limit as far as it goes, for this program and all that it starts, and says how far that is.
pub fn raise_limit() -> Result<u64> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = maximum.unwrap_or(UNLIMITED);
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum })
        .context("the limit of open files cannot be raised")?;
    Ok(limit)
}

/// How many answers can be open at once.
pub fn answers_within(limit: u64) -> usize {
    usize::try_from(limit.saturating_sub(RESERVED) / PER_ANSWER).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_takes_two_descriptors() {
        assert_eq!(answers_within(20_000), 9_850);
        assert_eq!(answers_within(100), 0);
    }

    #[test]
    fn the_limit_is_raised_to_what_is_allowed() {
        let limit = raise_limit().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, Some(limit));
    }
}
