// The built chat-proxy with one site for each workflow under test, in a data folder of its own.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { settings } from "./real-n8n.mjs";

const START_MS = 20_000;
const STOP_MS = 10_000;
const LOG_MS = 5_000;
// Ports above 32767 may be taken at any moment for somebody's outgoing connection.
const PORTS = { from: 20_000, to: 32_000 };

/** `CHAT_PROXY_BIN`, else the newest of what `cargo build` and `make run` have left. */
function findBinary() {
  if (process.env.CHAT_PROXY_BIN) return process.env.CHAT_PROXY_BIN;
  const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));
  const built = ["quick", "debug", "fast", "release"].map((profile) => join(target, profile, "chat-proxy")).filter(existsSync);
  if (built.length === 0) throw new Error(`no chat-proxy binary under ${target}: build it, or set CHAT_PROXY_BIN`);
  return built.sort((one, other) => statSync(other).mtimeMs - statSync(one).mtimeMs)[0];
}

export const originOf = (site) => `https://${site.toLowerCase()}.shop.example`;

/** A configuration file by the keys of config.example.toml. A site: {id, url, upstream?: more keys of [site.upstream]}. */
function configuration(sites, { port, operationsPort, folder }) {
  const table = (name, values) =>
    [name, ...Object.entries(values).map(([key, value]) => `${key} = ${JSON.stringify(value)}`), ""].join("\n");
  return [
    table("[server]", { host: "127.0.0.1", port, operations_addr: `127.0.0.1:${operationsPort}` }),
    table("[log]", { format: "json" }),
    table("[storage]", { mode: "sqlite", data_dir: folder }),
    table("[secrets]", { upstream_key: settings.session_secret_key, session_key: "only-for-tests-key-of-the-browsers-0123456789" }),
    table("[limits]", { per_minute: 10_000, per_hour: 100_000 }),
    ...sites.flatMap(({ id, url, upstream }) => [
      table("[[site]]", { id, origins: [originOf(id)] }),
      table("[site.upstream]", { url, ...upstream }),
    ]),
  ].join("\n");
}

async function freePort() {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
    const isFree = await new Promise((resolve) => {
      const server = createServer().once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

const pause = (value) => new Promise((resolve) => setTimeout(resolve, 100, value));

/**
 * Starts `chat-proxy serve`. Returns `{url, log, logged, stop}`: `log()` is everything it has printed so far, and
 * `logged(matches)` waits for a line of it, which may come a moment after the answer it belongs to.
 */
export async function startProxy(sites) {
  const folder = mkdtempSync(join(tmpdir(), "chat-proxy-n8n-"));
  const [port, operationsPort] = [await freePort(), await freePort()];
  const toml = configuration(sites, { port, operationsPort, folder });
  const file = join(folder, "chat-proxy.toml");
  writeFileSync(file, toml, { mode: 0o600 });

  // Started in its own folder and with nothing of ours in the environment, so that no stray setting or .env counts.
  const child = spawn(findBinary(), ["serve", "--config", file], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (printed += text));
  const ended = new Promise((resolve) => child.once("error", resolve).once("exit", resolve));

  const stop = async () => {
    child.kill("SIGTERM");
    const killer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(killer);
    rmSync(folder, { recursive: true, force: true });
  };

  const logged = async (matches) => {
    for (const deadline = Date.now() + LOG_MS; ; await pause()) {
      const lines = printed.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
      if (lines.some((line) => matches(JSON.parse(line)))) return;
      if (Date.now() > deadline) throw new Error(`no such line in the log:\n${printed}`);
    }
  };

  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + START_MS;
  for (;;) {
    const isUp = await fetch(`${url}/health`).then((response) => response.ok, () => false);
    if (isUp) return { url, log: () => printed, logged, stop };
    const isOver = await Promise.race([ended.then(() => true), pause(false)]);
    if (isOver || Date.now() > deadline) {
      await stop();
      throw new Error(`chat-proxy did not start:\n${printed}\nwith\n${toml}`);
    }
  }
}
