//! The HTTP side of chat-proxy: routes, extractors, SSE, problem+json
