//! Logs and metrics of the process.

mod logs;
mod numbers;

pub(crate) use logs::start as start_logs;
pub(crate) use numbers::start as start_metrics;
