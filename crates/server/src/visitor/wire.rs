//! How times and messages are written in the visitor API.

use chat_proxy_core::conversation::{Cursor, Message, MessagePage, Role};
use chat_proxy_core::turn::TurnState;
use chat_proxy_core::{Origin, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// The longest page address and title that are taken as context.
const MAX_PAGE_URL_CHARS: usize = 2048;
const MAX_PAGE_TITLE_CHARS: usize = 300;

/// A time as RFC 3339 in UTC, to the millisecond.
pub(super) fn to_rfc3339(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.0).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

/// One entry of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageBody {
    id: String,
    turn_id: String,
    #[schema(value_type = String, example = "user")]
    role: Role,
    content: String,
    /// RFC 3339, UTC.
    created_at: String,
    /// `answering`, `complete`, `interrupted`, `failed` or `stopped`.
    #[schema(value_type = String, example = "complete")]
    state: TurnState,
}

impl From<Message> for MessageBody {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            turn_id: message.turn.to_string(),
            role: message.role,
            content: message.content,
            created_at: to_rfc3339(message.created_at),
            state: message.state,
        }
    }
}

/// A page of a conversation, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HistoryPage)]
pub(crate) struct PageBody {
    messages: Vec<MessageBody>,
    /// Ask with it for the page before this one; `null` at the beginning of the conversation.
    next_cursor: Option<String>,
}

impl From<MessagePage> for PageBody {
    fn from(page: MessagePage) -> Self {
        Self {
            messages: page.messages.into_iter().map(MessageBody::from).collect(),
            next_cursor: page.next_cursor.map(Cursor::to_text),
        }
    }
}

/// A page address as the agent may get it: of the session's own origin and not too long. Anything else is dropped,
/// because it is only a browser's word.
pub(super) fn page_url(given: Option<String>, origin: &Origin) -> Option<String> {
    given.filter(|url| {
        url.chars().count() <= MAX_PAGE_URL_CHARS
            && !url.contains(char::is_control)
            && Origin::of_url(url).as_ref() == Some(origin)
    })
}

/// A page title, cut to its longest.
pub(super) fn page_title(given: Option<String>) -> Option<String> {
    let title: String =
        given?.chars().filter(|character| !character.is_control()).take(MAX_PAGE_TITLE_CHARS).collect();
    (!title.trim().is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_origin_is_dropped() {
        let origin = Origin::parse("https://shop.example").unwrap();
        let kept = |url: &str| page_url(Some(url.to_owned()), &origin).is_some();
        assert!(kept("https://shop.example/lamps?x=1"));
        assert!(!kept("https://evil.example/lamps") && !kept("javascript:alert(1)") && !kept("/lamps"));
    }

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(to_rfc3339(Timestamp(1_795_000_000_000)), "2026-11-18T11:06:40.000Z");
    }
}
