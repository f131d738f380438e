// `make test-n8n`: installs and starts a real n8n, runs the tests of this folder against it, stops it again.
//
// An n8n that cannot be installed (npm out of reach, no compiler) is a loud warning, not a failure: it says nothing about
// chat-proxy. Everything after that is: exit code 1.

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";
import { runScript, version } from "./real-n8n.mjs";

const EXIT_NOT_INSTALLED = 75;
const TEST_MS = 120_000;
// The templates first: if n8n itself does not do what they promise, the proxy's tests only repeat it.
const files = ["templates.test.mjs", "proxy.test.mjs", "callback.test.mjs"].map((name) => fileURLToPath(new URL(name, import.meta.url)));

const n8n = (command, stdout = "ignore") => spawnSync(runScript, [command], { stdio: ["ignore", stdout, "inherit"], encoding: "utf8" });

/** Counts as node:test prints them under its report: "pass 12", "fail 0". */
async function runTests() {
  const counts = {};
  const tests = run({ files, concurrency: 1, timeout: TEST_MS });
  tests.on("test:diagnostic", ({ nesting, message }) => {
    const [, word, count] = /^(pass|fail|cancelled|skipped) (\d+)$/.exec(message) ?? [];
    if (nesting === 0 && word) counts[word] = Number(count);
  });
  const report = tests.compose(spec);
  report.pipe(process.stdout, { end: false });
  await once(report, "end");
  return counts;
}

function warnThatNothingRan() {
  const line = "!".repeat(80);
  console.error(`${line}\n!! WARNING: n8n ${version()} could not be installed. NOT ONE test against a real n8n has run.\n${line}`);
}

async function main() {
  const installation = n8n("install");
  if (installation.status === EXIT_NOT_INSTALLED) {
    warnThatNothingRan();
    return 0;
  }
  // An n8n that somebody is working with goes on running.
  const wasRunning = (n8n("status", "pipe").stdout ?? "").includes("n8n runs");
  const stop = () => wasRunning || n8n("stop");
  process.once("SIGINT", () => {
    stop();
    process.exit(130);
  });
  try {
    if (installation.status !== 0 || n8n("start").status !== 0) {
      console.error(`n8n ${version()} did not start`);
      return 1;
    }
    const { pass = 0, fail = 0, cancelled = 0, skipped = 0 } = await runTests();
    const failed = fail + cancelled;
    console.log(`n8n ${version()}: ${pass} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
    return failed === 0 && pass > 0 ? 0 : 1;
  } finally {
    stop();
  }
}

process.exitCode = await main();
