//! What decoding costs: per line of a stream, and for one object that comes in many pieces.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use n8n_stream::{Decoder, DecoderOptions};

const BEGIN: &str = r#"{"type":"begin","metadata":{"nodeId":"4652a9a8-5a0e-5b6c-9a64-d8d4c2a1f0aa","nodeName":"Agent","itemIndex":0,"runIndex":0,"timestamp":1795223382470}}"#;
const ITEM: &str = r#"{"type":"item","content":" order","metadata":{"nodeId":"4652a9a8-5a0e-5b6c-9a64-d8d4c2a1f0aa","nodeName":"Agent","itemIndex":0,"runIndex":0,"timestamp":1795223382470}}"#;
const LINES: usize = 1_000;

fn begun() -> Decoder {
    let mut decoder = Decoder::new(DecoderOptions {
        answer_bytes: usize::MAX / 8,
        line_bytes: 4 << 20,
        ..Default::default()
    });
    let mut events = Vec::new();
    assert!(decoder.push(BEGIN.as_bytes(), &mut events).is_ok());
    decoder
}

/// Read the time of one iteration as microseconds per thousand lines: the same number is nanoseconds per line.
fn lines(criterion: &mut Criterion) {
    let line = format!("{ITEM}\n");
    let body = line.repeat(LINES);
    let mut group = criterion.benchmark_group("thousand_item_lines");
    group.throughput(Throughput::Elements(LINES as u64));
    for (name, size) in
        [("one_line_per_push", line.len()), ("seven_bytes_per_push", 7), ("64_kib_per_push", 64 << 10)]
    {
        group.bench_with_input(BenchmarkId::from_parameter(name), &size, |bencher, size| {
            bencher.iter_batched_ref(
                || (begun(), Vec::with_capacity(LINES)),
                |(decoder, events)| {
                    for piece in body.as_bytes().chunks(*size) {
                        assert!(decoder.push(black_box(piece), events).is_ok());
                    }
                    assert_eq!(events.len(), LINES);
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn large_object(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one_object_in_64_byte_pieces");
    for kib in [256_usize, 512, 1_024] {
        let content = "word \\n ".repeat(kib * 1_024 / 8);
        let object = ITEM.replace(" order", &content);
        group.throughput(Throughput::Bytes(object.len() as u64));
        group.bench_with_input(BenchmarkId::new("kib", kib), &object, |bencher, object| {
            bencher.iter_batched_ref(
                || (begun(), Vec::new()),
                |(decoder, events)| {
                    for piece in object.as_bytes().chunks(64) {
                        assert!(decoder.push(black_box(piece), events).is_ok());
                    }
                    assert_eq!(events.len(), 1);
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3)).sample_size(30);
    targets = lines, large_object
}
criterion_main!(benches);
