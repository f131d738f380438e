// A visitor of one shop: a session, and messages whose answers are read to the end. Keeps every byte it was sent.

import { originOf } from "./proxy.mjs";

const ANSWER_MS = 60_000;

export class Visitor {
  #proxy;
  #token;
  #sessionId;
  site;
  /** All that this visitor has received: heads and bodies, the session token left out. */
  received = "";

  static async arrive(proxy, site) {
    const visitor = new Visitor();
    visitor.#proxy = proxy;
    visitor.site = site;
    const response = await visitor.#post("/api/v1/session/create", { site, page_url: `${originOf(site)}/cart` });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`session/create: ${response.status} ${text}`);
    visitor.#token = JSON.parse(text).session_token;
    visitor.#sessionId = JSON.parse(text).session_id;
    visitor.received += text.replaceAll(visitor.#token, "");
    return visitor;
  }

  /** Ends the running answer. */
  async stop() {
    const response = await this.#post("/api/v1/chat/stop", {});
    if (response.status !== 200) throw new Error(`chat/stop: ${response.status} ${await response.text()}`);
  }

  /** What was said before: `[{role, content, state}]`, oldest first. */
  async history() {
    const response = await fetch(`${this.#proxy.url}/api/v1/chat/history/${this.#sessionId}`, {
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const text = await response.text();
    this.received += text;
    return JSON.parse(text).messages.map(({ role, content, state }) => ({ role, content, state }));
  }

  /** One turn: `{text, items, state, error, done, firstItemMs, endMs}`. `onEvent` sees each event as it comes. */
  async ask(message, onEvent = () => {}) {
    const startedAt = performance.now();
    const answer = { text: "", items: 0, state: undefined, error: undefined, done: false };
    const response = await this.#post("/api/v1/chat/stream", { message });
    if (response.status !== 200) throw new Error(`chat/stream: ${response.status} ${await response.text()}`);
    for await (const data of this.#events(response)) {
      if (data === "[DONE]") {
        answer.done = true;
        continue;
      }
      const event = JSON.parse(data);
      onEvent(event);
      if (event.type === "item") {
        answer.firstItemMs ??= performance.now() - startedAt;
        answer.items += 1;
        answer.text += event.content;
      } else if (event.type === "reset") {
        answer.text = "";
      } else if (event.type === "error") {
        answer.error = event;
      } else if (event.type === "end") {
        answer.endMs = performance.now() - startedAt;
        answer.state = event.state;
      }
    }
    return answer;
  }

  async #post(path, body) {
    const response = await fetch(this.#proxy.url + path, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        origin: originOf(this.site),
        ...(this.#token ? { authorization: `Bearer ${this.#token}` } : {}),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    for (const [name, value] of response.headers) {
      // The cookie holds the session token.
      if (name !== "set-cookie") this.received += `${name}: ${value}\n`;
    }
    return response;
  }

  /** The `data` of each server-sent event. */
  async *#events(response) {
    let pending = "";
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      this.received += text;
      const blocks = (pending + text).split("\n\n");
      pending = blocks.pop();
      for (const block of blocks) {
        const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
        if (data.length > 0) yield data.join("\n");
      }
    }
    if (pending.trim() !== "") throw new Error(`the stream ended inside an event: ${pending}`);
  }
}
