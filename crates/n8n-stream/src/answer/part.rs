//! One part of an answer: what one run of one node says about one input item.

use crate::line::Metadata;

/// More parts than any workflow has; each costs memory.
pub(crate) const MAX_PARTS: usize = 1_024;
/// n8n's node ids are UUIDs; of a longer one only so much is kept.
const MAX_NODE_ID_BYTES: usize = 128;

/// How far a part has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartState {
    /// It gave text without a `begin`.
    Unannounced,
    /// Between `begin` and `end`.
    Open,
    /// After `end`.
    Ended,
    /// Its node reported an error.
    Failed,
}

/// One part, named by node, run and item.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) node: String,
    pub(crate) run: u64,
    pub(crate) item: u64,
    /// The site wants to show it.
    pub(crate) visible: bool,
    pub(crate) state: PartState,
    /// No item has come since the last `begin`.
    pub(crate) fresh: bool,
    /// Its next text goes on where its last text stopped.
    pub(crate) joined: bool,
    /// A first item that is a JSON object: a whole reply if nothing follows, else just text.
    pub(crate) held: Option<String>,
}

impl Part {
    pub(crate) fn new(metadata: &Metadata<'_>, visible: bool, state: PartState) -> Self {
        Self {
            node: node_id(metadata).to_owned(),
            run: metadata.run_index.0,
            item: metadata.item_index.0,
            visible,
            state,
            fresh: true,
            joined: false,
            held: None,
        }
    }

    pub(crate) fn is_named_by(&self, metadata: &Metadata<'_>) -> bool {
        self.item == metadata.item_index.0
            && self.run == metadata.run_index.0
            && self.node == node_id(metadata)
    }

    /// Text may still come, or should have.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, PartState::Open | PartState::Unannounced)
    }
}

fn node_id<'a>(metadata: &'a Metadata<'_>) -> &'a str {
    let id = metadata.node_id.as_text().unwrap_or_default();
    &id[..id.floor_char_boundary(MAX_NODE_ID_BYTES)]
}
