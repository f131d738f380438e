//! The agent of the demo shop "Halma": knows the catalog, delivery, returns and orders.
//!
//! It finds the topic of a message by its words and answers in the message's language, Russian or English.

mod english;
mod russian;
mod topic;

use topic::Topic;

#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) text: String,
    /// It looked something up first: the stream shows a tool call.
    pub(crate) tool: bool,
}

/// The answer to a message, after the earlier ones of the same conversation, oldest first.
pub(crate) fn answer(message: &str, earlier: &[String]) -> Said {
    let russian = message.chars().any(|letter| matches!(letter, '\u{400}'..='\u{4ff}'));
    let topic = topic::of(message);
    let before = earlier.iter().rev().map(|question| topic::of(question)).find(Topic::is_memorable);
    let last =
        earlier.iter().rev().find(|question| !question.trim().is_empty()).map(|question| shortened(question));
    // Thanks, a color, a bulb: no moment to come back to something else.
    let open = topic.is_memorable() || topic == Topic::Greeting || topic == Topic::Other;
    let recall = Recall { topic: before.filter(|before| open && *before != topic), question: last };
    let text = if russian { russian::answer(&topic, &recall) } else { english::answer(&topic, &recall) };
    Said { text, tool: matches!(topic, Topic::Order(_)) }
}

/// What the agent still knows of the conversation.
#[derive(Debug, Default)]
struct Recall {
    /// The last topic, if the conversation has moved on from it.
    topic: Option<Topic>,
    /// The last question, shortened.
    question: Option<String>,
}

const QUOTE_LIMIT: usize = 60;

fn shortened(question: &str) -> String {
    let line = question.lines().next().unwrap_or_default().trim();
    let mut text: String = line.chars().take(QUOTE_LIMIT).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_russian_question_is_answered_in_russian() {
        let said = answer("Какая лампа для низкого потолка?", &[]);
        assert!(said.text.contains("потолк"), "{}", said.text);
        assert!(said.text.contains("**Jay**"));
    }

    #[test]
    fn an_order_number_is_looked_up() {
        let said = answer("Where is my order 48213?", &[]);
        assert!(said.tool);
        assert!(said.text.contains("48213"));
    }

    #[test]
    fn an_earlier_topic_is_remembered() {
        let earlier = ["Which lamp suits a low ceiling?".to_owned()];
        let said = answer("When would my order arrive?", &earlier);
        assert!(said.text.contains("ceiling"), "{}", said.text);
        let said = answer("What did I ask before?", &earlier);
        assert!(said.text.contains("Which lamp suits a low ceiling?"), "{}", said.text);
    }
}
