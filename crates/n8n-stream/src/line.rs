//! One object of n8n's stream, as it stands on the wire. Borrows from the line wherever it can.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value},
};
use serde_json::Value;

use crate::mend::mend;

/// A line of the stream.
#[derive(Debug, Deserialize)]
pub(crate) struct Line<'a> {
    #[serde(rename = "type", default)]
    pub(crate) kind: Kind,
    #[serde(borrow, default)]
    pub(crate) content: Content<'a>,
    #[serde(borrow, default)]
    pub(crate) metadata: Option<Metadata<'a>>,
}

/// What a line is about. n8n keeps adding words, so an unknown one is no error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Begin,
    Item,
    End,
    Error,
    Keepalive,
    #[default]
    #[serde(other)]
    Unknown,
}

/// Where a line comes from. Never leaves the decoder.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata<'a> {
    #[serde(borrow, default)]
    pub(crate) node_id: Content<'a>,
    #[serde(borrow, default)]
    pub(crate) node_name: Content<'a>,
    #[serde(default)]
    pub(crate) run_index: Index,
    #[serde(default)]
    pub(crate) item_index: Index,
}

/// A string, an object, or nothing: `null` and a missing key are the same.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Content<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Json(Value),
}

impl Content<'_> {
    /// The string, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Json(_) => None,
        }
    }
}

/// A counter that some producer may leave out or write in another way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Index(pub(crate) u64);

/// Reads one whole object; broken UTF-8 becomes U+FFFD, common faults are repaired.
pub(crate) fn with_line<T>(object: &[u8], read: impl FnOnce(Line<'_>) -> T) -> Option<T> {
    let text = String::from_utf8_lossy(object);
    if let Ok(line) = serde_json::from_str(&text) {
        return Some(read(line));
    }
    let mended = mend(&text)?;
    serde_json::from_str(&mended).ok().map(read)
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for ContentVisitor<'a> {
            type Value = Content<'a>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any JSON value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Content::Absent)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Content::Text(Cow::Owned(value.to_string())))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Content::Text(Cow::Owned(value.to_string())))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Content::Text(Cow::Owned(value.to_string())))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Content::Text(Cow::Owned(value.to_string())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Self::Value, A::Error> {
                Value::deserialize(value::SeqAccessDeserializer::new(values)).map(Content::Json)
            }

            fn visit_map<A: MapAccess<'de>>(self, values: A) -> Result<Self::Value, A::Error> {
                Value::deserialize(value::MapAccessDeserializer::new(values)).map(Content::Json)
            }
        }

        deserializer.deserialize_any(ContentVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Content::deserialize(deserializer)? {
            Content::Text(text) => Ok(Self(text.parse().unwrap_or_default())),
            Content::Absent | Content::Json(_) => Ok(Self::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_is_borrowed() {
        let text = r#"{"type":"item","content":"abc","metadata":{"nodeId":"n","itemIndex":1,"runIndex":2}}"#;
        let line: Line<'_> = serde_json::from_str(text).unwrap();
        assert!(matches!(line.content, Content::Text(Cow::Borrowed("abc"))));
        let metadata = line.metadata.unwrap();
        assert!(matches!(metadata.node_id, Content::Text(Cow::Borrowed("n"))));
        assert_eq!((metadata.run_index.0, metadata.item_index.0), (2, 1));
    }

    #[test]
    fn foreign_kinds_and_odd_types_are_read() {
        let text = r#"{"type":"tool-call-start","content":{"a":[1]},"metadata":{"nodeId":7,"runIndex":null,"itemIndex":"3","x":{}}}"#;
        let line: Line<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(line.kind, Kind::Unknown);
        assert_eq!(line.content, Content::Json(serde_json::json!({"a": [1]})));
        let metadata = line.metadata.unwrap();
        assert_eq!(metadata.node_id.as_text(), Some("7"));
        assert_eq!((metadata.run_index.0, metadata.item_index.0), (0, 3));
    }

    #[test]
    fn invalid_bytes_become_replacement_characters() {
        let text = with_line(b"{\"type\":\"item\",\"content\":\"a\xFFb\xD0\"}", |line| {
            line.content.as_text().map(str::to_owned)
        });
        assert_eq!(text, Some(Some("a\u{fffd}b\u{fffd}".to_owned())));
    }
}
