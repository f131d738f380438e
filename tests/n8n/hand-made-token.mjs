// Upstream tokens made by hand, good and bad, to see what a workflow refuses. chat-proxy itself makes only good ones.

import { createHash, createHmac, randomUUID } from "node:crypto";
import { settings } from "./real-n8n.mjs";

const part = (object) => Buffer.from(JSON.stringify(object)).toString("base64url");

export function sign(claims, { alg = "HS256", secret = settings.session_secret_key } = {}) {
  const signed = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
  const hash = { HS256: "sha256", HS512: "sha512" }[alg];
  return `${signed}.${hash ? createHmac(hash, secret).update(signed).digest("base64url") : ""}`;
}

/** The claims of a token that is good for `message` on `site` now. */
export function claimsFor(site, message, changes = {}) {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: "http://127.0.0.1:8000",
    aud: site,
    session_id: "made-by-hand",
    iat: now,
    nbf: now,
    exp: now + 30,
    jti: randomUUID(),
    msg_sha256: createHash("sha256").update(message, "utf8").digest("hex"),
    ...changes,
  };
}

export const secondsFromNow = (seconds) => Math.floor(Date.now() / 1000) + seconds;

/** The body as chat-proxy sends it, as far as the workflows look at it. */
export const bodyFor = (message, token, sessionId = randomUUID()) => ({
  action: "sendMessage",
  chatInput: message,
  message,
  sessionId,
  jwt_token: token,
});
