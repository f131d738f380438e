//! Answers that are streamed: the lines, their order, and what can go wrong between them.

use std::time::Duration;

use crate::{
    route::Trigger,
    script::{Finish, Script, Start, Step},
    wire::{Line, Node, chat_stream_head, webhook_stream_head},
    words::Words,
};

use super::{Answer, Asked};

/// n8n's own interval.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Given to the client to read what was sent before a reset throws it away.
const BEFORE_RESET: Duration = Duration::from_millis(50);
const FLOOD_BLOCK: usize = 64 * 1024;
const BOMB_SIZE: usize = 128 * 1024 * 1024;
const BIG_LINE: usize = 100 * 1024 * 1024;

const CHAT_AGENT: Node = Node { id: "4b41adc8-30f7-5386-b4f4-33694dfb9ac2", name: "Agent" };
const WEBHOOK_AGENT: Node = Node { id: "4652dac9-90cb-5110-9166-df9e9123b0de", name: "Agent" };
const CLASSIFIER: Node = Node { id: "f53770aa-4f26-5481-bb25-0bae46b93193", name: "Classifier" };
const BROKEN_TOOL: Node = Node { id: "a2f071bb-8375-58e4-86e8-190f4422eb94", name: "broken_tool" };
const AGENT: usize = 0;
const SECOND: usize = 1;
const TOOL: usize = 2;

const LOOKING_UP: &str = "Let me look that up. ";
const CLASS: &str = "category: delivery";
const NO_INPUT: &str = "Expected to find the prompt in an input field called 'chatInput' (this is what the chat \
                        trigger node node outputs). To use something else, change the 'Prompt' parameter";

/// The script, and whether n8n's memory would hold the turn afterwards.
pub(crate) fn script(asked: &Asked<'_>, answer: Answer) -> (Script, bool) {
    let (head, agent) = match asked.trigger {
        Trigger::Chat => (chat_stream_head(), CHAT_AGENT),
        Trigger::Webhook => (webhook_stream_head(), WEBHOOK_AGENT),
    };
    let words = asked.words;
    let mut script = Script::new(Start::Head(head));
    script.nodes = vec![agent, CLASSIFIER, BROKEN_TOOL];
    let hangs = words.has("hang") || words.has("hanghead") || words.has("hangmid");
    script.keepalive = words.millis("keepalive").or((!hangs).then_some(KEEPALIVE));

    if words.has("garbage") {
        script.start =
            Start::Raw(b"\x16\x03\x01 this is not HTTP\r\n\xff\xfe{\"type\":\"begin\"}\r\n\r\n".to_vec());
        script.finish = Finish::Cut;
        return (script, false);
    }
    if words.has("hang") {
        (script.start, script.keepalive) = (Start::Nothing, None);
        script.steps.push(Step::Hang);
        return (script, false);
    }
    if words.has("hanghead") {
        script.steps.push(Step::Hang);
        return (script, false);
    }
    if words.has("off") {
        return (script, false);
    }
    if asked.input.message.is_none() {
        script.steps.push(Step::Error(AGENT, Some(NO_INPUT.to_owned())));
        return (script, false);
    }
    let mut lines = Lines::new(asked, answer);
    let completes = lines.write(words, &mut script);
    script.text = lines.answer.text;
    script.steps = lines.steps;
    (script, completes)
}

/// The steps while they are being written down.
struct Lines {
    answer: Answer,
    first: Duration,
    delay: Duration,
    error: String,
    steps: Vec<Step>,
}

impl Lines {
    fn new(asked: &Asked<'_>, answer: Answer) -> Self {
        let options = &asked.shared.options;
        let delay = asked.words.millis("delay").unwrap_or(options.piece_delay);
        let first = if answer.demo { options.first_delay } else { delay };
        let host = asked.request.header("host").unwrap_or("n8n");
        let path = &asked.request.path;
        Self {
            first: asked.words.millis("first").unwrap_or(first),
            delay,
            error: format!(
                "401 Incorrect API key provided: sk-proj-abc123DEF456ghi789JKL012. Called by http://{host}{path}"
            ),
            steps: Vec::with_capacity(answer.pieces.len() * 2 + 8),
            answer,
        }
    }

    /// Writes the steps; says whether the answer comes to a good end.
    fn write(&mut self, words: &Words, script: &mut Script) -> bool {
        self.before_the_answer(words);
        self.begin(AGENT);
        if words.has("error") {
            self.steps.push(Step::Error(AGENT, Some(self.error.clone())));
            return false;
        }
        if words.has("nothing") {
            self.steps.push(Step::End(AGENT));
            return true;
        }
        let all = self.answer.pieces.len();
        let half = all / 2;
        let (stop, finish) = if let Some(count) = words.number("die", half) {
            (count, Finish::Cut)
        } else if let Some(count) = words.number("reset", half) {
            (count, Finish::Reset)
        } else if words.has("trunccut") {
            (half, Finish::Cut)
        } else if words.has("errormid") || words.has("trunc") {
            (half, Finish::Keep)
        } else if let Some(count) = words.number("hangmid", half) {
            (count, Finish::Keep)
        } else {
            return self.whole_answer(words, script);
        };
        script.finish = finish;
        self.items(0, stop.min(all));
        if words.has("errormid") {
            self.steps.push(Step::Error(AGENT, Some(self.error.clone())));
        } else if words.has("trunc") || words.has("trunccut") {
            self.steps.push(Step::Payload(cut_line(script)));
        } else if words.has("hangmid") {
            self.steps.push(Step::Hang);
        } else if finish == Finish::Reset {
            self.steps.push(Step::Wait(BEFORE_RESET));
        }
        false
    }

    /// All that comes before the call that answers: other nodes, tool calls, a first attempt.
    fn before_the_answer(&mut self, words: &Words) {
        if words.has("two") {
            self.said(SECOND, CLASS);
        }
        if words.has("toolsay") {
            self.said(AGENT, LOOKING_UP);
        } else if words.has("tool") || words.has("toolbroken") || self.answer.tool {
            self.begin(AGENT);
            self.steps.push(Step::Wait(self.first));
            self.steps.push(Step::End(AGENT));
        }
        if words.has("toolbroken") {
            self.steps.push(Step::Error(TOOL, None));
        }
        if words.has("retry") {
            // The first attempt: its text is to be thrown away, and no `end` says so.
            self.begin(AGENT);
            self.items(0, self.answer.pieces.len().div_ceil(3));
        }
    }

    fn whole_answer(&mut self, words: &Words, script: &mut Script) -> bool {
        let all = self.answer.pieces.len();
        if words.has("endless") {
            // At least one letter per round, or it would be an endless silence.
            let again = self.steps.len();
            self.items(0, all.max(1));
            self.steps.push(Step::Wait(self.delay));
            self.steps.push(Step::Again(again));
            return false;
        }
        let half = all / 2;
        self.items(0, half);
        if words.has("badutf8") {
            self.steps.push(Step::Payload(bad_utf8_line(script)));
        }
        if let Some(size) = words.number("bigline", BIG_LINE) {
            self.steps.push(flood(script, size));
        }
        if words.has("bomb") {
            self.steps.push(flood(script, BOMB_SIZE));
        }
        self.items(half, all);
        if words.has("noend") {
            return false;
        }
        self.steps.push(Step::End(AGENT));
        true
    }

    fn begin(&mut self, node: usize) {
        self.steps.push(Step::Begin(node));
    }

    /// The pieces `from..to`, each after its wait.
    fn items(&mut self, from: usize, to: usize) {
        for (index, piece) in self.answer.pieces.iter().enumerate().take(to).skip(from) {
            let wait = if index == 0 { self.first } else { self.delay };
            if !wait.is_zero() {
                self.steps.push(Step::Wait(wait));
            }
            self.steps.push(Step::Item(AGENT, piece.clone()));
        }
    }

    /// A part of its own: begin, one item, end. Its text is kept behind the answer's.
    fn said(&mut self, node: usize, text: &str) {
        let start = self.answer.text.len();
        self.answer.text.push_str(text);
        self.begin(node);
        self.steps.push(Step::Wait(self.delay));
        self.steps.push(Step::Item(node, start..self.answer.text.len()));
        self.steps.push(Step::End(node));
    }
}

fn item_line(script: &Script, content: &str) -> Vec<u8> {
    let mut line = Vec::new();
    if let Some(agent) = script.nodes.first() {
        Line::Item(content).write_to(agent, &mut line);
    }
    line
}

/// A line that stops in the middle of its metadata.
fn cut_line(script: &Script) -> Vec<u8> {
    let mut line = item_line(script, "cut");
    line.truncate(line.len() / 2);
    line
}

/// A line whose content holds bytes that are no UTF-8: `bad[FF C3]byte `.
fn bad_utf8_line(script: &Script) -> Vec<u8> {
    let line = item_line(script, "bad@@byte ");
    let mut marks = [0xff, 0xc3].into_iter();
    line.into_iter().map(|byte| if byte == b'@' { marks.next().unwrap_or(byte) } else { byte }).collect()
}

/// One item with so many letters, never held in memory as a whole.
fn flood(script: &Script, size: usize) -> Step {
    let line = item_line(script, "@");
    let at = line.iter().position(|byte| *byte == b'@').unwrap_or(0);
    let (before, after) = (line.get(..at).unwrap_or_default(), line.get(at + 1..).unwrap_or_default());
    let mut rest = vec![b'a'; size % FLOOD_BLOCK];
    rest.extend_from_slice(after);
    Step::Flood { before: before.to_vec(), byte: b'a', count: size / FLOOD_BLOCK, after: rest }
}
