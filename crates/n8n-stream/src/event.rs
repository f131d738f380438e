//! What a visitor may see of an answer. Nothing that names a node, a time or an upstream error has a place here.

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerEvent {
    /// More text, to be appended.
    Delta(String),
    /// All text so far is void; `standing` is all that still stands.
    Reset {
        /// The whole text after the reset, often empty.
        standing: String,
    },
    /// The agent went on to something else; a display may say so.
    Status(Activity),
    /// What the visitor could say next: at most four short texts.
    Suggestions(Vec<String>),
    /// Files or links that belong to the answer.
    Attachments(Vec<Attachment>),
}

/// What the agent is doing while it gives no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// A further call of the language model has begun.
    Thinking,
}

/// One file or link of an answer. The address is `http` or `https`, never anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Where it lies.
    pub url: String,
    /// How it is called, if the workflow said so.
    pub name: Option<String>,
    /// Its media type, if the workflow said so.
    pub media_type: Option<String>,
}
