//! The n8n side of chat-proxy: sign, send, stream
