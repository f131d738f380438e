//! Prometheus metrics: their buckets, and one line of help for each.

use std::sync::Arc;

use anyhow::Context;
use chat_proxy_server::RenderMetrics;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// From a fast piece of work to a slow answer, in seconds.
const SECONDS: [f64; 17] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
    300.0,
];

/// Starts collecting.
pub(crate) fn start() -> anyhow::Result<(PrometheusHandle, RenderMetrics)> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .context("the buckets of the histograms are wrong")?
        .install_recorder()
        .context("the metrics could not be started")?;
    describe();
    let renderer = handle.clone();
    Ok((handle, RenderMetrics(Arc::new(move || renderer.render()))))
}

fn describe() {
    describe_counter!("chat_proxy_turns_total", "Turns that ended, by site and outcome.");
    describe_counter!("chat_proxy_deltas_total", "Pieces of answer text received from agents.");
    describe_counter!("chat_proxy_http_requests_total", "Requests, by method, route and status.");
    describe_counter!(
        "chat_proxy_upstream_errors_total",
        "Answers that agents failed to give, by site and class."
    );
    describe_counter!(
        "chat_proxy_turned_away_total",
        "Turns that found no place at the agent, by site: the line was full, or they waited in it too long."
    );
    describe_gauge!("chat_proxy_running_answers", "Answers that agents are giving, by site.");
    describe_gauge!("chat_proxy_queued_turns", "Turns that wait for a place at the agent, by site.");
    describe_gauge!(
        "chat_proxy_upstream_clock_skew_seconds",
        Unit::Seconds,
        "By how much n8n's clock is ahead of ours, negative if it is behind, by site."
    );
    describe_gauge!("chat_proxy_open_turns", "Turns that are being answered.");
    describe_gauge!("chat_proxy_open_streams", "Readers of answers.");
    describe_gauge!("chat_proxy_open_connections", "Connections of visitors.");
    let seconds = |name: &'static str, help: &'static str| describe_histogram!(name, Unit::Seconds, help);
    seconds("chat_proxy_first_piece_seconds", "From a visitor's message to the first piece of its answer.");
    seconds(
        "chat_proxy_added_latency_seconds",
        "From a visitor's message to the request to n8n: what we add.",
    );
    seconds("chat_proxy_turn_seconds", "From a visitor's message to the end of its answer.");
    seconds("chat_proxy_http_head_seconds", "From a request to the head of its response, by route.");
    seconds("chat_proxy_upstream_head_seconds", "From a request to n8n to the head of its response.");
}
