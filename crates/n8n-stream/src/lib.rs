//! Bytes from an n8n webhook, in any split, to answer events
