//! The server from outside, over TCP. The files mirror the URLs.

#[path = "../support/mod.rs"]
mod support;

mod chat_stream;
