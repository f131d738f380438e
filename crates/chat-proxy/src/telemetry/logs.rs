//! Log lines for machines (JSON) or people, on standard error.

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogLevel, LogSettings};

/// Libraries that say more than an operator wants at the level of our own lines.
const QUIET: [&str; 6] = ["hyper", "hyper_util", "rustls", "h2", "mio", "tower"];

/// Starts logging. A second call in one process changes nothing.
pub(crate) fn start(settings: LogSettings) {
    // A filter by target alone: one that knows spans is asked each time a turn's task runs, which is at every piece.
    let level = filter(settings.level);
    let quiet = QUIET.map(|target| (target, level.min(LevelFilter::WARN)));
    let targets = Targets::new().with_default(level).with_targets(quiet);
    let is_pretty = match settings.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let lines =
        tracing_subscriber::fmt().with_max_level(level).with_span_events(FmtSpan::NONE).with_writer(stderr);
    let started = if is_pretty {
        let lines = lines.compact().with_target(false).with_ansi(stderr().is_terminal());
        lines.finish().with(targets).try_init()
    } else {
        let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(true);
        lines.finish().with(targets).try_init()
    };
    // Only a test that starts twice gets here.
    drop(started);
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
