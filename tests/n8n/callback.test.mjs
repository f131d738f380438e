// A real n8n that answers later, tells its execution, and is stopped through its public API.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Editor, n8nUrl } from "./editor.mjs";
import { startProxy } from "./proxy.mjs";
import { webhookUrls } from "./real-n8n.mjs";
import { Visitor } from "./visitor.mjs";

const urls = webhookUrls();
const QUESTION = "Где мой заказ 👩‍👩‍👧‍👦?";
const LATE = "webhook-late-answer";
const STOPPABLE = "webhook-streaming-stoppable";
const WRONG_KEY = "wrong-key";
const WRONG_SCOPE = "wrong-scope";
const CANCELED_MS = 10_000;

let editor;
let proxy;
let apiKey;

before(async () => {
  editor = await Editor.signIn();
  apiKey = await editor.makeApiKey("chat-proxy", ["execution:stop"]);
  const otherKey = await editor.makeApiKey("chat-proxy-other", ["workflow:list"]);
  const site = (id, url, api_key) => ({ id, url, upstream: { auth: "bearer", callback: true, api_key } });
  proxy = await startProxy([
    site(LATE, urls[LATE], apiKey),
    site(STOPPABLE, urls[STOPPABLE], apiKey),
    site(WRONG_KEY, urls[STOPPABLE], `${apiKey}x`),
    site(WRONG_SCOPE, urls[STOPPABLE], otherKey),
  ]);
});
after(() => proxy?.stop());

const visitors = [];

async function arrive(site) {
  const visitor = await Visitor.arrive(proxy, site);
  visitors.push(visitor);
  return visitor;
}

/** Stops an answer after `count` events of this type. */
function stopAt(visitor, type, count = 1) {
  let seen = 0;
  return (event) => {
    if (event.type === type && ++seen === count) visitor.stop();
  };
}

/** The line of the log about the execution of a stopped answer of this site. */
async function stopLine(site) {
  let found;
  await proxy.logged((line) => {
    if (line["site.id"] === site && line["execution.id"]) found = line;
    return found !== undefined;
  });
  return found;
}

async function becomes(executionId, status) {
  for (const deadline = Date.now() + CANCELED_MS; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const now = await editor.statusOf(executionId);
    if (now === status) return;
    if (Date.now() > deadline) assert.fail(`execution ${executionId} is ${now}`);
  }
}

describe("a workflow that answers later", () => {
  test("is waited for, and its answer is kept", async () => {
    const visitor = await arrive(LATE);
    const events = [];
    const answer = await visitor.ask(QUESTION, (event) => events.push(event.type));
    assert.deepEqual({ state: answer.state, error: answer.error, done: answer.done }, { state: "complete", error: undefined, done: true });
    assert.deepEqual(events, ["begin", "status", "item", "end"]);
    assert.ok(answer.text.startsWith(`[turn 1] You said: ${QUESTION} |`), answer.text);
    const [, kept] = await visitor.history();
    assert.deepEqual(kept, { role: "assistant", content: answer.text, state: "complete" });
    assert.match((await visitor.ask("second")).text, /^\[turn 2\] You said: second /);
  });

  test("says when its agent failed, and nobody waits any more", async () => {
    const answer = await (await arrive(LATE)).ask(`${QUESTION} #http=400`);
    assert.equal(answer.state, "failed");
    assert.equal(answer.error.code, "upstream_invalid");
  });

  test("is stopped in n8n when the visitor has waited enough", async () => {
    const visitor = await arrive(LATE);
    const answer = await visitor.ask(`${QUESTION} #first=20000`, stopAt(visitor, "status"));
    assert.equal(answer.state, "stopped");
    await becomes((await stopLine(LATE))["execution.id"], "canceled");
  });
});

describe("a streaming workflow that tells its execution", () => {
  let stopped;

  test("is stopped in n8n with its answer, whose text is kept", async () => {
    const visitor = await arrive(STOPPABLE);
    const answer = await visitor.ask(`${QUESTION} #n=400 #delay=50`, stopAt(visitor, "item", 5));
    assert.equal(answer.state, "stopped");
    assert.ok(answer.text.startsWith("[turn 1] You said"), answer.text);
    stopped = (await stopLine(STOPPABLE))["execution.id"];
    await becomes(stopped, "canceled");
    assert.equal((await visitor.history())[1].content, answer.text);
  });

  test("answers as ever when nobody stops it", async () => {
    const answer = await (await arrive(STOPPABLE)).ask(QUESTION);
    assert.equal(answer.state, "complete");
    assert.ok(answer.items >= 5, `${answer.items} pieces`);
  });

  const refused = { "a key that n8n does not know": [WRONG_KEY, "status_401"], "a key without the scope": [WRONG_SCOPE, "status_403"] };
  for (const [name, [site, failure]] of Object.entries(refused)) {
    test(`goes on with ${name}, and the log says why`, async () => {
      const visitor = await arrive(site);
      const answer = await visitor.ask(`${QUESTION} #n=60 #delay=50`, stopAt(visitor, "item", 5));
      assert.equal(answer.state, "stopped");
      const line = await stopLine(site);
      assert.equal(line.class, failure);
      await becomes(line["execution.id"], "success");
    });
  }

  test("that ended before is no longer to be stopped, which n8n's API says with its own status", async () => {
    const stop = (id) => fetch(`${n8nUrl()}/api/v1/executions/${id}/stop`, { method: "POST", headers: { "x-n8n-api-key": apiKey } });
    const statuses = [(await stop(stopped)).status, (await stop("999999")).status];
    assert.deepEqual(statuses, [409, 404]);
  });
});

// Last, over everything that the tests above have received.
test("neither a visitor nor the log learns a callback address or the key of the API", () => {
  const received = visitors.map((visitor) => visitor.received).join("\n");
  assert.ok(received.includes("[turn 1]"), "nothing was received");
  for (const text of [received, proxy.log()]) {
    for (const word of [apiKey, "upstream/callback/eyJ"]) assert.ok(!text.includes(word), word);
    assert.doesNotMatch(text, /eyJ[\w-]+\.eyJ/);
  }
});
