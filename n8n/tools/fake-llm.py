#!/usr/bin/env python3
"""A stand-in for an OpenAI-compatible model, so that n8n's AI Agent answers without an account and always the same.

    fake-llm.py PORT

Serves GET /v1/models and POST /v1/chat/completions on the loopback, plain or streamed. Standard library only.

The answer is "[turn N] You said: <the visitor's words> | <a fixed sentence>", N being the number of user messages the
model was shown: a test reads from it what the agent's memory held. Words of the last user message that begin with `#`
steer the answer and are not repeated in it:

    #delay=MS    pause between two tokens (default 20)
    #n=N         pad the answer to at least N tokens
    #tool        call the first tool that is offered, then answer with what it returned
    #say         with #tool: some text before the call
    #http=CODE   refuse with this status
    #err=N       an error object inside the stream after N tokens
    #die=N       drop the connection after N tokens
    #empty       an answer without text
"""
import json
import re
import select
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIRECTIVE = re.compile(r"#([a-z]+)(?:=(\d+))?")
SENTENCE = "Ваш заказ уже в пути 🛒 and arrives on “Tuesday” <b>&amp;</b>"
TOOL_ARGUMENTS = json.dumps({"query": "заказ 42", "input": "заказ 42"}, ensure_ascii=False)
ERROR = {"error": {"message": "fake model failure", "type": "server_error", "code": "fake_failure"}}
DEFAULT_DELAY_MS = 20
LONGEST_TOKEN = 5


def text_of(content):
    """A message's content is a string or a list of parts."""
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content or ""


def split_into_tokens(text):
    """Short pieces, some of them inside a word or an emoji sequence, as a real tokenizer makes them."""
    tokens = []
    for word in re.findall(r"\s*\S+|\s+$", text):
        tokens += [word[at:at + LONGEST_TOKEN] for at in range(0, len(word), LONGEST_TOKEN)]
    return tokens


class Answer:
    """What the model will say to one request."""

    def __init__(self, request):
        messages = request.get("messages") or []
        asked = [text_of(m.get("content")) for m in messages if m.get("role") == "user"]
        question = asked[-1] if asked else ""
        self.directives = {name: int(value or 0) for name, value in DIRECTIVE.findall(question)}
        words = re.sub(r"\s+", " ", DIRECTIVE.sub("", question)).strip()
        text = f"[turn {len(asked)}] You said: {words} | {SENTENCE}"

        tool_has_run = bool(messages) and messages[-1].get("role") == "tool"
        if tool_has_run:
            text += " | the tool said: " + text_of(messages[-1].get("content"))
        offered = [tool["function"]["name"] for tool in request.get("tools") or []]
        self.tool = offered[0] if "tool" in self.directives and offered and not tool_has_run else None

        self.tokens = [] if "empty" in self.directives else split_into_tokens(text)
        while self.tokens and len(self.tokens) < self.directives.get("n", 0):
            self.tokens.append(f" w{len(self.tokens)}")
        if self.tool and "say" not in self.directives:
            self.tokens = []
        self.delay = self.directives.get("delay", DEFAULT_DELAY_MS) / 1000


class Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """Silent: what a test needs to know stands in the answer."""

    def reply(self, status, document):
        body = json.dumps(document, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(200, {"object": "list", "data": [{"id": "fake-1", "object": "model", "created": 1, "owned_by": "local"}]})

    def do_POST(self):
        try:
            request = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        except ValueError:
            return self.reply(400, ERROR)
        answer = Answer(request)
        if "http" in answer.directives:
            return self.reply(answer.directives["http"] or 500, ERROR)
        try:
            (self.stream if request.get("stream") else self.whole)(answer)
        except OSError:
            self.close_connection = True  # the peer has left, or the test asked for a dropped connection

    def whole(self, answer):
        self.pause(answer.delay * len(answer.tokens))
        message, reason = {"role": "assistant", "content": "".join(answer.tokens) or None}, "stop"
        if answer.tool:
            function = {"name": answer.tool, "arguments": TOOL_ARGUMENTS}
            message["tool_calls"], reason = [{"id": "call_1", "type": "function", "function": function}], "tool_calls"
        self.reply(200, {
            "id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time()), "model": "fake-1",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 10, "completion_tokens": len(answer.tokens), "total_tokens": 10 + len(answer.tokens)},
        })

    def stream(self, answer):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.delta({"role": "assistant", "content": ""})
        for number, token in enumerate(answer.tokens):
            if answer.directives.get("die") == number:
                raise ConnectionAbortedError("as the message asked")
            if answer.directives.get("err") == number:
                self.event(ERROR)
                return self.chunk(b"")
            self.delta({"content": token})
            self.pause(answer.delay)
        if answer.tool:
            call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": answer.tool, "arguments": ""}}
            self.delta({"tool_calls": [call]})
            for at in range(0, len(TOOL_ARGUMENTS), 6):
                self.delta({"tool_calls": [{"index": 0, "function": {"arguments": TOOL_ARGUMENTS[at:at + 6]}}]})
        self.delta({}, "tool_calls" if answer.tool else "stop")
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def delta(self, delta, reason=None):
        self.event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": int(time.time()), "model": "fake-1",
                    "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    def event(self, document):
        self.chunk(b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n")

    def chunk(self, data):
        """One HTTP chunk; an empty one ends the body."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def pause(self, seconds):
        """Wakes early when the peer closes: before the answer's end it has nothing else to say."""
        if select.select([self.connection], [], [], seconds)[0]:
            raise ConnectionResetError("the peer has left")


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Model)
    server.daemon_threads = True
    server.serve_forever()
