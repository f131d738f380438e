//! Everything that keeps data for chat-proxy
