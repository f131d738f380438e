// Visitors talk through the built chat-proxy with a real n8n: every way in which a workflow can answer, and the usual mistakes.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startProxy } from "./proxy.mjs";
import { settings, webhookUrls } from "./real-n8n.mjs";
import { Visitor } from "./visitor.mjs";

const urls = webhookUrls();
const QUESTION = "Где мой заказ 👩‍👩‍👧‍👦?";

const header = { auth: "header", header_name: settings.header_auth.name, secret: settings.header_auth.value };
const basic = { auth: "basic", user: settings.basic_auth.user, password: settings.basic_auth.password };
const bearer = { auth: "bearer" };
const upstreams = {
  "webhook-streaming-jwt-auth": bearer,
  "webhook-other-secret": bearer,
  "webhook-header-auth": header,
  "webhook-basic-auth": basic,
  "chat-basic-auth": basic,
};
// A site's id is the key of its workflow; these are sites whose workflow is set up for somebody else.
const WITHOUT_KEY = "without-key";
const WRONG_SITE = "wrong-site";
const WRONG_SITE_401 = "wrong-site-401";

let proxy;
const visitors = [];

before(async () => {
  const sites = Object.entries(urls).map(([key, url]) => ({ id: key, url, upstream: upstreams[key] }));
  sites.push({ id: WITHOUT_KEY, url: urls["webhook-header-auth"] });
  sites.push({ id: WRONG_SITE, url: urls["webhook-streaming-jwt-in-workflow"] });
  sites.push({ id: WRONG_SITE_401, url: urls["webhook-respond-jwt-in-workflow"] });
  proxy = await startProxy(sites);
});
after(() => proxy?.stop());

async function arrive(site) {
  const visitor = await Visitor.arrive(proxy, site);
  visitors.push(visitor);
  return visitor;
}
const ask = async (site, message = QUESTION) => (await arrive(site)).ask(message);

function assertComplete(answer, turn, message = QUESTION) {
  assert.deepEqual({ state: answer.state, error: answer.error, done: answer.done }, { state: "complete", error: undefined, done: true });
  assert.ok(answer.text.startsWith(`[turn ${turn}] You said: ${message} |`), answer.text);
  assert.ok(answer.text.includes("<b>&amp;</b>"), `the end of the answer is missing: ${answer.text}`);
}

function assertStreamed(answer) {
  assert.ok(answer.items >= 5, `${answer.items} pieces`);
  assert.ok(answer.endMs - answer.firstItemMs >= 100, `all of it came within ${answer.endMs - answer.firstItemMs} ms`);
}

function assertFailed(answer) {
  assert.deepEqual({ state: answer.state, text: answer.text, done: answer.done }, { state: "failed", text: "", done: true });
  assert.match(answer.error?.code ?? "no error event", /^upstream_(unavailable|invalid)$/);
}

describe("a streaming Chat Trigger", () => {
  test("answers piece by piece, and remembers the conversation", async () => {
    const visitor = await arrive("chat-trigger-streaming");
    const first = await visitor.ask(QUESTION);
    assertComplete(first, 1);
    assertStreamed(first);
    assertComplete(await visitor.ask("А второй?"), 2, "А второй?");
  });

  test("keeps the conversations of two visitors apart", async () => {
    const [one, other] = [await arrive("chat-trigger-streaming"), await arrive("chat-trigger-streaming")];
    const [first, second] = await Promise.all([one.ask("one"), other.ask("other")]);
    assertComplete(first, 1, "one");
    assertComplete(second, 1, "other");
    assertComplete(await one.ask("one again"), 2, "one again");
  });

  test("lets its agent use a tool", async () => {
    const answer = await ask("chat-tool", "stock? #tool");
    assertComplete(answer, 1, "stock?");
    assert.match(answer.text, /\| the tool said: .*stock of заказ 42: 7/);
  });

  test("keeps the text that came before a tool call apart from the text after it", async () => {
    const answer = await ask("chat-tool", "stock? #tool #say");
    assert.equal(answer.state, "complete");
    assert.match(answer.text, /<b>&amp;<\/b>\s+\[turn 1\] You said: stock\?/);
  });

  test("is reached with Basic Auth", async () => assertComplete(await ask("chat-basic-auth"), 1));
});

describe("a streaming Webhook", () => {
  test("with JWT Auth answers piece by piece, and remembers the conversation", async () => {
    const visitor = await arrive("webhook-streaming-jwt-auth");
    const first = await visitor.ask(QUESTION);
    assertComplete(first, 1);
    assertStreamed(first);
    assertComplete(await visitor.ask("second"), 2, "second");
  });

  test("whose workflow checks the token answers, and remembers the conversation", async () => {
    const visitor = await arrive("webhook-streaming-jwt-in-workflow");
    assertComplete(await visitor.ask(QUESTION), 1);
    assertComplete(await visitor.ask("second"), 2, "second");
  });

  test("is reached with Header Auth", async () => assertComplete(await ask("webhook-header-auth"), 1));
  test("is reached with Basic Auth", async () => assertComplete(await ask("webhook-basic-auth"), 1));
});

describe("a workflow that answers all at once", () => {
  const sites = ["chat-last-node", "webhook-last-node", "webhook-respond-json", "webhook-respond-text", "webhook-respond-jwt-in-workflow"];
  for (const site of sites) {
    test(`answers from ${site}`, async () => assertComplete(await ask(site), 1));
  }
});

describe("a model that fails", () => {
  test("in the middle of an answer leaves what was said, marked as interrupted", async () => {
    const answer = await ask("chat-trigger-streaming", `${QUESTION} #err=9`);
    assert.equal(answer.state, "interrupted");
    assert.ok(answer.text.startsWith("[turn 1] You said"), answer.text);
    assert.ok(!answer.text.includes("&amp;"), answer.text);
    assert.ok(answer.error, "no error event");
    assert.ok(answer.done);
  });

  test("by dropping the connection leaves what was said, marked as interrupted", async () => {
    const answer = await ask("webhook-streaming-jwt-auth", `${QUESTION} #die=9`);
    assert.equal(answer.state, "interrupted");
    assert.ok(answer.text.startsWith("[turn 1] You said"), answer.text);
  });

  test("before it says anything fails the turn, and the next one succeeds", async () => {
    const visitor = await arrive("chat-trigger-streaming");
    assertFailed(await visitor.ask(`${QUESTION} #http=400`));
    assertComplete(await visitor.ask(QUESTION), 1);
  });
});

describe("a mistake of the owner", () => {
  // Mistake → the site that makes it, and the class under which the log explains it: the table of n8n/README.md.
  const mistakes = {
    "another secret in n8n than in chat-proxy": ["webhook-other-secret", "token_refused"],
    "a workflow that was never published": ["webhook-unpublished", "status_404"],
    "a missing key for Header Auth": [WITHOUT_KEY, "status_403"],
    "a workflow that expects the token of another site": [WRONG_SITE, "only_errors"],
    "the same, refused with a 401 of the workflow's own": [WRONG_SITE_401, "token_refused"],
    "streaming switched off in the agent": ["webhook-streaming-off", "empty_answer"],
    "the response mode Immediately": ["webhook-immediately", "workflow_started"],
  };
  for (const [name, [site, failure]] of Object.entries(mistakes)) {
    test(`is a failed turn to the visitor and ${failure} in the log: ${name}`, async () => {
      assertFailed(await ask(site));
      await proxy.logged((line) => line["site.id"] === site && line.class === failure);
    });
  }
});

// Last, over everything that the tests above have received.
describe("what leaves the server", () => {
  const secrets = [
    ...Object.values(urls).map((url) => new URL(url).pathname.replace("/webhook/", "").replace("/chat", "")),
    new URL(Object.values(urls)[0]).host,
    "/webhook",
    settings.session_secret_key,
    settings.header_auth.value,
    settings.basic_auth.password,
    Buffer.from(`${settings.basic_auth.user}:${settings.basic_auth.password}`).toString("base64"),
  ];

  test("to a visitor names no webhook, node, key or token", () => {
    // A site's own id and origin are the visitor's business, and "jwt" stands in some of these ids.
    const bytes = visitors.map((visitor) => visitor.received.replaceAll(visitor.site, "")).join("\n");
    assert.ok(bytes.includes("[turn 1]"), "nothing was received");
    for (const word of [...secrets, "nodeId", "nodeName", "jwt_token", "executionId", "stacktrace", "fake model failure"]) {
      assert.ok(!bytes.includes(word), `a visitor has seen ${word}`);
    }
    for (const pattern of [/\bjwt\b/i, /\bn8n\b/i, /eyJ[\w-]+\.eyJ/]) assert.doesNotMatch(bytes, pattern);
  });

  // What a failing node said may stand there: the log is the owner's.
  test("to the log names no webhook, key or token, and repeats no message", () => {
    const log = proxy.log();
    assert.ok(log.length > 0, "the log is empty");
    for (const word of [...secrets, "Где мой заказ", "You said"]) assert.ok(!log.includes(word), `the log holds ${word}`);
    assert.doesNotMatch(log, /eyJ[\w-]+\.eyJ/);
  });
});
