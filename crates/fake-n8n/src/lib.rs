//! An n8n that answers, or misbehaves, on request: for tests and the demo
