// What the workflow templates accept and refuse, seen from beside chat-proxy: tokens made by hand, posted to n8n directly.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { bodyFor, claimsFor, secondsFromNow, sign } from "./hand-made-token.mjs";
import { postToWebhook, webhookUrls } from "./real-n8n.mjs";

const urls = webhookUrls();
// Beyond ASCII and the basic plane: the hash in n8n must be over the same UTF-8 bytes as ours.
const MESSAGE = "Где мой заказ 👩‍👩‍👧‍👦?";

describe("chat-trigger-streaming", () => {
  test("answers and remembers the conversation", async () => {
    const sessionId = randomUUID();
    const first = await postToWebhook(urls["chat-trigger-streaming"], bodyFor("first", "", sessionId));
    const second = await postToWebhook(urls["chat-trigger-streaming"], bodyFor("second", "", sessionId));
    assert.match(first.text, /^\[turn 1\] You said: first /);
    assert.match(second.text, /^\[turn 2\] You said: second /);
  });

  test("does not hand out a conversation's history", async () => {
    const sessionId = randomUUID();
    await postToWebhook(urls["chat-trigger-streaming"], bodyFor("a secret word", "", sessionId));
    const answer = await postToWebhook(urls["chat-trigger-streaming"], { action: "loadPreviousSession", sessionId });
    assert.ok(!answer.raw.includes("a secret word"), answer.raw);
  });
});

describe("webhook-streaming-jwt-auth", () => {
  const post = (token) =>
    postToWebhook(urls["webhook-streaming-jwt-auth"], bodyFor(MESSAGE, ""), token ? { authorization: `Bearer ${token}` } : {});

  test("answers a good token", async () => {
    const answer = await post(sign(claimsFor("any-site", MESSAGE)));
    assert.equal(answer.status, 200);
    assert.ok(answer.text.includes(`You said: ${MESSAGE}`), answer.raw);
  });

  const refused = {
    "no token": [() => undefined, 401],
    "an expired token": [() => sign(claimsFor("any-site", MESSAGE, { exp: secondsFromNow(-1) })), 403],
    "a token signed with another key": [() => sign(claimsFor("any-site", MESSAGE), { secret: "x".repeat(44) }), 403],
    "an unsigned token": [() => sign(claimsFor("any-site", MESSAGE), { alg: "none" }), 403],
    "a token of another algorithm": [() => sign(claimsFor("any-site", MESSAGE), { alg: "HS512" }), 403],
  };
  for (const [name, [token, status]] of Object.entries(refused)) {
    test(`refuses ${name} with ${status}`, async () => assert.equal((await post(token())).status, status));
  }

  test("checks neither the site nor that a token is used once", async () => {
    const token = sign(claimsFor("any-site", MESSAGE));
    assert.equal((await post(token)).status, 200);
    assert.equal((await post(token)).status, 200);
  });
});

// The same checks, once where a streaming webhook has said 200 before the workflow ran, once with a real 401.
const guarded = {
  "webhook-streaming-jwt-in-workflow": {
    answered: (answer) => answer.status === 200 && !answer.failed && answer.text.includes("You said: "),
    refused: (answer) => answer.status === 200 && answer.failed && answer.text === "",
  },
  "webhook-respond-jwt-in-workflow": {
    answered: (answer) => answer.status === 200 && JSON.parse(answer.raw).output.includes("You said: "),
    refused: (answer) => answer.status === 401 && answer.raw.replaceAll(/\s/g, "") === '{"error":"invalid_token"}',
  },
};

for (const [key, { answered, refused }] of Object.entries(guarded)) {
  describe(key, () => {
    const post = (message, token) => postToWebhook(urls[key], bodyFor(message, token));
    const assertAnswered = (answer) => assert.ok(answered(answer), `${answer.status} ${answer.raw}`);
    const assertRefused = (answer) => assert.ok(refused(answer), `${answer.status} ${answer.raw}`);

    test("answers a good token and remembers the conversation that the token names", async () => {
      const session_id = randomUUID();
      assertAnswered(await post(MESSAGE, sign(claimsFor(key, MESSAGE, { session_id }))));
      const second = await post("second", sign(claimsFor(key, "second", { session_id })));
      assertAnswered(second);
      assert.ok((second.text || JSON.parse(second.raw).output).startsWith("[turn 2] You said: second "), second.raw);
    });

    test("answers a token whose time passed 1 second ago", async () =>
      assertAnswered(await post(MESSAGE, sign(claimsFor(key, MESSAGE, { exp: secondsFromNow(-1) })))));

    const bad = {
      "no token": () => undefined,
      "a token whose time passed 7 seconds ago": () => sign(claimsFor(key, MESSAGE, { exp: secondsFromNow(-7) })),
      "a token that begins 20 seconds from now": () => sign(claimsFor(key, MESSAGE, { nbf: secondsFromNow(20) })),
      "a token without an end": () => sign(claimsFor(key, MESSAGE, { exp: undefined })),
      "a token of another site": () => sign(claimsFor(key, MESSAGE, { aud: "another-site" })),
      "a token without a site": () => sign(claimsFor(key, MESSAGE, { aud: undefined })),
      "a token without a jti": () => sign(claimsFor(key, MESSAGE, { jti: undefined })),
      "a token made for another message": () => sign(claimsFor(key, "another message")),
      "a token signed with another key": () => sign(claimsFor(key, MESSAGE), { secret: "x".repeat(44) }),
      "an unsigned token": () => sign(claimsFor(key, MESSAGE), { alg: "none" }),
      "a token of another algorithm": () => sign(claimsFor(key, MESSAGE), { alg: "HS512" }),
      "something that is no token": () => "abc",
    };
    for (const [name, token] of Object.entries(bad)) {
      test(`refuses ${name}`, async () => assertRefused(await post(MESSAGE, token())));
    }

    test("refuses a token that was used before", async () => {
      const token = sign(claimsFor(key, MESSAGE));
      assertAnswered(await post(MESSAGE, token));
      assertRefused(await post(MESSAGE, token));
      assertRefused(await post(MESSAGE, token));
    });

    test("refuses a token that is being used in this moment", async () => {
      // Long enough that the first answer still runs when the second request has been judged.
      const message = `${MESSAGE} #n=100`;
      const token = sign(claimsFor(key, message));
      const answers = await Promise.all([post(message, token), post(message, token), post(message, token)]);
      const accepted = answers.filter(answered);
      assert.ok(accepted.length <= 1, `${accepted.length} of 3 were answered`);
      assert.equal(answers.filter(refused).length, 3 - accepted.length);
    });
  });
}
