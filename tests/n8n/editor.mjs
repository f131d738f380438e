// A signed-in n8n editor: makes keys of the public API, and tells what became of an execution.

import { settings, webhookUrls } from "./real-n8n.mjs";

const CALL_MS = 30_000;

/** Where n8n lives. */
export const n8nUrl = () => new URL(Object.values(webhookUrls())[0]).origin;

export class Editor {
  #cookie;

  static async signIn() {
    const editor = new Editor();
    const { email, password } = settings.n8n_owner;
    const response = await editor.#fetch("POST", "/login", { emailOrLdapLoginId: email, password });
    editor.#cookie = response.headers.getSetCookie().map((cookie) => cookie.split(";")[0]).join("; ");
    return editor;
  }

  /** A key of the public API that may do no more than `scopes`. */
  async makeApiKey(label, scopes) {
    for (const { id, label: known } of (await this.#call("GET", "/api-keys")).items ?? []) {
      if (known === label) await this.#call("DELETE", `/api-keys/${id}`);
    }
    return (await this.#call("POST", "/api-keys", { label, scopes, expiresAt: null })).rawApiKey;
  }

  /** `running`, `success`, `canceled` … */
  async statusOf(executionId) {
    return (await this.#call("GET", `/executions/${executionId}`)).status;
  }

  async #call(method, path, body) {
    const response = await this.#fetch(method, path, body);
    return (await response.json()).data;
  }

  async #fetch(method, path, body) {
    const response = await fetch(`${n8nUrl()}/rest${path}`, {
      method,
      headers: { "content-type": "application/json", "browser-id": "chat-proxy-tests", ...(this.#cookie && { cookie: this.#cookie }) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_MS),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  }
}
