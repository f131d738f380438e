//! The agent's English.

use super::{Recall, topic::Topic};

const CEILING: &str = "Keep at least **2.0 m** free below a lamp. Under a low ceiling that is too little for a pendant, \
so I would light the room from below:

1. **Jay** stands on a table, its light is soft. €\u{a0}89
2. **Reed** is 152 cm tall and throws its light upwards, which makes the room look higher. €\u{a0}210

Both are in stock. Order by 16:00 and they leave today, see [delivery times](https://halma.example/delivery).";

const DELIVERY: &str = "Ordered by **16:00** on a working day, a parcel leaves the same day:

| To | Takes | Costs |
|---|---|---|
| Germany, Austria | 1–2 days | free from €\u{a0}60, else €\u{a0}4.90 |
| Rest of the EU | 3–5 days | €\u{a0}9.90 |
| Switzerland, Norway | 4–6 days | €\u{a0}14.90 |

Floor lamps and furniture come by carrier, who calls the day before. All of it is on the page with \
[delivery times](https://halma.example/delivery).";

const RETURNS: &str = "You have **30 days** from the day it arrives, without giving a reason.

1. Open your order and choose *Return*: the label comes by email.
2. Put the piece back in its own box. The bulbs too, please.
3. Drop it at any parcel shop. Furniture is picked up at your door.

The money is back within **5 days** after it reaches us. Returns from the EU cost nothing.";

const GIFT: &str = "Under €\u{a0}50 these three are given most often:

- **Clay vase**, €\u{a0}46. Thrown by hand, so no two are alike.
- **Blue bowl**, €\u{a0}38. For fruit or for keys at the door.
- **Green jar**, €\u{a0}29. Beech lid, closes tightly.

Gift wrapping is **€\u{a0}3** and the prices stay off the delivery note. Shall I tell you which one arrives first?";

const COMPARE: &str = "Here they are side by side:

| Piece | Height | Base | Weight | Bulb | Price |
|---|---|---|---|---|---:|
| **Jay** | 41 cm | Ø 16 cm | 1.9 kg | E14, 5 W | €\u{a0}89 |
| **Reed** | 152 cm | Ø 28 cm | 6.4 kg | E27, 12 W | €\u{a0}210 |
| **Linn** | 26 cm | Ø 38 cm | 1.4 kg | E27, 9 W | €\u{a0}129 |

For reading I would take **Jay**; to light a whole corner, **Reed**. Over a dining table, **Linn**.";

const DIMMING: &str =
    "Yes. **Reed** and **Linn** take any dimmable E27 bulb, and Reed has a foot dimmer on its cable. \
**Jay** has three fixed steps, the lowest is about 60 lm.

With the bulb in the box you get warm white, 2700 K.";

const COLOR: &str =
    "In white there are **Jay** and the **Clay vase**; both are in stock. **Linn** comes in forest green, \
sand and black. **Reed** has a black foot, its shade is linen or white.

White costs the same.";

const CODE: &str = "### Embed the size guide

Put this where the guide should appear. Set `data-unit` to `in` for inches.

```html
<div class=\"guide\"
     data-item=\"reed-152\"
     data-unit=\"cm\"></div>
```

The script on the page finds it by itself.";

const PAYMENT: &str = "You can pay by **card**, **PayPal**, **SEPA** or on **invoice** within 14 days. Nothing is charged \
before the parcel leaves us. For a company order, write the VAT number into the second address line.";

const CATALOG: &str = "This is what we have right now, all of it in stock:

| Piece | For | Price |
|---|---|---:|
| **Linn pendant** | dining table | €\u{a0}129 |
| **Jay table lamp** | bedside, desk | €\u{a0}89 |
| **Reed floor lamp** | corners, low rooms | €\u{a0}210 |
| **Clay vase** | dried and fresh | €\u{a0}46 |
| **Round mirror** | hallway | €\u{a0}115 |
| **Oak stool** | 45 cm, carries 120 kg | €\u{a0}74 |
| **Blue bowl** | stoneware | €\u{a0}38 |
| **Green jar** | beech lid | €\u{a0}29 |

Tell me the room and I will narrow it down.";

const OTHER: &str = "I am not sure I got that right, but I can help with most things here:

- **Finding a piece**: tell me the room, its size or what you would like to spend.
- **Delivery and returns**: what it costs and how long it takes.
- **Your order**: with its number I can look up where it is.

What would you like to know?";

pub(super) fn answer(topic: &Topic, recall: &Recall) -> String {
    let text = match topic {
        Topic::Ceiling => CEILING.to_owned(),
        Topic::Delivery => DELIVERY.to_owned(),
        Topic::Returns => RETURNS.to_owned(),
        Topic::Gift => GIFT.to_owned(),
        Topic::Order(number) => order(number),
        Topic::OrderWithoutNumber => {
            "Gladly. Please send me the **order number**: five digits, at the top of the confirmation email."
                .to_owned()
        }
        Topic::Compare => COMPARE.to_owned(),
        Topic::Dimming => DIMMING.to_owned(),
        Topic::Color => COLOR.to_owned(),
        Topic::Code => CODE.to_owned(),
        Topic::Payment => PAYMENT.to_owned(),
        Topic::Catalog => CATALOG.to_owned(),
        Topic::Memory => return memory(recall),
        Topic::Thanks => "With pleasure. Enjoy it, and write again if anything is missing.".to_owned(),
        Topic::Greeting => {
            "Hello! I know the catalog, delivery and returns, and with an **order number** I can look \
                            up your order. What are you looking for?"
                .to_owned()
        }
        Topic::Other => OTHER.to_owned(),
    };
    match recall.topic.as_ref().and_then(name) {
        Some(before) => format!("{text}\n\nYou asked before about {before}: shall we come back to that?"),
        None => text,
    }
}

fn order(number: &str) -> String {
    format!(
        "Order **{number}** left our warehouse yesterday.\n\n- **Contents**: Jay table lamp, two bulbs\n\
         - **Carrier**: on the van today, between 14:00 and 18:00\n- **Paid**: €\u{a0}89, by card\n\n\
         If nobody is at home, it goes to the parcel shop around the corner and waits there for 7 days."
    )
}

fn memory(recall: &Recall) -> String {
    match &recall.question {
        Some(question) => {
            format!("Your last question was: “{question}” I still have it in mind, just go on from there.")
        }
        None => "This is your first question here, so there is nothing before it yet.".to_owned(),
    }
}

fn name(topic: &Topic) -> Option<String> {
    Some(match topic {
        Topic::Ceiling => "a lamp for a low ceiling".to_owned(),
        Topic::Delivery => "delivery".to_owned(),
        Topic::Returns => "returns".to_owned(),
        Topic::Gift => "a gift".to_owned(),
        Topic::Compare => "the difference between the lamps".to_owned(),
        Topic::Order(number) => format!("order {number}"),
        _ => return None,
    })
}
