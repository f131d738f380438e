//! Log lines for machines (JSON) or people, on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{LogFormat, LogSettings};

/// Libraries say more than an operator wants at the level of our own lines.
const QUIET: &str = "hyper=warn,hyper_util=warn,rustls=warn,h2=warn,mio=warn,tower=warn";

/// Starts logging. A second call in one process changes nothing.
pub(crate) fn start(settings: LogSettings) {
    let filter = EnvFilter::new(format!("{},{QUIET}", settings.level.as_str()));
    let is_pretty = match settings.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_span_events(FmtSpan::NONE).with_writer(stderr);
    let started = if is_pretty {
        lines.compact().with_target(false).with_ansi(stderr().is_terminal()).try_init()
    } else {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(true).try_init()
    };
    // Only a test that starts twice gets here.
    drop(started);
}
