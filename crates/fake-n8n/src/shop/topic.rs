//! What a message is about, found by the words in it.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Topic {
    Ceiling,
    Delivery,
    Returns,
    Gift,
    /// With the number the visitor gave.
    Order(String),
    /// About an order, without its number.
    OrderWithoutNumber,
    Compare,
    Dimming,
    Color,
    Code,
    Payment,
    Catalog,
    Memory,
    Thanks,
    Greeting,
    Other,
}

impl Topic {
    /// Worth coming back to later in the conversation.
    pub(super) fn is_memorable(&self) -> bool {
        matches!(
            self,
            Self::Ceiling | Self::Gift | Self::Returns | Self::Compare | Self::Delivery | Self::Order(_)
        )
    }
}

/// Word beginnings by topic; the first topic that matches is it.
const TOPICS: &[(Topic, &[&str])] = &[
    (Topic::Memory, &["did i ask", "i asked", "remember", "я спрашивал", "помнишь", "помните", "спрашивали"]),
    (Topic::Code, &["code", "snippet", "html", "embed", "size guide", "код", "встро", "вставить"]),
    (Topic::Returns, &["return", "refund", "send back", "возврат", "вернуть", "обмен"]),
    (Topic::Gift, &["gift", "present", "birthday", "подар", "день рожд"]),
    (Topic::Ceiling, &["ceiling", "low room", "потол"]),
    (Topic::Compare, &["compar", "difference", "versus", "vs", "both", "сравн", "отлич", "разниц"]),
    (Topic::Dimming, &["dim", "bright", "bulb", "ярк", "диммер", "лампочк", "цокол"]),
    (Topic::Color, &["white", "color", "colour", "black", "цвет", "бел", "чёрн", "черн"]),
    (
        Topic::Delivery,
        &["deliver", "arrive", "shipping", "ship ", "when would", "достав", "привез", "когда прид"],
    ),
    (Topic::OrderWithoutNumber, &["my order", "order status", "track", "заказ", "посылк"]),
    (Topic::Payment, &["pay", "card", "invoice", "оплат", "карт", "счёт"]),
    (
        Topic::Catalog,
        &[
            "lamp",
            "light",
            "vase",
            "stool",
            "mirror",
            "bowl",
            "jar",
            "catalog",
            "price",
            "cost",
            "reed",
            "jay",
            "linn",
            "ламп",
            "свет",
            "ваз",
            "табурет",
            "зеркал",
            "миск",
            "каталог",
            "цен",
            "стоит",
            "торшер",
        ],
    ),
    (Topic::Thanks, &["thank", "спасиб", "благодар"]),
    (
        Topic::Greeting,
        &["hello", "hi ", "hi!", "hi,", "hey", "good morning", "привет", "здравствуй", "добрый"],
    ),
];

pub(super) fn of(message: &str) -> Topic {
    // Blanks around it: a word's border is there at both ends too.
    let text = format!(" {} ", message.to_lowercase());
    let about_order = ["order", "track", "заказ", "посылк", "№"].iter().any(|word| text.contains(word));
    if let Some(number) = order_number(&text).filter(|_| about_order || text.trim().len() < 12) {
        return Topic::Order(number);
    }
    for (topic, words) in TOPICS {
        if words.iter().any(|word| begins_a_word(&text, word)) {
            return topic.clone();
        }
    }
    Topic::Other
}

fn begins_a_word(text: &str, word: &str) -> bool {
    let word = word.trim_start();
    text.match_indices(word)
        .any(|(at, _)| text.get(..at).and_then(|before| before.chars().last()).is_some_and(is_border))
}

fn is_border(letter: char) -> bool {
    !letter.is_alphanumeric()
}

/// Four to ten digits in a row, with or without a sign in front.
fn order_number(text: &str) -> Option<String> {
    text.split(|letter: char| !letter.is_ascii_digit())
        .find(|digits| (4..=10).contains(&digits.len()))
        .map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suggested_questions_have_their_topics() {
        let cases = [
            ("Which lamp suits a low ceiling?", Topic::Ceiling),
            ("When would my order arrive?", Topic::Delivery),
            ("How do returns work?", Topic::Returns),
            ("Something under €\u{a0}50 as a gift", Topic::Gift),
            ("Is Reed dimmable?", Topic::Dimming),
            ("And in white?", Topic::Color),
            ("Compare both", Topic::Compare),
            ("Где мой заказ 48213?", Topic::Order("48213".to_owned())),
            ("Где мой заказ?", Topic::OrderWithoutNumber),
            ("Сколько стоит доставка?", Topic::Delivery),
            ("Как вернуть вазу?", Topic::Returns),
            ("Привет!", Topic::Greeting),
            ("this is odd", Topic::Other),
        ];
        for (message, topic) in cases {
            assert_eq!(of(message), topic, "{message}");
        }
    }
}
