//! Takes the body out of a captured HTTP answer: enough of HTTP for the captures, and no more.

/// The body of a captured answer, freed of chunk framing but not of compression.
pub(crate) fn body(answer: &[u8]) -> Option<Vec<u8>> {
    let end = find(answer, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let rest = &answer[end + 4..];
    if head.contains("\r\ntransfer-encoding: chunked") { unchunk(rest) } else { Some(rest.to_vec()) }
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(end) = find(rest, b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        rest = &rest[end + 2..];
        // A capture may end inside a chunk: the connection broke.
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    Some(body)
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}
