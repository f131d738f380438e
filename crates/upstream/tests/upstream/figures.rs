//! The figures that a turn leaves behind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};

use crate::support::{ShiftedClock, ask, fake, n8n, options, refused, site};

/// Counts by name and labels; of a gauge the bits of its value; of a histogram, how many values it took.
#[derive(Clone, Debug, Default)]
struct Figures(Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>);

struct Values(Arc<AtomicU64>);

impl HistogramFn for Values {
    fn record(&self, _value: f64) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Figures {
    fn cell(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        self.0.lock().unwrap().entry(format!("{}{{{}}}", key.name(), labels.join(","))).or_default().clone()
    }

    fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.count(name))
    }

    fn count(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).map_or(0, |cell| cell.load(Ordering::SeqCst))
    }
}

impl Recorder for Figures {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Values(self.cell(key))))
    }
}

#[tokio::test]
async fn failures_are_counted_by_class_and_heads_are_timed() {
    let figures = Figures::default();
    let _guard = set_default_local_recorder(&figures);
    let fake = fake().await;
    let n8n = n8n(site(&fake.url("/webhook/chat")));
    ask(&n8n, "#n=1").await;
    ask(&n8n, "#n=4 #die=2").await;
    refused(&n8n, "#status=500").await;
    refused(&n8n, "#status=502").await;
    let errors = |class: &str| {
        figures.count(&format!("chat_proxy_upstream_errors_total{{site=default,class={class}}}"))
    };
    assert_eq!((errors("truncated"), errors("status_5xx"), errors("connect")), (1, 2, 0));
    assert_eq!(figures.count("chat_proxy_upstream_head_seconds{site=default}"), 4);
}

#[tokio::test]
async fn the_difference_of_the_clocks_is_a_figure_of_the_site() {
    let figures = Figures::default();
    let _guard = set_default_local_recorder(&figures);
    let fake = fake().await;
    let mut options = options(site(&fake.url("/webhook/chat")));
    options.clock = Arc::new(ShiftedClock(600));
    ask(&chat_proxy_upstream::N8n::new(options).unwrap(), "#n=1").await;
    let ahead = figures.gauge("chat_proxy_upstream_clock_skew_seconds{site=default}");
    assert!((-600.0..=-598.0).contains(&ahead), "{ahead}");
}
