//! What a site may choose about decoding, and the bounds of one response.

/// How one response is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderOptions {
    /// Whose text the visitor sees when several nodes give text.
    pub shown: ShownNodes,
    /// Longest object of a stream, or line of a server-sent event, in bytes. Also the most that is buffered.
    pub line_bytes: usize,
    /// Longest answer, in bytes of text.
    pub answer_bytes: usize,
    /// Deepest nesting of one JSON value.
    pub depth: usize,
    /// Text of a part without its `end` at a clean end of the body: `true` calls the answer interrupted,
    /// `false` takes it as complete.
    pub require_end: bool,
}

impl Default for DecoderOptions {
    fn default() -> Self {
        Self {
            shown: ShownNodes::Last,
            line_bytes: 1 << 20,
            answer_bytes: 1 << 20,
            depth: 64,
            require_end: true,
        }
    }
}

/// Whose text is shown. A classifier in front of the agent streams its thoughts too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ShownNodes {
    /// The node that gave text last; the text of earlier nodes is taken back.
    #[default]
    Last,
    /// Only the nodes with these names.
    Named(Vec<String>),
    /// Every node, one after the other.
    All,
}
