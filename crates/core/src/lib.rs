//! The domain of chat-proxy: sites, sessions, conversations, turns and their use cases
