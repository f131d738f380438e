// The real n8n of these tests: where it is, what it was given, and posting to one of its webhooks directly.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const runScript = fileURLToPath(new URL("../../n8n/run-n8n", import.meta.url));

export const settings = JSON.parse(readFileSync(new URL("../../n8n/test-settings.json", import.meta.url), "utf8"));

export const version = () => execFileSync(runScript, ["version"], { encoding: "utf8" }).trim();

/** Workflow key → its production URL. */
export function webhookUrls() {
  const lines = execFileSync(runScript, ["urls"], { encoding: "utf8" }).trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(" ")));
}

/** What n8n itself answers to one POST; `text` is put together from the lines of a streamed answer. */
export async function postToWebhook(url, body, headers = {}) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const raw = await response.text();
  const lines = raw.startsWith('{"type":') ? raw.trim().split("\n").map((line) => JSON.parse(line)) : [];
  return {
    status: response.status,
    raw,
    text: lines.filter((line) => line.type === "item").map((line) => line.content).join(""),
    failed: lines.some((line) => line.type === "error"),
  };
}
